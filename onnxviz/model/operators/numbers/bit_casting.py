"""BitCast: the bits of an element type, read as another element type."""

from __future__ import annotations

import torch
from onnx import TensorProto
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, Node, operator
from onnxviz.model.operators.numbers.element_types import carrier, type_name
from onnxviz.model.operators.numbers.integer_types import RANGES, element_type_of, modulo_range, width, wrapped

T = TensorProto

# For each element type the torch type with the same bits. torch supports few unsigned types: for the others the signed type stands here.
_STORED: dict[int, torch.dtype] = {
    T.FLOAT: torch.float32,
    T.DOUBLE: torch.float64,
    T.FLOAT16: torch.float16,
    T.BFLOAT16: torch.bfloat16,
    T.COMPLEX64: torch.complex64,
    T.FLOAT8E4M3FN: torch.float8_e4m3fn,
    T.FLOAT8E4M3FNUZ: torch.float8_e4m3fnuz,
    T.FLOAT8E5M2: torch.float8_e5m2,
    T.FLOAT8E5M2FNUZ: torch.float8_e5m2fnuz,
    T.BOOL: torch.uint8,
    T.UINT8: torch.uint8,
    T.INT8: torch.int8,
    T.UINT16: torch.int16,
    T.INT16: torch.int16,
    T.UINT32: torch.int32,
    T.INT32: torch.int32,
    T.UINT64: torch.int64,
    T.INT64: torch.int64,
}
_NARROW_INTEGERS = frozenset(element_type for element_type in RANGES if width(element_type) < 8)


@operator("BitCast", since=26, gradient=Gradient.ZERO)
def bit_cast(input: Tensor, *, to: int, node: Node) -> Tensor:
    """Return the bits of each element, read as another element type of the same width (ONNX BitCast 26).

    Raises
    ------
    EvaluationError
        If the widths differ, or a type is a float of fewer than eight bits or without a mantissa.
    """
    source = element_type_of(node.input_type(0), input)
    if source == to:
        return input
    if source in _NARROW_INTEGERS and to in _NARROW_INTEGERS and width(source) == width(to):
        values = input.to(torch.int64)
        return modulo_range(values, to).to(carrier(to))
    stored, wanted = _STORED.get(source), _STORED.get(to)
    if stored is None or wanted is None or stored.itemsize != wanted.itemsize:
        raise EvaluationError(
            f"BitCast reads {type_name(source)} as {type_name(to)}; both types must have the same width, of at least eight bits"
        )
    whole = input.to(torch.int64) if source in RANGES else input
    pattern = whole.to(stored).contiguous().view(wanted)
    return wrapped(pattern.to(carrier(to)), to)
