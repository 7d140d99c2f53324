"""Conversions between element types: Cast and CastLike."""

from __future__ import annotations

import torch
from onnx import TensorProto
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, Node, operator
from onnxviz.model.operators.numbers.element_types import carrier
from onnxviz.model.operators.numbers.integer_types import RANGES, element_type_of, modulo_range, width
from onnxviz.model.operators.numbers.narrow_floats import NARROW_FLOATS, narrowed

_TWO_TO_THE_64 = 2.0**64


def converted(values: Tensor, source: int, target: int, saturate: bool = True, round_mode: str = "up") -> Tensor:
    """Return values converted to another element type, as torch carries that type.

    Parameters
    ----------
    values : Tensor
        Values as torch carries the source type. Quantized integers may be carried as whole floats. They stay floats, so that a gradient
        can pass.
    source, target : int
        ONNX element types.
    saturate, round_mode
        See `onnxviz.model.operators.numbers.narrow_floats.narrowed`.

    Raises
    ------
    EvaluationError
        If torch cannot hold the target type.

    Notes
    -----
    The specification leaves two cases open, which follow ONNX Runtime. A float that does not fit into an integer of 8 or 16 bits loses its
    high bits. A float that becomes an integer of 4 or 2 bits is rounded, with halves away from zero.
    """
    if target in NARROW_FLOATS:
        return narrowed(_floats(values, source), target, saturate, round_mode)
    if target == TensorProto.BOOL:
        return values != 0
    if target in RANGES:
        return _integers(values, source, target)
    return _floats(values, source).to(carrier(target))


def _floats(values: Tensor, source: int) -> Tensor:
    if values.is_floating_point():
        return values
    wide = values.double()
    # An int64 carries the bits of a uint64.
    return torch.where(values < 0, wide + _TWO_TO_THE_64, wide) if source == TensorProto.UINT64 else wide


def _integers(values: Tensor, source: int, target: int) -> Tensor:
    if values.is_floating_point():
        if source in RANGES:
            inside = RANGES[target][0] <= RANGES[source][0] and RANGES[source][1] <= RANGES[target][1]
            return values if inside else modulo_range(values, target)
        bits = width(target)
        if bits <= 4:
            values = torch.trunc(values + torch.copysign(torch.full_like(values, 0.5), values))
        values = values.to(torch.int32 if bits <= 16 or target == TensorProto.INT32 else torch.int64)
    held = carrier(target)
    if torch.iinfo(held).bits > width(target):
        values = modulo_range(values.to(torch.int64), target)
    return values.to(held)


# A cast to a narrower float passes the gradient straight through its rounding. A cast to an integer or to bool ends the gradient.
@operator("Cast", since=6, gradient=Gradient.STRAIGHT_THROUGH)
def cast(input: Tensor, *, to: int, saturate: int = 1, round_mode: str = "up", node: Node) -> Tensor:
    """Return the input converted to an element type (ONNX Cast 6 to 28)."""
    return converted(input, element_type_of(node.input_type(0), input), to, bool(saturate), round_mode)


@operator("Cast", until=5, gradient=Gradient.STRAIGHT_THROUGH)
def cast_by_name(input: Tensor, *, to: str, node: Node) -> Tensor:
    """Return the input converted to an element type that is given by its name (ONNX Cast 1)."""
    try:
        target = TensorProto.DataType.Value(to.upper())
    except ValueError:
        raise EvaluationError(f'Cast has to="{to}"; give the name of an element type, such as "FLOAT"') from None
    return converted(input, element_type_of(node.input_type(0), input), target)


@operator("CastLike", since=15, gradient=Gradient.STRAIGHT_THROUGH)
def cast_like(input: Tensor, target_type: Tensor, *, saturate: int = 1, round_mode: str = "up", node: Node) -> Tensor:
    """Return the input converted to the element type of another tensor (ONNX CastLike 15 to 25)."""
    source, target = element_type_of(node.input_type(0), input), element_type_of(node.input_type(1), target_type)
    return converted(input, source, target, bool(saturate), round_mode)
