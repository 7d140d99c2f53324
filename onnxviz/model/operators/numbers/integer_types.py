"""ONNX integer types: their ranges, and the wrap-around of types that torch does not have."""

from __future__ import annotations

import torch
from onnx import TensorProto
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.numbers.element_types import type_name

T = TensorProto

RANGES: dict[int, tuple[int, int]] = {
    T.UINT8: (0, 255),
    T.INT8: (-128, 127),
    T.UINT16: (0, 65535),
    T.INT16: (-32768, 32767),
    T.INT32: (-(1 << 31), (1 << 31) - 1),
    T.UINT32: (0, (1 << 32) - 1),
    T.INT64: (-(1 << 63), (1 << 63) - 1),
    T.UINT64: (0, (1 << 64) - 1),
    T.UINT4: (0, 15),
    T.INT4: (-8, 7),
}
"""The smallest and the largest number of each integer type."""
# Newer element types, which the oldest supported onnx does not have.
for _name, _range in (("UINT2", (0, 3)), ("INT2", (-2, 1))):
    if hasattr(T, _name):
        RANGES[getattr(T, _name)] = _range

_TORCH_TYPES: dict[int, torch.dtype] = {
    T.UINT8: torch.uint8,
    T.INT8: torch.int8,
    T.INT16: torch.int16,
    T.INT32: torch.int32,
    T.INT64: torch.int64,
}
_ELEMENT_TYPES: dict[torch.dtype, int] = {
    **{dtype: element_type for element_type, dtype in _TORCH_TYPES.items()},
    torch.bool: T.BOOL,
    torch.float32: T.FLOAT,
    torch.float64: T.DOUBLE,
    torch.complex64: T.COMPLEX64,
    torch.complex128: T.COMPLEX128,
}
_HIGHEST_BIT = -(1 << 63)
# A wider torch type carries these types and does not wrap around where they do. An int64 carries the bits of a uint64, and wraps around.
_NARROWED = frozenset(RANGES) - frozenset(_TORCH_TYPES) - {T.UINT64}


def bounds(element_type: int) -> tuple[int, int]:
    """Return the smallest and the largest number of an integer type.

    Raises
    ------
    EvaluationError
        If the type is not an integer type.

    Examples
    --------
    >>> bounds(3)
    (-128, 127)
    """
    try:
        return RANGES[element_type]
    except KeyError:
        raise EvaluationError(
            f"{type_name(element_type)} is not an integer type; values can only be quantized to integer types"
        ) from None


def width(element_type: int) -> int:
    """Return the number of bits of an integer type."""
    low, high = bounds(element_type)
    return (high - low).bit_length()


def element_type_of(known: int, values: Tensor) -> int:
    """Return the ONNX type that the graph gives. If it is unknown (0), return the ONNX type of the same name as the torch type."""
    return known or _ELEMENT_TYPES.get(values.dtype, 0)


def wrapped(values: Tensor, element_type: int) -> Tensor:
    """Return integers wrapped around into the range of their type.

    Parameters
    ----------
    values : Tensor
        Whole numbers in an integer torch type, or carried as floats. A gradient passes through floats.
    element_type : int
        Their ONNX type. An unknown type is 0. Types that torch has are returned unchanged.
    """
    if element_type not in _NARROWED:
        return values
    return modulo_range(values, element_type)


def modulo_range(values: Tensor, element_type: int) -> Tensor:
    """Return whole numbers reduced modulo the size of a type's range, into that range."""
    low, high = RANGES[element_type]
    if values.is_floating_point():
        return torch.remainder(values - low, high - low + 1) + low
    mask = high - low
    if low == 0:
        return torch.bitwise_and(values, mask)
    return torch.bitwise_and(values - low, mask) + low


def sortable(values: Tensor, element_type: int) -> Tensor:
    """Return values that torch sorts in the order of their ONNX type.

    An int64 carries the bits of a uint64. Its order is right after its highest bit is inverted. A second call gives the values back.
    """
    return torch.bitwise_xor(values, _HIGHEST_BIT) if element_type == T.UINT64 else values


def divided(dividend: Tensor, divisor: Tensor) -> tuple[Tensor, Tensor]:
    """Return the quotients and the remainders of uint64 numbers. An int64 carries the bits of each number."""
    low_bits = torch.bitwise_right_shift(dividend, 1) & ~_HIGHEST_BIT
    # A divisor of 2^63 or more goes into any dividend at most once. By a smaller divisor half the dividend is divided, as a signed number.
    large = divisor < 0
    quotient = torch.div(low_bits, divisor.masked_fill(large, 1), rounding_mode="trunc") * 2
    quotient = quotient.masked_fill(large, 0)
    remainder = dividend - quotient * divisor
    more = sortable(remainder, T.UINT64) >= sortable(divisor, T.UINT64)
    return quotient + more.to(quotient.dtype), torch.where(more, remainder - divisor, remainder)
