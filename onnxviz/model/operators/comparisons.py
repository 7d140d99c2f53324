"""Comparisons, tests, logic, and the choice between two tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from onnxviz.model.operators.declaration import Gradient, Node, operator
from onnxviz.model.operators.numbers.integer_types import sortable
from onnxviz.model.operators.shapes.broadcasting import aligned

# Until opset 6 `broadcast` says whether shapes may differ. Where they do, the node is either meant so or invalid.
_LEGACY = ("broadcast",)


@operator("Equal", since=7, gradient=Gradient.ZERO)
def equal(A: Tensor, B: Tensor) -> Tensor:
    """Whether the operands are equal."""
    return torch.eq(A, B)


@operator("Equal", until=6, gradient=Gradient.ZERO, ignored=_LEGACY)
def equal_aligned(A: Tensor, B: Tensor, *, axis: int | None = None) -> Tensor:
    """Whether the operands are equal, the second lined up by an attribute."""
    return torch.eq(A, aligned(A, B, axis))


@operator("Greater", since=7, gradient=Gradient.ZERO)
def greater(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Whether the first operand is the greater one."""
    kind = node.input_type(0)
    return torch.gt(sortable(A, kind), sortable(B, kind))


@operator("Greater", until=6, gradient=Gradient.ZERO, ignored=_LEGACY)
def greater_aligned(A: Tensor, B: Tensor, *, axis: int | None = None) -> Tensor:
    """Whether the first operand is the greater one, the second lined up by an attribute."""
    return torch.gt(A, aligned(A, B, axis))


@operator("Less", since=7, gradient=Gradient.ZERO)
def less(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Whether the first operand is the smaller one."""
    kind = node.input_type(0)
    return torch.lt(sortable(A, kind), sortable(B, kind))


@operator("Less", until=6, gradient=Gradient.ZERO, ignored=_LEGACY)
def less_aligned(A: Tensor, B: Tensor, *, axis: int | None = None) -> Tensor:
    """Whether the first operand is the smaller one, the second lined up by an attribute."""
    return torch.lt(A, aligned(A, B, axis))


@operator("GreaterOrEqual", since=12, gradient=Gradient.ZERO)
def greater_or_equal(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Whether the first operand is greater than the second one, or equal."""
    kind = node.input_type(0)
    return torch.ge(sortable(A, kind), sortable(B, kind))


@operator("LessOrEqual", since=12, gradient=Gradient.ZERO)
def less_or_equal(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Whether the first operand is smaller than the second one, or equal."""
    kind = node.input_type(0)
    return torch.le(sortable(A, kind), sortable(B, kind))


@operator("And", since=7, gradient=Gradient.ZERO)
def logical_and(A: Tensor, B: Tensor) -> Tensor:
    """Whether both operands are true."""
    return torch.logical_and(A, B)


@operator("And", until=6, gradient=Gradient.ZERO, ignored=_LEGACY)
def logical_and_aligned(A: Tensor, B: Tensor, *, axis: int | None = None) -> Tensor:
    """Whether both operands are true, the second lined up by an attribute."""
    return torch.logical_and(A, aligned(A, B, axis))


@operator("Or", since=7, gradient=Gradient.ZERO)
def logical_or(A: Tensor, B: Tensor) -> Tensor:
    """Whether at least one operand is true."""
    return torch.logical_or(A, B)


@operator("Or", until=6, gradient=Gradient.ZERO, ignored=_LEGACY)
def logical_or_aligned(A: Tensor, B: Tensor, *, axis: int | None = None) -> Tensor:
    """Whether at least one operand is true, the second lined up by an attribute."""
    return torch.logical_or(A, aligned(A, B, axis))


@operator("Xor", since=7, gradient=Gradient.ZERO)
def logical_xor(A: Tensor, B: Tensor) -> Tensor:
    """Whether exactly one operand is true."""
    return torch.logical_xor(A, B)


@operator("Xor", until=6, gradient=Gradient.ZERO, ignored=_LEGACY)
def logical_xor_aligned(A: Tensor, B: Tensor, *, axis: int | None = None) -> Tensor:
    """Whether exactly one operand is true, the second lined up by an attribute."""
    return torch.logical_xor(A, aligned(A, B, axis))


@operator("Not", gradient=Gradient.ZERO)
def logical_not(X: Tensor) -> Tensor:
    """Return the opposite truth."""
    return torch.logical_not(X)


@operator("IsNaN", since=9, gradient=Gradient.ZERO)
def is_nan(X: Tensor) -> Tensor:
    """Whether values are not a number."""
    return torch.isnan(X)


@operator("IsInf", since=10, gradient=Gradient.ZERO)
def is_infinite(X: Tensor, *, detect_negative: int = 1, detect_positive: int = 1) -> Tensor:
    """Whether values are infinite, of the signs that are asked for."""
    if detect_negative and detect_positive:
        return torch.isinf(X)
    if detect_negative:
        return torch.isneginf(X)
    if detect_positive:
        return torch.isposinf(X)
    return torch.zeros_like(X, dtype=torch.bool)


@operator("Where", since=9)
def where(condition: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    """Choose from the first tensor where the condition is true, from the second one elsewhere."""
    return torch.where(condition, X, Y)
