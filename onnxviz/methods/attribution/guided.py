"""Guided backpropagation: rectifiers that hand back only positive gradients, in place of the network's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz import kinks
from onnxviz.methods.attribution.gradients import gradient
from onnxviz.methods.attribution.result import Attribution
from onnxviz.methods.attribution.scores import Score


def guided_backpropagation(score: Score, inputs: Sequence[Tensor]) -> Attribution:
    """Return the gradient of a score whose rectifiers are guided (Springenberg et al. 2015).

    Parameters
    ----------
    score : callable
        Of a network in which `GUIDED` stands for the operators' own functions.
    inputs : sequence of (1, *shape) Tensor
    """
    found = gradient(score, inputs)
    return replace(found, method="guided-backprop", unit="guided gradient")


def guided_relu(values: Tensor) -> Tensor:
    """Rectify; backwards, only what is positive passes where the input is positive."""
    return _positive_back(torch.relu(values))


def guided_leaky_relu(values: Tensor, *, alpha: float = 0.01) -> Tensor:
    """Rectify leakily; backwards, only what is positive passes, by the own slopes."""
    return _positive_back(F.leaky_relu(values, alpha))


def guided_parametric_relu(values: Tensor, slope: Tensor) -> Tensor:
    """Rectify by learned slopes; backwards, only what is positive passes, by those slopes."""
    if slope.ndim == 1 and slope.numel() > 1 and values.ndim > 2:
        slope = slope.reshape(slope.shape + (1,) * (values.ndim - 2))
    return _positive_back(torch.where(values < 0, slope * values, values))


def guided_clip(values: Tensor, min: Any = None, max: Any = None) -> Tensor:  # noqa: A002  # ONNX's own names
    """Clip; where the range begins at zero, as in ReLU6, only what is positive passes back."""
    low, high = (None if bound is None else float(bound) for bound in (min, max))
    clipped = kinks.clamped(values, low, high)
    return _positive_back(clipped) if low == 0 else clipped


GUIDED = {
    "Relu": guided_relu,
    "LeakyRelu": guided_leaky_relu,
    "PRelu": guided_parametric_relu,
    "Clip": guided_clip,
}
"""By operator of the ONNX domain, as `Network.replacing` takes them. Smooth activations, such as Gelu, stay as they are."""


def _positive_back(values: Tensor) -> Tensor:
    passed: Tensor = _PositiveBack.apply(values)  # type: ignore[no-untyped-call, unused-ignore]  # typed from torch 2.14 on
    return passed


class _PositiveBack(torch.autograd.Function):
    """The identity, whose gradient is cut off below zero."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Hand on."""
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Keep what is positive."""
        return gradients[0].clamp_min(0)
