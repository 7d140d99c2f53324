"""Exact sums of products of small integers: the floating-point type that holds the sum in every order of summation."""

from __future__ import annotations

import torch
from torch import Tensor

from onnxviz.model.operators.numbers.integer_types import RANGES

# float32 holds every whole number up to this number.
_EXACT_IN_FLOAT32 = 1 << 24


def exact_type(terms: int, left: int, right: int) -> torch.dtype:
    """Return the narrowest floating-point type in which a sum of products of integers is exact.

    Parameters
    ----------
    terms : int
        The number of products in the sum.
    left, right : int
        ONNX element types of the two factors before zero points are subtracted. An unknown type is 0. The zero points may have any value.

    Examples
    --------
    >>> from onnx import TensorProto
    >>> exact_type(100, TensorProto.UINT8, TensorProto.INT8)
    torch.float32
    >>> exact_type(1000, TensorProto.UINT8, TensorProto.INT8)
    torch.float64
    """
    if left not in RANGES or right not in RANGES:
        return torch.float64
    largest = 1
    for element_type in (left, right):
        low, high = RANGES[element_type]
        largest *= high - low
    return torch.float32 if terms * largest <= _EXACT_IN_FLOAT32 else torch.float64


def centered(values: Tensor, zero_point: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Return quantized values minus their zero point as floats. The zero point broadcasts to the values."""
    wide = values.to(dtype)
    return wide if zero_point is None else wide - zero_point.to(dtype)
