"""Operators on the bits of integers: shifts and the bitwise And, Or, Xor and Not."""

from __future__ import annotations

import torch
from onnx import TensorProto
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, Node, operator
from onnxviz.model.operators.numbers.integer_types import element_type_of, width, wrapped


def _integers(values: Tensor) -> Tensor:
    """Return values with an integer type. Quantized values may be carried as whole floats, on which torch has no bit operations."""
    return values.to(torch.int64) if values.is_floating_point() else values


@operator("BitShift", since=11, gradient=Gradient.ZERO)
def bit_shift(X: Tensor, Y: Tensor, *, direction: str, node: Node) -> Tensor:
    """Return the input with its bits shifted to the left or to the right (ONNX BitShift 11 and 28).

    A signed number that is shifted to the right keeps its sign. A negative shift, and a shift by the width of the type or more, gives 0.
    If a negative number is shifted to the right in this way, it gives -1.

    Raises
    ------
    EvaluationError
        If the direction is neither "LEFT" nor "RIGHT".
    """
    values, amounts = _integers(X), _integers(Y).to(torch.int64)
    element_type = element_type_of(node.input_type(0), values)
    bits = width(element_type)
    outside = (amounts < 0) | (amounts >= bits)
    within = amounts.masked_fill(outside, 0)
    wide = values.to(torch.int64)
    if direction == "LEFT":
        shifted = torch.bitwise_left_shift(wide, within).masked_fill(outside, 0)
        return wrapped(shifted.to(values.dtype), element_type)
    if direction != "RIGHT":
        raise EvaluationError(f'BitShift has direction="{direction}"; give "LEFT" or "RIGHT"')
    shifted = torch.bitwise_right_shift(wide, within)
    if element_type == TensorProto.UINT64:
        # A signed type carries the bits of a uint64. Its shift may fill in ones, so only the 64 - n lowest bits are kept.
        kept = torch.bitwise_not(torch.bitwise_left_shift(torch.full_like(within, -2), 63 - within))
        return torch.bitwise_and(shifted, kept).masked_fill(outside, 0)
    fill = torch.where(wide < 0, -1, 0)
    return torch.where(outside, fill, shifted).to(values.dtype)


@operator("BitwiseAnd", since=18, gradient=Gradient.ZERO)
def bitwise_and(A: Tensor, B: Tensor) -> Tensor:
    """Return the bits that are set in both operands (ONNX BitwiseAnd 18)."""
    return torch.bitwise_and(_integers(A), _integers(B))


@operator("BitwiseOr", since=18, gradient=Gradient.ZERO)
def bitwise_or(A: Tensor, B: Tensor) -> Tensor:
    """Return the bits that are set in at least one operand (ONNX BitwiseOr 18)."""
    return torch.bitwise_or(_integers(A), _integers(B))


@operator("BitwiseXor", since=18, gradient=Gradient.ZERO)
def bitwise_xor(A: Tensor, B: Tensor) -> Tensor:
    """Return the bits that are set in exactly one operand (ONNX BitwiseXor 18)."""
    return torch.bitwise_xor(_integers(A), _integers(B))


@operator("BitwiseNot", since=18, gradient=Gradient.ZERO)
def bitwise_not(X: Tensor, *, node: Node) -> Tensor:
    """Return the input with every bit inverted (ONNX BitwiseNot 18)."""
    return wrapped(torch.bitwise_not(_integers(X)), node.input_type(0))
