"""Transforms of scores before ai.onnx.ml operators return them: ``post_transform``, and the scores of two classes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError

POST_TRANSFORMS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT")
"""Names of the transforms. The position of a name is its number in ONNX Runtime's TreeEnsemble 5. ONNX's text exchanges 1 and 2."""

_ZERO = 1e-7  # SOFTMAX_ZERO takes smaller scores for zero
_WINITZKI = 0.147  # the constant of the approximation in `probit`


def transformed(scores: Tensor, post_transform: str) -> Tensor:
    """Return scores after ``post_transform``. As in ONNX Runtime, only PROBIT changes a single column.

    Parameters
    ----------
    scores : (batch, column) float
        Raw scores.
    post_transform : str
        One of `POST_TRANSFORMS`.

    Returns
    -------
    (batch, column) float

    Raises
    ------
    EvaluationError
        If the transform has another name.
    """
    _require_known(post_transform)
    if post_transform == "PROBIT":
        return probit(scores)
    if post_transform == "NONE" or scores.shape[-1] == 1:
        return scores
    if post_transform == "LOGISTIC":
        return torch.sigmoid(scores)
    if post_transform == "SOFTMAX":
        return torch.softmax(scores, -1)
    return softmax_zero(scores)


def _require_known(post_transform: str) -> None:
    if post_transform not in POST_TRANSFORMS:
        raise EvaluationError(f"post_transform is {post_transform!r}; ONNX knows {', '.join(POST_TRANSFORMS)}")


def softmax_zero(scores: Tensor) -> Tensor:
    """Return the softmax over the scores that are not zero. A score of zero stays zero."""
    largest = scores.amax(-1, keepdim=True).detach()
    exponential = torch.exp(scores - largest)
    there = scores.abs() > _ZERO
    total = torch.where(there, exponential, torch.zeros_like(exponential)).sum(-1, keepdim=True)
    return torch.where(there, exponential, scores * torch.exp(-largest)) / total


def probit(probability: Tensor) -> Tensor:
    """Return the quantile of the normal distribution, by the approximation that ONNX Runtime uses.

    The source is Winitzki, "A handy approximation for the error function and its inverse", 2008. Its relative error is below 0.002. The
    approximation belongs to the operator, so an exact quantile would differ from ONNX Runtime. The formula is arranged so that its
    derivative at 1/2 is finite.
    """
    x = 2 * probability - 1
    square = x * x
    tiny = square < 1e-6
    # The ratio is -log(1 - x²) / x². Its limit at zero is 1.
    safe = torch.where(tiny, torch.full_like(x, 0.5), x)
    ratio = torch.where(tiny, 1 + square / 2, -torch.log((1 - safe) * (1 + safe)) / (safe * safe))
    half = 2 / (math.pi * _WINITZKI) - 0.5 * ratio * square
    root = torch.sqrt(half * half + ratio * square / _WINITZKI)
    # The difference sqrt(half² + c) - half would lose digits where half is positive.
    inner = torch.where(half > 0, ratio / _WINITZKI / (root + half.clamp(min=0)), (root - half) / safe.square())
    return math.sqrt(2) * x * torch.sqrt(inner)


def two_columns(score: Tensor, post_transform: str, *, complement: bool, operator: str) -> Tensor:
    """Return two columns from the single score of a classifier of two classes. The second column is the class of the score.

    Parameters
    ----------
    score : (batch,) float
        The raw score of the second class.
    post_transform : str
        The node's transform.
    complement : bool
        Whether the columns are 1 - s and s, as for a probability. Otherwise they are -s and s. For LOGISTIC they are always the logistic
        function of -s and s. The other transforms change nothing.
    operator : str
        The name of the operator, for the message.

    Returns
    -------
    (batch, 2) float

    Raises
    ------
    EvaluationError
        If the transform is PROBIT, for which ONNX Runtime does not define the second column, or has another name.
    """
    _require_known(post_transform)
    if post_transform == "PROBIT":
        raise EvaluationError(
            f"{operator} has post_transform PROBIT and a single score for two classes, so its second column is not defined; "
            "aim at a tensor before it"
        )
    if post_transform == "LOGISTIC":
        return torch.sigmoid(torch.stack((-score, score), -1))
    return torch.stack((1 - score if complement else -score, score), -1)
