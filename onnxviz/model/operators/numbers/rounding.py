"""Piecewise constant operators: Floor, Ceil, Round and Sign. No gradient passes through them unless it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from onnxviz import kinks
from onnxviz.model.operators.declaration import Declaration, Gradient, operator
from onnxviz.model.operators.numbers.straight_through import straight_through

# In opset 1 this attribute names inputs that may be overwritten. No function here overwrites its inputs.
_OVERWRITING = ("consumed_inputs",)


@operator("Floor", gradient=Gradient.ZERO, ignored=_OVERWRITING)
def floor(X: Tensor) -> Tensor:
    """Return the largest whole number that is not above the input (ONNX Floor 1, 6 and 13)."""
    return torch.floor(X)


@operator("Ceil", gradient=Gradient.ZERO, ignored=_OVERWRITING)
def ceiling(X: Tensor) -> Tensor:
    """Return the smallest whole number that is not below the input (ONNX Ceil 1, 6 and 13)."""
    return torch.ceil(X)


@operator("Round", since=11, gradient=Gradient.ZERO)
def nearest(X: Tensor) -> Tensor:
    """Return the nearest whole number (ONNX Round 11 and 22).

    Halves go to the even neighbor.
    """
    return torch.round(X)


@operator("Sign", since=9, gradient=Gradient.ZERO)
def sign(input: Tensor) -> Tensor:
    """Return -1, 0 or 1 for the sign of the input (ONNX Sign 9 and 13).

    NaN stays NaN.
    """
    return torch.where(input.isnan(), input, torch.sign(input)) if input.is_floating_point() else torch.sign(input)


def passing(declaration: Declaration) -> Declaration:
    """Return the declaration of a rounding operator with a straight-through backward pass, as if nothing had been rounded.

    Sign passes the gradient where its input lies from -1 to 1. So binarized networks are trained (Hubara et al., "Binarized neural
    networks", 2016).
    """
    smooth = _within_one if declaration.operator == "Sign" else _unchanged
    function = partial(_straight, declaration.function, smooth)
    return replace(declaration, function=function, gradient=Gradient.STRAIGHT_THROUGH)


def _straight(function: Callable[..., Tensor], smooth: Callable[[Tensor], Tensor], values: Tensor, **_: Any) -> Tensor:
    return straight_through(smooth(values), function(values))


def _unchanged(values: Tensor) -> Tensor:
    return values


def _within_one(values: Tensor) -> Tensor:
    return kinks.clamped(values, -1, 1)
