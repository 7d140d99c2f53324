"""Trigonometric and hyperbolic operators, and their inverses."""

from __future__ import annotations

import torch
from torch import Tensor

from onnxviz.model.operators.declaration import operator
from onnxviz.model.operators.numbers.vertical_tangents import flattened


@operator("Sin", since=7)
def sine(input: Tensor) -> Tensor:
    """Return the sine of angles in radians."""
    return torch.sin(input)


@operator("Cos", since=7)
def cosine(input: Tensor) -> Tensor:
    """Return the cosine of angles in radians."""
    return torch.cos(input)


@operator("Tan", since=7)
def tangent(input: Tensor) -> Tensor:
    """Return the tangent of angles in radians."""
    return torch.tan(input)


@operator("Asin", since=7)
def arcsine(input: Tensor) -> Tensor:
    """Return the angle of a sine, in radians; the gradient at -1 and 1 is zero instead of infinite."""
    if not input.requires_grad:
        return torch.asin(input)
    return flattened(torch.asin, input, input.abs() == 1, harmless=0.0)


@operator("Acos", since=7)
def arccosine(input: Tensor) -> Tensor:
    """Return the angle of a cosine, in radians; the gradient at -1 and 1 is zero instead of infinite."""
    if not input.requires_grad:
        return torch.acos(input)
    return flattened(torch.acos, input, input.abs() == 1, harmless=0.0)


@operator("Atan", since=7)
def arctangent(input: Tensor) -> Tensor:
    """Return the angle of a tangent, in radians."""
    return torch.atan(input)


@operator("Sinh", since=9)
def hyperbolic_sine(input: Tensor) -> Tensor:
    """Return the hyperbolic sine."""
    return torch.sinh(input)


@operator("Cosh", since=9)
def hyperbolic_cosine(input: Tensor) -> Tensor:
    """Return the hyperbolic cosine."""
    return torch.cosh(input)


@operator("Tanh", ignored=("consumed_inputs",))  # opset 1 only; nothing is overwritten here
def hyperbolic_tangent(input: Tensor) -> Tensor:
    """Return the hyperbolic tangent."""
    return torch.tanh(input)


@operator("Asinh", since=9)
def inverse_hyperbolic_sine(input: Tensor) -> Tensor:
    """Return the inverse of the hyperbolic sine."""
    return torch.asinh(input)


@operator("Acosh", since=9)
def inverse_hyperbolic_cosine(input: Tensor) -> Tensor:
    """Return the inverse of the hyperbolic cosine; the gradient at 1 is zero instead of infinite."""
    if not input.requires_grad:
        return torch.acosh(input)
    return flattened(torch.acosh, input, input == 1, harmless=2.0)


@operator("Atanh", since=9)
def inverse_hyperbolic_tangent(input: Tensor) -> Tensor:
    """Return the inverse of the hyperbolic tangent."""
    return torch.atanh(input)
