"""Piecewise constant operators: Floor, Ceil, Round and Sign. No gradient passes through them."""

from __future__ import annotations

import torch
from torch import Tensor

from onnxviz.model.operators.declaration import Gradient, operator

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
    """Return -1, 0 or 1."""
    return torch.sign(input)
