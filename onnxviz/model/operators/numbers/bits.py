"""Operators on the bits of integers: shifts and the bitwise And, Or, Xor and Not."""

from __future__ import annotations

import torch
from onnx import TensorProto
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, Node, operator
from onnxviz.model.operators.numbers.integer_types import element_type_of, width, wrapped


def _integers(values: Tensor) -> Tensor:
    """Bits need an integer type: quantized values may come as whole floats."""
    return values.to(torch.int64) if values.is_floating_point() else values


@operator("BitShift", since=11, gradient=Gradient.ZERO)
def bit_shift(X: Tensor, Y: Tensor, *, direction: str, node: Node) -> Tensor:
    """Shift bits to the left or to the right; a signed number keeps its sign to the right.

    A shift by a negative number of bits or by the width of the type leaves what the sign alone would fill in.
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
        raise EvaluationError(f'BitShift has direction="{direction}"; it is "LEFT" or "RIGHT"')
    shifted = torch.bitwise_right_shift(wide, within)
    if element_type == TensorProto.UINT64:
        # Its bits are carried by a signed type, whose shift may fill in ones: keep the 64 - n lowest bits.
        kept = torch.bitwise_not(torch.bitwise_left_shift(torch.full_like(within, -2), 63 - within))
        return torch.bitwise_and(shifted, kept).masked_fill(outside, 0)
    fill = torch.where(wide < 0, -1, 0)
    return torch.where(outside, fill, shifted).to(values.dtype)


@operator("BitwiseAnd", since=18, gradient=Gradient.ZERO)
def bitwise_and(A: Tensor, B: Tensor) -> Tensor:
    """Return the bits that both operands have."""
    return torch.bitwise_and(_integers(A), _integers(B))


@operator("BitwiseOr", since=18, gradient=Gradient.ZERO)
def bitwise_or(A: Tensor, B: Tensor) -> Tensor:
    """Return the bits that at least one operand has."""
    return torch.bitwise_or(_integers(A), _integers(B))


@operator("BitwiseXor", since=18, gradient=Gradient.ZERO)
def bitwise_xor(A: Tensor, B: Tensor) -> Tensor:
    """Return the bits that exactly one operand has."""
    return torch.bitwise_xor(_integers(A), _integers(B))


@operator("BitwiseNot", since=18, gradient=Gradient.ZERO)
def bitwise_not(X: Tensor, *, node: Node) -> Tensor:
    """Return the opposite of every bit."""
    return wrapped(torch.bitwise_not(_integers(X)), node.input_type(0))
