"""Elementwise arithmetic: Add, Sub, Mul, Div, Mod, Pow, roots, exponentials, and the variadic Sum, Mean, Min and Max."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from onnx import TensorProto
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators import kinks
from onnxviz.model.operators.broadcasting import aligned
from onnxviz.model.operators.declaration import Node, operator
from onnxviz.model.operators.integer_types import RANGES, divided, sortable, wrapped
from onnxviz.model.operators.vertical_tangents import flattened

# Opset 1 promises which inputs may be overwritten: nothing is overwritten here.
_OVERWRITING = ("consumed_inputs",)
# Until opset 6 `broadcast` says whether shapes may differ. Where they do, the node is either meant so or invalid.
_LEGACY = (*_OVERWRITING, "broadcast")


@operator("Add", since=7)
def add(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Add, wrapping around where integers overflow."""
    return wrapped(torch.add(A, B), node.output_type())


@operator("Add", until=6, ignored=_LEGACY)
def add_aligned(A: Tensor, B: Tensor, *, axis: int | None = None, node: Node) -> Tensor:
    """Add, the second operand lined up by an attribute."""
    return add(A, aligned(A, B, axis), node=node)


@operator("Sub", since=7)
def subtract(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Subtract, wrapping around where integers overflow."""
    return wrapped(torch.sub(A, B), node.output_type())


@operator("Sub", until=6, ignored=_LEGACY)
def subtract_aligned(A: Tensor, B: Tensor, *, axis: int | None = None, node: Node) -> Tensor:
    """Subtract, the second operand lined up by an attribute."""
    return subtract(A, aligned(A, B, axis), node=node)


@operator("Mul", since=7)
def multiply(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Multiply, wrapping around where integers overflow."""
    return wrapped(torch.mul(A, B), node.output_type())


@operator("Mul", until=6, ignored=_LEGACY)
def multiply_aligned(A: Tensor, B: Tensor, *, axis: int | None = None, node: Node) -> Tensor:
    """Multiply, the second operand lined up by an attribute."""
    return multiply(A, aligned(A, B, axis), node=node)


@operator("Div", since=7)
def divide(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Divide; integers toward zero."""
    if node.output_type() == TensorProto.UINT64 and not A.is_floating_point():
        return divided(A, B)[0]
    if node.output_type() in RANGES or not A.is_floating_point():
        return torch.div(A, B, rounding_mode="trunc")
    return torch.div(A, B)


@operator("Div", until=6, ignored=_LEGACY)
def divide_aligned(A: Tensor, B: Tensor, *, axis: int | None = None, node: Node) -> Tensor:
    """Divide, the second operand lined up by an attribute."""
    return divide(A, aligned(A, B, axis), node=node)


@operator("Mod", since=10)
def modulo(A: Tensor, B: Tensor, *, fmod: int = 0, node: Node) -> Tensor:
    """Return the remainder: with the sign of the divisor, or with ``fmod=1`` with the sign of the dividend."""
    if node.output_type() == TensorProto.UINT64 and not A.is_floating_point():
        return divided(A, B)[1]
    return torch.fmod(A, B) if fmod else torch.remainder(A, B)


@operator("Pow", since=7)
def power(X: Tensor, Y: Tensor) -> Tensor:
    """Raise to a power, in the type of the base.

    Where the true slope is infinite (at base 0, exponent below 1) or does not exist (negative bases, in the direction
    of the exponent), the gradient is zero.
    """
    if not X.is_floating_point():
        return _integer_power(X, Y)
    if Y.numel() == 1 and Y.dim() <= X.dim() and Y.device.type == "cpu" and not Y.requires_grad:
        # Read on the host, which costs nothing on the CPU: squares and roots are many times faster than a general power.
        return _constant_power(X, Y.item())
    exponent = Y.to(X.dtype)
    if not (X.requires_grad or exponent.requires_grad):
        return torch.pow(X, exponent)
    steep = (X == 0) & (exponent < 1)
    negative = (X < 0) & torch.ones_like(steep)
    ordinary = torch.pow(torch.where(steep | negative, 1.0, X), exponent)
    with_base_only = torch.pow(torch.where(negative, X, 1.0), exponent.detach())
    result = torch.where(negative, with_base_only, ordinary)
    return torch.where(steep, torch.pow(X.detach(), exponent.detach()), result)


@operator("Pow", until=6, ignored=_LEGACY)
def power_aligned(X: Tensor, Y: Tensor, *, axis: int | None = None) -> Tensor:
    """Raise to a power, the exponent lined up by an attribute."""
    return power(X, aligned(X, Y, axis))


def _constant_power(values: Tensor, exponent: float) -> Tensor:
    if values.requires_grad and exponent < 1 and exponent != 0:
        return flattened(lambda base: torch.pow(base, exponent), values, values == 0, harmless=1.0)
    return torch.pow(values, exponent)


def _integer_power(values: Tensor, exponent: Tensor) -> Tensor:
    if exponent.is_floating_point():
        return torch.pow(values.double(), exponent.double()).to(values.dtype)
    # A tensor exponent, not a number, so that torch takes negative ones too.
    return torch.pow(values, exponent).to(values.dtype)


@operator("Neg", ignored=_OVERWRITING)
def negate(X: Tensor) -> Tensor:
    """Change the sign."""
    return torch.neg(X)


@operator("Abs", ignored=_OVERWRITING)
def absolute(X: Tensor) -> Tensor:
    """Return the magnitude; the gradient at zero is zero."""
    return torch.abs(X)


@operator("Sqrt", ignored=_OVERWRITING)
def square_root(X: Tensor) -> Tensor:
    """Return the square root; the gradient at zero is zero instead of infinite."""
    if not X.requires_grad:
        return torch.sqrt(X)
    return flattened(torch.sqrt, X, X == 0, harmless=1.0)


@operator("Reciprocal", ignored=_OVERWRITING)
def reciprocal(X: Tensor) -> Tensor:
    """Return one over the input."""
    return torch.reciprocal(X)


@operator("Exp", ignored=_OVERWRITING)
def exponential(input: Tensor) -> Tensor:
    """Return e to the power of the input."""
    return torch.exp(input)


@operator("Log", ignored=_OVERWRITING)
def logarithm(input: Tensor) -> Tensor:
    """Return the natural logarithm."""
    return torch.log(input)


@operator("Erf", since=9)
def error_function(input: Tensor) -> Tensor:
    """Return the error function."""
    return torch.erf(input)


@operator("Sum", ignored=_OVERWRITING)
def total(*data_0: Tensor) -> Tensor:
    """Add any number of tensors."""
    return _combined(torch.add, data_0, "Sum")


@operator("Mean", ignored=_OVERWRITING)
def mean(*data_0: Tensor) -> Tensor:
    """Average any number of tensors."""
    return torch.div(_combined(torch.add, data_0, "Mean"), len(data_0))


@operator("Min", ignored=_OVERWRITING)
def minimum(*data_0: Tensor, node: Node) -> Tensor:
    """Return the smallest of any number of tensors; equal ones share the gradient equally."""
    return _chosen(kinks.minimum, data_0, node)


@operator("Max", ignored=_OVERWRITING)
def maximum(*data_0: Tensor, node: Node) -> Tensor:
    """Return the largest of any number of tensors; equal ones share the gradient equally."""
    return _chosen(kinks.maximum, data_0, node)


def _chosen(function: Callable[..., Tensor], tensors: tuple[Tensor, ...], node: Node) -> Tensor:
    if not tensors:
        raise EvaluationError(f"{node.operator} has no inputs; it needs at least one")
    kind = node.output_type()
    return sortable(function(*(sortable(one, kind) for one in tensors)), kind)


def _combined(function: Callable[..., Tensor], tensors: tuple[Tensor, ...], name: str) -> Tensor:
    if not tensors:
        raise EvaluationError(f"{name} has no inputs; it needs at least one")
    return reduce(function, tensors)
