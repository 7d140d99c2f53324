"""Limits of tensor sizes and of turns of a loop. A model file is not trusted, and may ask for more memory than there is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from onnxviz.errors import AllocationError, EvaluationError

MOST_ELEMENTS = 1 << 28
"""The largest number of elements of a tensor: 2^28, which is 1 GiB in float32."""

MOST_ITERATIONS = 1_000_000
"""The largest number of turns of a Loop."""


def allowed(shape: Sequence[int], what: str) -> tuple[int, ...]:
    """Return a shape that a node asks for, after a check of its size.

    Parameters
    ----------
    shape : sequence of int
        The sizes of the axes.
    what : str
        The operator that asks for the shape, such as "ConstantOfShape". It stands in the message.

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
