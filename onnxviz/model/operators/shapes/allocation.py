"""The largest tensor that a model may declare: sizes come from an untrusted file."""

from __future__ import annotations

import math
from collections.abc import Sequence

from onnxviz.errors import AllocationError, EvaluationError

MOST_ELEMENTS = 1 << 28
"""2^28 elements: 1 GiB in float32."""

MOST_ITERATIONS = 1_000_000
"""The most turns a Loop may take."""


def allowed(shape: Sequence[int], what: str) -> tuple[int, ...]:
    """Return a shape that a graph's values ask for, if it is of a sane size.

    Parameters
    ----------
    shape : sequence of int
        The sizes asked for.
    what : str
        Who asks, for the message: "ConstantOfShape", say.

    Raises
    ------
    AllocationError
        If the tensor would have more than `MOST_ELEMENTS` elements.
    EvaluationError
        If a size is negative.

    Examples
    --------
    >>> allowed([2, 3], "Expand")
    (2, 3)
    """
    sizes = tuple(int(size) for size in shape)
    if any(size < 0 for size in sizes):
        raise EvaluationError(f"{what} asks for the shape {list(sizes)}; sizes must not be negative")
    if math.prod(sizes) > MOST_ELEMENTS:
        raise AllocationError(
            f"{what} asks for a tensor of shape {list(sizes)}, {math.prod(sizes):,} elements; at most {MOST_ELEMENTS:,} are allowed"
        )
    return sizes
