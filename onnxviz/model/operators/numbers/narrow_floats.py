"""Rounding to floating-point types narrower than float32: types of 16, 8, 6 and 4 bits, and powers of two (e8m0).

float32 carries the values of these types. The functions here round them. Inside the range of a type the gradient passes straight through.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from onnx import TensorProto
from torch import Tensor

from onnxviz import kinks
from onnxviz.errors import EvaluationError
from onnxviz.model.operators.numbers.straight_through import straight_through

T = TensorProto


class Format(NamedTuple):
    """A floating-point type of at most eight bits.

    Attributes
    ----------
    digits : int
        Number of bits of the mantissa behind the point.
    exponent : int
        Exponent of the smallest normal number.
    largest : float
        The largest finite number.
    beyond : float or None
        The value of a number that is too large, without saturation. None for a type that always saturates. Such a type has no NaN.
    signed_zero : bool
        Whether the type has a negative zero.
    """

    digits: int
    exponent: int
    largest: float
    beyond: float | None
    signed_zero: bool = True


_FORMATS: dict[int, Format] = {
    T.FLOAT8E4M3FN: Format(3, -6, 448.0, torch.nan),
    T.FLOAT8E4M3FNUZ: Format(3, -7, 240.0, torch.nan, signed_zero=False),
    T.FLOAT8E5M2: Format(2, -14, 57344.0, torch.inf),
    T.FLOAT8E5M2FNUZ: Format(2, -15, 57344.0, torch.nan, signed_zero=False),
}
_POWERS_OF_TWO: set[int] = set()
# Newer element types, which the oldest supported onnx does not have.
for _name, _format in (
    ("FLOAT4E2M1", Format(1, 0, 6.0, None)),
    ("FLOAT6E2M3", Format(3, 0, 7.5, None)),
    ("FLOAT6E3M2", Format(2, -2, 28.0, None)),
):
    if hasattr(T, _name):
        _FORMATS[getattr(T, _name)] = _format
if hasattr(T, "FLOAT8E8M0"):
    _POWERS_OF_TWO.add(T.FLOAT8E8M0)

_HALVES: dict[int, torch.dtype] = {T.FLOAT16: torch.float16, T.BFLOAT16: torch.bfloat16}

NARROW_FLOATS = frozenset(_FORMATS) | frozenset(_POWERS_OF_TWO) | frozenset(_HALVES)
"""Element types that `narrowed` rounds to."""
MINIFLOATS = frozenset(_FORMATS)
"""Element types of at most eight bits that have a mantissa."""


def narrowed(values: Tensor, element_type: int, saturate: bool = True, round_mode: str = "up") -> Tensor:
    """Return the nearest numbers of a narrow floating-point type as float32, with ties to even.

    Parameters
    ----------
    values : Tensor
        Any floating-point type.
    element_type : int
        An element type of `NARROW_FLOATS`.
    saturate : bool
        Whether a number that is too large for a type of 8 bits becomes the largest number of the type. Otherwise it becomes infinite. It
        becomes NaN if the type has no infinity. Types of 16 bits never saturate. Types of 6 and 4 bits always saturate.
    round_mode : {"up", "down", "nearest"}
        How values are rounded to e8m0.

    Raises
    ------
    EvaluationError
        If the round mode has another name.

    Notes
    -----
    The source is the tables of ONNX Cast 28.
    """
    if element_type in _HALVES:
        return straight_through(values.float(), values.detach().to(_HALVES[element_type]).float())
    if element_type in _POWERS_OF_TWO:
        return _power_of_two(values.float(), saturate, round_mode)
    layout = _FORMATS[element_type]
    smooth = values.float()
    if saturate or layout.beyond is None:
        smooth = kinks.clamped(smooth, -layout.largest, layout.largest)
    return straight_through(smooth, _nearest(smooth.detach(), layout))


def _nearest(values: Tensor, layout: Format) -> Tensor:
    # The step between neighboring numbers is a power of two, so a division and a multiplication by it are exact.
    exponents = torch.frexp(values).exponent - 1
    steps = torch.exp2((exponents.clamp(min=layout.exponent) - layout.digits).to(values.dtype))
    exact = torch.round(values / steps) * steps
    if not layout.signed_zero:
        exact = exact + 0.0
    if layout.beyond is None:
        return torch.where(torch.isnan(exact), 0.0, exact)
    too_large = exact.abs() > layout.largest
    return torch.where(too_large, torch.copysign(torch.full_like(exact, layout.beyond), exact), exact)


def _power_of_two(values: Tensor, saturate: bool, round_mode: str) -> Tensor:
    """Return powers of two from 2^-127 to 2^127. Smaller values become the smallest power."""
    mantissas, exponents = torch.frexp(values.detach())
    # values = mantissas * 2^exponents, with mantissas in [1/2, 1). A power of two has the mantissa 1/2.
    if round_mode == "up":
        above = mantissas > 0.5
    elif round_mode == "nearest":
        above = mantissas >= 0.75
    elif round_mode == "down":
        above = torch.zeros_like(mantissas, dtype=torch.bool)
    else:
        raise EvaluationError(f'Cast has round_mode="{round_mode}"; give "up", "down" or "nearest"')
    powers = torch.where(above, exponents, exponents - 1)
    largest = 2.0**127
    exact = torch.exp2(powers.clamp(-127, 127).to(values.dtype))
    exact = torch.where(values == 0, 2.0**-127, exact)
    too_large = torch.isinf(values) | (powers > 127)
    exact = torch.where(too_large, largest if saturate else torch.nan, exact)
    exact = torch.where(torch.isnan(values), torch.nan, exact)
    return straight_through(kinks.clamped(values, high=largest), exact)
