"""Elementwise arithmetic: Add, Sub, Mul, Div, Mod, Pow, roots, exponentials, and the variadic Sum, Mean, Min and Max."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from onnx import TensorProto
from torch import Tensor

from onnxviz import kinks
from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Node, operator
from onnxviz.model.operators.numbers.integer_types import RANGES, divided, sortable, wrapped
from onnxviz.model.operators.numbers.vertical_tangents import flattened
from onnxviz.model.operators.shapes.broadcasting import aligned

# In opset 1 this attribute names inputs that may be overwritten. No function here overwrites its inputs.
_OVERWRITING = ("consumed_inputs",)
# Until opset 6 `broadcast` says whether shapes may differ. A node whose shapes differ without it is invalid, so it changes no result.
_LEGACY = (*_OVERWRITING, "broadcast")


@operator("Add", since=7)
def add(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Return the sum of two tensors (ONNX Add 7, 13 and 14).

    Integers wrap around on overflow.
    """
    return wrapped(torch.add(A, B), node.output_type())


@operator("Add", until=6, ignored=_LEGACY)
def add_aligned(A: Tensor, B: Tensor, *, axis: int | None = None, node: Node) -> Tensor:
    """Return the sum of two tensors (ONNX Add 1 and 6).

    The attribute `axis` lines up the second operand.
    """
    return add(A, aligned(A, B, axis), node=node)


@operator("Sub", since=7)
def subtract(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Return the difference of two tensors (ONNX Sub 7, 13 and 14).

    Integers wrap around on overflow.
    """
    return wrapped(torch.sub(A, B), node.output_type())


@operator("Sub", until=6, ignored=_LEGACY)
def subtract_aligned(A: Tensor, B: Tensor, *, axis: int | None = None, node: Node) -> Tensor:
    """Return the difference of two tensors (ONNX Sub 1 and 6).

    The attribute `axis` lines up the second operand.
    """
    return subtract(A, aligned(A, B, axis), node=node)


@operator("Mul", since=7)
def multiply(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Return the product of two tensors (ONNX Mul 7, 13 and 14).

    Integers wrap around on overflow.
    """
    return wrapped(torch.mul(A, B), node.output_type())


@operator("Mul", until=6, ignored=_LEGACY)
def multiply_aligned(A: Tensor, B: Tensor, *, axis: int | None = None, node: Node) -> Tensor:
    """Return the product of two tensors (ONNX Mul 1 and 6).

    The attribute `axis` lines up the second operand.
    """
    return multiply(A, aligned(A, B, axis), node=node)


@operator("Div", since=7)
def divide(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Return the quotient of two tensors (ONNX Div 7, 13 and 14).

    Quotients of integers are rounded toward zero.
    """
    if node.output_type() == TensorProto.UINT64 and not A.is_floating_point():
        return divided(A, B)[0]
    if node.output_type() in RANGES or not A.is_floating_point():
        return torch.div(A, B, rounding_mode="trunc")
    return torch.div(A, B)


@operator("Div", until=6, ignored=_LEGACY)
def divide_aligned(A: Tensor, B: Tensor, *, axis: int | None = None, node: Node) -> Tensor:
    """Return the quotient of two tensors (ONNX Div 1 and 6).

    The attribute `axis` lines up the second operand.
    """
    return divide(A, aligned(A, B, axis), node=node)


@operator("Mod", since=10)
def modulo(A: Tensor, B: Tensor, *, fmod: int = 0, node: Node) -> Tensor:
    """Return the remainder of a division (ONNX Mod 10, 13 and 28).

    The remainder has the sign of the divisor, or with ``fmod=1`` the sign of the dividend.
    """
    if node.output_type() == TensorProto.UINT64 and not A.is_floating_point():
        return divided(A, B)[1]
    return torch.fmod(A, B) if fmod else torch.remainder(A, B)


@operator("Pow", since=7)
def power(X: Tensor, Y: Tensor) -> Tensor:
    """Return the first input to the power of the second, in the type of the first (ONNX Pow 7, 12, 13 and 15).

    The gradient is zero at two places: at base 0 with an exponent below 1, where the slope is infinite, and toward the exponent of a
    negative base, where no slope exists.
    """
    if not X.is_floating_point():
        return _integer_power(X, Y)
    if Y.numel() == 1 and Y.dim() <= X.dim() and Y.device.type == "cpu" and not Y.requires_grad:
        # Squares and roots are many times faster than a general power. A tensor of the CPU becomes a number at no cost.
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
    """Return the first input to the power of the second (ONNX Pow 1).

    The attribute `axis` lines up the second input.
    """
    return power(X, aligned(X, Y, axis))


def _constant_power(values: Tensor, exponent: float) -> Tensor:
    if values.requires_grad and exponent < 1 and exponent != 0:
        return flattened(lambda base: torch.pow(base, exponent), values, values == 0, harmless=1.0)
    return torch.pow(values, exponent)


def _integer_power(values: Tensor, exponent: Tensor) -> Tensor:
    if exponent.is_floating_point():
        return torch.pow(values.double(), exponent.double()).to(values.dtype)
    # torch takes negative exponents of integers only in a tensor, not as a number.
    return torch.pow(values, exponent).to(values.dtype)


@operator("Neg", ignored=_OVERWRITING)
def negate(X: Tensor) -> Tensor:
    """Return the input with the opposite sign (ONNX Neg 1, 6 and 13)."""
    return torch.neg(X)


@operator("Abs", ignored=_OVERWRITING)
def absolute(X: Tensor) -> Tensor:
    """Return the absolute value (ONNX Abs 1, 6 and 13).

    The gradient at zero is zero.
    """
    return torch.abs(X)


@operator("Sqrt", ignored=_OVERWRITING)
def square_root(X: Tensor) -> Tensor:
    """Return the square root (ONNX Sqrt 1, 6 and 13).

    The gradient at zero is zero instead of infinite.
    """
    if not X.requires_grad:
        return torch.sqrt(X)
    return flattened(torch.sqrt, X, X == 0, harmless=1.0)


@operator("Reciprocal", ignored=_OVERWRITING)
def reciprocal(X: Tensor) -> Tensor:
    """Return 1 divided by the input (ONNX Reciprocal 1, 6 and 13)."""
    return torch.reciprocal(X)


@operator("Exp", ignored=_OVERWRITING)
def exponential(input: Tensor) -> Tensor:
    """Return e to the power of the input (ONNX Exp 1, 6 and 13)."""
    return torch.exp(input)


@operator("Log", ignored=_OVERWRITING)
def logarithm(input: Tensor) -> Tensor:
    """Return the natural logarithm of the input (ONNX Log 1, 6 and 13)."""
    return torch.log(input)


@operator("Erf", since=9)
def error_function(input: Tensor) -> Tensor:
    """Return the error function of the input (ONNX Erf 9 and 13)."""
    return torch.erf(input)


@operator("Sum", ignored=_OVERWRITING)
def total(*data_0: Tensor) -> Tensor:
    """Return the sum of all input tensors (ONNX Sum 1, 6, 8 and 13)."""
    return _combined(torch.add, data_0, "Sum")


@operator("Mean", ignored=_OVERWRITING)
def mean(*data_0: Tensor) -> Tensor:
    """Return the mean of all input tensors (ONNX Mean 1, 6, 8 and 13)."""
    return torch.div(_combined(torch.add, data_0, "Mean"), len(data_0))


@operator("Min", ignored=_OVERWRITING)
def minimum(*data_0: Tensor, node: Node) -> Tensor:
    """Return the elementwise minimum of all input tensors (ONNX Min 1, 6, 8, 12 and 13).

    Equal elements share the gradient equally.
    """
    return _chosen(kinks.minimum, data_0, node)


@operator("Max", ignored=_OVERWRITING)
def maximum(*data_0: Tensor, node: Node) -> Tensor:
    """Return the elementwise maximum of all input tensors (ONNX Max 1, 6, 8, 12 and 13).

    Equal elements share the gradient equally.
    """
    return _chosen(kinks.maximum, data_0, node)


def _chosen(function: Callable[..., Tensor], tensors: tuple[Tensor, ...], node: Node) -> Tensor:
    """Return the elementwise extreme of the inputs of a node."""
    if not tensors:
        raise EvaluationError(f"{node.operator} has no inputs; it needs at least one")
    kind = node.output_type()
    return sortable(function(*(sortable(one, kind) for one in tensors)), kind)


def _combined(function: Callable[..., Tensor], tensors: tuple[Tensor, ...], name: str) -> Tensor:
    if not tensors:
        raise EvaluationError(f"{name} has no inputs; it needs at least one input")
    return reduce(function, tensors)
