"""ONNX integer types as ranges: many have no torch type of their own, so their wrap-around is computed here."""

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
# Types that onnx added later: absent from the oldest onnx the package accepts.
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
# Carried by a wider torch type, which does not wrap around where the ONNX type does. A uint64 is carried by the bits of an int64.
_NARROWED = frozenset(RANGES) - frozenset(_TORCH_TYPES) - {T.UINT64}


def bounds(element_type: int) -> tuple[int, int]:
    """Return the smallest and the largest number of an integer type.

    Raises
    ------
    EvaluationError
        If the type is no integer type.

    Examples
    --------
    >>> bounds(3)
    (-128, 127)
    """
    try:
        return RANGES[element_type]
    except KeyError:
        raise EvaluationError(f"{type_name(element_type)} is no integer type that values can be quantized to") from None


def width(element_type: int) -> int:
    """Return the number of bits of an integer type."""
    low, high = bounds(element_type)
    return (high - low).bit_length()


def element_type_of(known: int, values: Tensor) -> int:
    """Return the ONNX type that the graph gives, or where it gives none (0) the one that the torch type suggests."""
    return known or _ELEMENT_TYPES.get(values.dtype, 0)


def wrapped(values: Tensor, element_type: int) -> Tensor:
    """Bring integers into the range of their type, as its arithmetic wraps around.

    Parameters
    ----------
    values : Tensor
        Whole numbers, of an integer torch type that holds them or carried as floats (a gradient passes then).
    element_type : int
        Their ONNX type; 0 where unknown. Types that torch has need nothing done.
    """
    if element_type not in _NARROWED:
        return values
    return modulo_range(values, element_type)


def modulo_range(values: Tensor, element_type: int) -> Tensor:
    """Reduce whole numbers modulo the size of a type's range, into that range."""
    low, high = RANGES[element_type]
    if values.is_floating_point():
        return torch.remainder(values - low, high - low + 1) + low
    mask = high - low
    if low == 0:
        return torch.bitwise_and(values, mask)
    return torch.bitwise_and(values - low, mask) + low


def sortable(values: Tensor, element_type: int) -> Tensor:
    """Return values whose order torch sees right: of a uint64, which is carried by the bits of an int64, the highest bit is turned.

    Doing it twice gives the values back.
    """
    return torch.bitwise_xor(values, _HIGHEST_BIT) if element_type == T.UINT64 else values


def divided(dividend: Tensor, divisor: Tensor) -> tuple[Tensor, Tensor]:
    """Return the quotients and the remainders of uint64 numbers, all carried by the bits of an int64."""
    low_bits = torch.bitwise_right_shift(dividend, 1) & ~_HIGHEST_BIT
    # A divisor from 2^63 on goes into anything at most once; below, half the dividend divides as a signed number does.
    large = divisor < 0
    quotient = torch.div(low_bits, divisor.masked_fill(large, 1), rounding_mode="trunc") * 2
    quotient = quotient.masked_fill(large, 0)
    remainder = dividend - quotient * divisor
    more = sortable(remainder, T.UINT64) >= sortable(divisor, T.UINT64)
    return quotient + more.to(quotient.dtype), torch.where(more, remainder - divisor, remainder)
