"""Trigonometric and hyperbolic functions and their inverses."""

from __future__ import annotations

import torch
from torch import Tensor

from onnxviz.model.operators.declaration import operator
from onnxviz.model.operators.numbers.vertical_tangents import flattened


@operator("Sin", since=7)
def sine(input: Tensor) -> Tensor:
    """Return the sine of angles in radians (ONNX Sin 7 and 22)."""
    return torch.sin(input)


@operator("Cos", since=7)
def cosine(input: Tensor) -> Tensor:
    """Return the cosine of angles in radians (ONNX Cos 7 and 22)."""
    return torch.cos(input)


@operator("Tan", since=7)
def tangent(input: Tensor) -> Tensor:
    """Return the tangent of angles in radians (ONNX Tan 7 and 22)."""
    return torch.tan(input)


@operator("Asin", since=7)
def arcsine(input: Tensor) -> Tensor:
    """Return the inverse of the sine, in radians (ONNX Asin 7 and 22).

    The gradient at -1 and 1 is zero instead of infinite.
    """
    if not input.requires_grad:
        return torch.asin(input)
    return flattened(torch.asin, input, input.abs() == 1, harmless=0.0)


@operator("Acos", since=7)
def arccosine(input: Tensor) -> Tensor:
    """Return the inverse of the cosine, in radians (ONNX Acos 7 and 22).

    The gradient at -1 and 1 is zero instead of infinite.
    """
    if not input.requires_grad:
        return torch.acos(input)
    return flattened(torch.acos, input, input.abs() == 1, harmless=0.0)


@operator("Atan", since=7)
def arctangent(input: Tensor) -> Tensor:
    """Return the inverse of the tangent, in radians (ONNX Atan 7 and 22)."""
    return torch.atan(input)


@operator("Sinh", since=9)
def hyperbolic_sine(input: Tensor) -> Tensor:
    """Return the hyperbolic sine (ONNX Sinh 9 and 22)."""
    return torch.sinh(input)


@operator("Cosh", since=9)
def hyperbolic_cosine(input: Tensor) -> Tensor:
    """Return the hyperbolic cosine (ONNX Cosh 9 and 22)."""
    return torch.cosh(input)


@operator("Tanh", ignored=("consumed_inputs",))  # names inputs that may be overwritten, in opset 1 only
def hyperbolic_tangent(input: Tensor) -> Tensor:
    """Return the hyperbolic tangent (ONNX Tanh 1, 6 and 13)."""
    return torch.tanh(input)


@operator("Asinh", since=9)
def inverse_hyperbolic_sine(input: Tensor) -> Tensor:
    """Return the inverse of the hyperbolic sine (ONNX Asinh 9 and 22)."""
    return torch.asinh(input)


@operator("Acosh", since=9)
def inverse_hyperbolic_cosine(input: Tensor) -> Tensor:
    """Return the inverse of the hyperbolic cosine (ONNX Acosh 9 and 22).

    The gradient at 1 is zero instead of infinite.
    """
    if not input.requires_grad:
        return torch.acosh(input)
    return flattened(torch.acosh, input, input == 1, harmless=2.0)


@operator("Atanh", since=9)
def inverse_hyperbolic_tangent(input: Tensor) -> Tensor:
    """Return the inverse of the hyperbolic tangent (ONNX Atanh 9 and 22)."""
    return torch.atanh(input)
