"""A batch taken in portions that stay in a processor's cache from one operation to the next."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

_ELEMENTS = 2**20
"""So many float32 numbers, 4 MB, of each tensor: with less, two threads wait for each other more than they gain."""


def portions(tensor: Tensor) -> Iterator[slice]:
    """Yield slices of a batch: a few samples each on a CPU, all at once elsewhere.

    What is computed for each sample alone is the same in any portion.

    Parameters
    ----------
    tensor : (batch, *shape) Tensor
        The largest that takes part.
    """
    batch = len(tensor)
    each = tensor[0].numel() if batch else 0
    count = max(1, _ELEMENTS // max(1, each)) if tensor.device.type == "cpu" else max(1, batch)
    for first in range(0, batch, count):
        yield slice(first, first + count)
