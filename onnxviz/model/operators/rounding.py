"""Piecewise constant operators: Floor, Ceil, Round and Sign. No gradient passes through them, unless it is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from onnxviz.model.operators import kinks
from onnxviz.model.operators.declaration import Declaration, Gradient, operator
from onnxviz.model.operators.straight_through import straight_through

# Opset 1 promises which inputs may be overwritten: nothing is overwritten here.
_OVERWRITING = ("consumed_inputs",)


@operator("Floor", gradient=Gradient.ZERO, ignored=_OVERWRITING)
def floor(X: Tensor) -> Tensor:
    """Return the largest whole number that is not above the input."""
    return torch.floor(X)


@operator("Ceil", gradient=Gradient.ZERO, ignored=_OVERWRITING)
def ceiling(X: Tensor) -> Tensor:
    """Return the smallest whole number that is not below the input."""
    return torch.ceil(X)


@operator("Round", since=11, gradient=Gradient.ZERO)
def nearest(X: Tensor) -> Tensor:
    """Return the nearest whole number; halves go to the even one."""
    return torch.round(X)


@operator("Sign", since=9, gradient=Gradient.ZERO)
def sign(input: Tensor) -> Tensor:
    """Return -1, 0 or 1, and of what is no number the same."""
    return torch.where(input.isnan(), input, torch.sign(input)) if input.is_floating_point() else torch.sign(input)


def passing(declaration: Declaration) -> Declaration:
    """Return the declaration of one of these operators with another backward pass: as if nothing had been rounded.

    Sign passes the gradient from -1 to 1, the range of its output, as binarized networks are trained (Hubara et al. 2016, "Binarized
    neural networks").
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
