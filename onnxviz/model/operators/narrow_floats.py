"""Rounding to the floating-point types that are narrower than float32: 16, 8, 6 and 4 bits, and powers of two (e8m0).

Such values are carried as float32; this is where they lose their digits. Inside a type's range the gradient passes straight
through.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from onnx import TensorProto
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators import kinks
from onnxviz.model.operators.straight_through import straight_through

T = TensorProto


class Format(NamedTuple):
    """A floating-point type of at most eight bits.

    Attributes
    ----------
    digits : int
        Bits of the mantissa behind the point.
    exponent : int
        The exponent of the smallest normal number.
    largest : float
        The largest finite number.
    beyond : float or None
        What a number that is too large becomes without saturation; None if the type always saturates, which has no NaN either.
    signed_zero : bool
        Whether there is a negative zero.
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
# Types that onnx added later: absent from the oldest onnx the package accepts.
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
"""The element types that `narrowed` rounds to."""
MINIFLOATS = frozenset(_FORMATS)
"""Those of at most eight bits that have a mantissa."""


def narrowed(values: Tensor, element_type: int, saturate: bool = True, round_mode: str = "up") -> Tensor:
    """Return the nearest numbers of a narrow floating-point type, ties to even, as float32.

    Parameters
    ----------
    values : Tensor
        Any floating-point type.
    element_type : int
        One of `NARROW_FLOATS`.
    saturate : bool
        Whether a number that is too large becomes the largest one of an 8-bit type; else it becomes infinite, or NaN where the
        type has no infinity. Types of 16 bits never saturate, those of 6 and 4 bits always.
    round_mode : {"up", "down", "nearest"}
        How e8m0 rounds.

    Raises
    ------
    EvaluationError
        If the mode is another one.

    Notes
    -----
    The tables of the ONNX operator Cast, revision 28.
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
    # A step between neighbors is a power of two: dividing by it and multiplying again loses nothing.
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
    """Round to 2^-127 … 2^127; what is smaller becomes the smallest."""
    mantissas, exponents = torch.frexp(values.detach())
    # values = mantissas * 2^exponents with mantissas in [1/2, 1): a power of two has the mantissa 1/2.
    if round_mode == "up":
        above = mantissas > 0.5
    elif round_mode == "nearest":
        above = mantissas >= 0.75
    elif round_mode == "down":
        above = torch.zeros_like(mantissas, dtype=torch.bool)
    else:
        raise EvaluationError(f'Cast has round_mode="{round_mode}"; it is "up", "down" or "nearest"')
    powers = torch.where(above, exponents, exponents - 1)
    largest = 2.0**127
    exact = torch.exp2(powers.clamp(-127, 127).to(values.dtype))
    exact = torch.where(values == 0, 2.0**-127, exact)
    too_large = torch.isinf(values) | (powers > 127)
    exact = torch.where(too_large, largest if saturate else torch.nan, exact)
    exact = torch.where(torch.isnan(values), torch.nan, exact)
    return straight_through(kinks.clamped(values, high=largest), exact)
