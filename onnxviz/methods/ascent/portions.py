"""Portions of a batch that stay in a processor's cache from one operation to the next."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

_ELEMENTS = 2**20
"""The float32 numbers of a tensor in one portion, 4 MB. With smaller portions, two threads lose more by waiting than they gain."""


def portions(tensor: Tensor) -> Iterator[slice]:
    """Yield slices of a batch: a few samples each on a CPU, and all samples at once on other devices.

    Operations on each sample by itself give the same results for any portions.

    Parameters
    ----------
    tensor : (batch, *shape) Tensor
        The largest tensor of the operations.
    """
    batch = len(tensor)
    each = tensor[0].numel() if batch else 0
    count = max(1, _ELEMENTS // max(1, each)) if tensor.device.type == "cpu" else max(1, batch)
    for first in range(0, batch, count):
        yield slice(first, first + count)
