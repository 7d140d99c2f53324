"""Comparisons, tests for NaN and infinity, logic, and Where, the choice between two tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from onnxviz.model.operators.declaration import Gradient, Node, operator
from onnxviz.model.operators.numbers.integer_types import sortable
from onnxviz.model.operators.shapes.broadcasting import aligned

# Until opset 6 `broadcast` says whether shapes may differ. A node whose shapes differ without it is invalid, so it changes no result.
_LEGACY = ("broadcast",)


@operator("Equal", since=7, gradient=Gradient.ZERO)
def equal(A: Tensor, B: Tensor) -> Tensor:
    """Return where the operands are equal (ONNX Equal 7, 11, 13 and 19)."""
    return torch.eq(A, B)


@operator("Equal", until=6, gradient=Gradient.ZERO, ignored=_LEGACY)
def equal_aligned(A: Tensor, B: Tensor, *, axis: int | None = None) -> Tensor:
    """Return where the operands are equal (ONNX Equal 1).

    The attribute `axis` lines up the second operand.
    """
    return torch.eq(A, aligned(A, B, axis))


@operator("Greater", since=7, gradient=Gradient.ZERO)
def greater(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Return where the first operand is greater than the second (ONNX Greater 7, 9 and 13)."""
    kind = node.input_type(0)
    return torch.gt(sortable(A, kind), sortable(B, kind))


@operator("Greater", until=6, gradient=Gradient.ZERO, ignored=_LEGACY)
def greater_aligned(A: Tensor, B: Tensor, *, axis: int | None = None) -> Tensor:
    """Return where the first operand is greater than the second (ONNX Greater 1).

    The attribute `axis` lines up the second operand.
    """
    return torch.gt(A, aligned(A, B, axis))


@operator("Less", since=7, gradient=Gradient.ZERO)
def less(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Return where the first operand is less than the second (ONNX Less 7, 9 and 13)."""
    kind = node.input_type(0)
    return torch.lt(sortable(A, kind), sortable(B, kind))


@operator("Less", until=6, gradient=Gradient.ZERO, ignored=_LEGACY)
def less_aligned(A: Tensor, B: Tensor, *, axis: int | None = None) -> Tensor:
    """Return where the first operand is less than the second (ONNX Less 1).

    The attribute `axis` lines up the second operand.
    """
    return torch.lt(A, aligned(A, B, axis))


@operator("GreaterOrEqual", since=12, gradient=Gradient.ZERO)
def greater_or_equal(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Return where the first operand is greater than or equal to the second (ONNX GreaterOrEqual 12 and 16)."""
    kind = node.input_type(0)
    return torch.ge(sortable(A, kind), sortable(B, kind))


@operator("LessOrEqual", since=12, gradient=Gradient.ZERO)
def less_or_equal(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Return where the first operand is less than or equal to the second (ONNX LessOrEqual 12 and 16)."""
    kind = node.input_type(0)
    return torch.le(sortable(A, kind), sortable(B, kind))


@operator("And", since=7, gradient=Gradient.ZERO)
def logical_and(A: Tensor, B: Tensor) -> Tensor:
    """Return where both operands are true (ONNX And 7)."""
    return torch.logical_and(A, B)


@operator("And", until=6, gradient=Gradient.ZERO, ignored=_LEGACY)
def logical_and_aligned(A: Tensor, B: Tensor, *, axis: int | None = None) -> Tensor:
    """Return where both operands are true (ONNX And 1).

    The attribute `axis` lines up the second operand.
    """
    return torch.logical_and(A, aligned(A, B, axis))


@operator("Or", since=7, gradient=Gradient.ZERO)
def logical_or(A: Tensor, B: Tensor) -> Tensor:
    """Return where at least one operand is true (ONNX Or 7)."""
    return torch.logical_or(A, B)


@operator("Or", until=6, gradient=Gradient.ZERO, ignored=_LEGACY)
def logical_or_aligned(A: Tensor, B: Tensor, *, axis: int | None = None) -> Tensor:
    """Return where at least one operand is true (ONNX Or 1).

    The attribute `axis` lines up the second operand.
    """
    return torch.logical_or(A, aligned(A, B, axis))


@operator("Xor", since=7, gradient=Gradient.ZERO)
def logical_xor(A: Tensor, B: Tensor) -> Tensor:
    """Return where exactly one operand is true (ONNX Xor 7)."""
    return torch.logical_xor(A, B)


@operator("Xor", until=6, gradient=Gradient.ZERO, ignored=_LEGACY)
def logical_xor_aligned(A: Tensor, B: Tensor, *, axis: int | None = None) -> Tensor:
    """Return where exactly one operand is true (ONNX Xor 1).

    The attribute `axis` lines up the second operand.
    """
    return torch.logical_xor(A, aligned(A, B, axis))


@operator("Not", gradient=Gradient.ZERO)
def logical_not(X: Tensor) -> Tensor:
    """Return where the input is false (ONNX Not 1)."""
    return torch.logical_not(X)


@operator("IsNaN", since=9, gradient=Gradient.ZERO)
def is_nan(X: Tensor) -> Tensor:
    """Return where the input is NaN (ONNX IsNaN 9, 13 and 20)."""
    return torch.isnan(X)


@operator("IsInf", since=10, gradient=Gradient.ZERO)
def is_infinite(X: Tensor, *, detect_negative: int = 1, detect_positive: int = 1) -> Tensor:
    """Return where the input is infinite with a sign that the attributes ask for (ONNX IsInf 10 and 20)."""
    if detect_negative and detect_positive:
        return torch.isinf(X)
    if detect_negative:
        return torch.isneginf(X)
    if detect_positive:
        return torch.isposinf(X)
    return torch.zeros_like(X, dtype=torch.bool)


@operator("Where", since=9)
def where(condition: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    """Return `X` where the condition is true, and `Y` elsewhere (ONNX Where 9 and 16)."""
    return torch.where(condition, X, Y)
