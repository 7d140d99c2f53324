"""Rectifiers that do not leave an ascent without a direction where a unit is dead at the start."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz import kinks

Function = Callable[[Tensor], Tensor]


def passing(values: Tensor, function: Function, low: float = -math.inf, high: float = math.inf) -> Tensor:
    """Apply a function that is level outside a range, and let the gradient pass for samples whose whole gradient it blocks.

    A sample of which any element gets a gradient has the ordinary one. For the others the gradient passes, save where
    it pushes further out of the range.

    Parameters
    ----------
    values : (batch, *shape) Tensor
        What goes in. A value without axes has no samples, and the ordinary gradient.
    function : callable
        Differentiable, element by element; does not fall within the range's ends.
    low, high : float
        Beyond these the function has no slope; at them it may have one.

    Returns
    -------
    Tensor
        What the function gives. Its gradient is that of an ascent: its positive direction raises what is maximized.
    """
    if not values.ndim:
        return function(values)
    result: Tensor = _Passing.apply(values, function, low, high)  # type: ignore[no-untyped-call, unused-ignore]  # typed from torch 2.14 on
    return result


def passing_clip(values: Tensor, low: float = 0.0, high: float = math.inf) -> Tensor:
    """Clip, and let the gradient pass for samples whose whole gradient the clip would block.

    Lucid's redirected ReLU, and with ``high=6`` its redirected ReLU6.

    Parameters
    ----------
    values : Tensor
        (batch, *shape).
    low, high : float
        The range. The default is ReLU, but for the gradient at 0, which passes.

    Examples
    --------
    >>> x = torch.tensor([[-1.0, -2.0]], requires_grad=True)
    >>> passing_clip(x).sum().backward()
    >>> x.grad
    tensor([[1., 1.]])
    """
    return passing(values, partial(kinks.clamped, low=low, high=high), low, high)


class _Passing(torch.autograd.Function):
    """The function and its two gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, function: Function, low: float, high: float) -> Tensor:
        """Apply the function."""
        ctx.save_for_backward(values)
        ctx.given = function, low, high
        return function(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Choose between the gradients, sample by sample."""
        (values,), (function, low, high), gradient = ctx.saved_tensors, ctx.given, gradients[0]
        below, above = values <= low, values >= high
        with torch.enable_grad():
            moved = values.detach().requires_grad_()
            (ordinary,) = torch.autograd.grad(function(moved), moved, gradient)
        open_way = torch.where(below, gradient.clamp(min=0), torch.where(above, gradient.clamp(max=0), ordinary))
        alive = (ordinary.reshape(len(ordinary), -1) != 0).any(1).reshape(-1, *[1] * (values.ndim - 1))
        return torch.where(alive, ordinary, open_way), None, None, None


def _relu(values: Tensor, **_: Any) -> Tensor:
    return passing(values, torch.relu, 0.0)


def _clip(values: Tensor, min: Any = None, max: Any = None, **_: Any) -> Tensor:  # noqa: A002  # ONNX's own names
    low, high = _number(min, -math.inf), _number(max, math.inf)
    if low is None or high is None:  # a bound that is computed, by element or with a gradient of its own
        return kinks.clamped(values, min, max)
    return passing_clip(values, low, high)


def _number(bound: Any, missing: float) -> float | None:
    """Return a bound as a number; None where it is not one and the same for all samples."""
    if isinstance(bound, Tensor):
        return None if bound.numel() != 1 or bound.requires_grad else float(bound)
    return missing if bound is None else float(bound)


def _hard_sigmoid(values: Tensor, *, alpha: float = 0.2, beta: float = 0.5, **_: Any) -> Tensor:
    if alpha <= 0:
        return _line(values, alpha, beta)
    return passing(values, partial(_line, alpha=alpha, beta=beta), -beta / alpha, (1 - beta) / alpha)


def _line(values: Tensor, alpha: float, beta: float) -> Tensor:
    return kinks.clamped(values * alpha + beta, 0.0, 1.0)


def _hard_swish(values: Tensor) -> Tensor:
    return passing(values, kinks.hard_swish, -3.0)


def _thresholded_relu(values: Tensor, *, alpha: float = 1.0) -> Tensor:
    return passing(values, partial(F.threshold, threshold=alpha, value=0.0), alpha)


REDIRECTED: Mapping[str, Callable[..., Tensor]] = {
    "Relu": _relu,
    "Clip": _clip,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "ThresholdedRelu": _thresholded_relu,
}
"""By ONNX operator: those that are level over a half line. A leaky, parametric or exponential rectifier has a slope there."""
