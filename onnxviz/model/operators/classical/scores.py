"""What ai.onnx.ml operators do to scores before they return them: ``post_transform`` and its corner cases."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError

POST_TRANSFORMS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT")
"""By name. The position is its number in ONNX Runtime's TreeEnsemble-5; ONNX's text has 1 and 2 the other way round."""

_ZERO = 1e-7  # what SOFTMAX_ZERO takes for zero
_WINITZKI = 0.147  # the constant of the approximation below


def transformed(scores: Tensor, post_transform: str) -> Tensor:
    """Apply ``post_transform`` as ONNX Runtime does: to a single column, all but PROBIT change nothing.

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
        For a transform of another name.
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
    """Softmax over the scores that are not zero; a zero stays zero."""
    largest = scores.amax(-1, keepdim=True).detach()
    exponential = torch.exp(scores - largest)
    there = scores.abs() > _ZERO
    total = torch.where(there, exponential, torch.zeros_like(exponential)).sum(-1, keepdim=True)
    return torch.where(there, exponential, scores * torch.exp(-largest)) / total


def probit(probability: Tensor) -> Tensor:
    """Quantile of the normal distribution, by the approximation that ONNX Runtime uses.

    Winitzki, "A handy approximation for the error function and its inverse" (2008): its relative error is below 0.002.
    Being an approximation it is part of the operator's value. Here it is arranged so that the derivative at 1/2 is
    finite.
    """
    x = 2 * probability - 1
    square = x * x
    tiny = square < 1e-6
    # -log(1 - x²) / x², whose limit at zero is 1
    safe = torch.where(tiny, torch.full_like(x, 0.5), x)
    ratio = torch.where(tiny, 1 + square / 2, -torch.log((1 - safe) * (1 + safe)) / (safe * safe))
    half = 2 / (math.pi * _WINITZKI) - 0.5 * ratio * square
    root = torch.sqrt(half * half + ratio * square / _WINITZKI)
    # sqrt(half² + c) - half: where half is positive the difference would cancel
    inner = torch.where(half > 0, ratio / _WINITZKI / (root + half.clamp(min=0)), (root - half) / safe.square())
    return math.sqrt(2) * x * torch.sqrt(inner)


def two_columns(score: Tensor, post_transform: str, *, complement: bool, operator: str) -> Tensor:
    """Spread the one score of a binary classifier over two columns, the second of which is the score's own class.

    Parameters
    ----------
    score : (batch,) float
        The raw score of the second class.
    post_transform : str
        The node's transform.
    complement : bool
        Whether the columns are 1 - s and s, as if the score were a share of one, or -s and s. For LOGISTIC they are the
        logistic function of -s and s in both cases; the other transforms change nothing.
    operator : str
        For the message.

    Returns
    -------
    (batch, 2) float

    Raises
    ------
    EvaluationError
        For PROBIT, where ONNX Runtime leaves the second column undefined, and for a transform of another name.
    """
    _require_known(post_transform)
    if post_transform == "PROBIT":
        raise EvaluationError(
            f"{operator} has post_transform PROBIT and one score for two classes: its second column is not defined; "
            "aim at a tensor before it"
        )
    if post_transform == "LOGISTIC":
        return torch.sigmoid(torch.stack((-score, score), -1))
    return torch.stack((1 - score if complement else -score, score), -1)
