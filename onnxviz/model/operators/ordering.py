"""Operators that order elements: TopK and Unique."""

from __future__ import annotations

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Int, operator


@operator("TopK", since=1, until=9)
def top_k_1(X: Tensor, *, k: int, axis: int = -1) -> tuple[Tensor, Tensor]:
    """Return the k largest elements along an axis, and where they stand."""
    return _top(X, k, axis, True)


# Without `sorted` any order will do; the sorted one is as good as another.
@operator("TopK", since=10, ignored=("sorted",))
def top_k(X: Tensor, K: Int, *, axis: int = -1, largest: int = 1) -> tuple[Tensor, Tensor]:
    """Return the k largest or smallest elements along an axis, and where they stand; of equal ones the first."""
    return _top(X, K, axis, bool(largest))


def _top(data: Tensor, count: int, axis: int, largest: bool) -> tuple[Tensor, Tensor]:
    if not 0 <= count <= data.shape[axis]:
        raise EvaluationError(
            f"TopK of {count} elements along axis {axis}, where there are {data.shape[axis]}; fewer would do"
        )
    if count == 1 and largest:
        values, places = data.max(axis, keepdim=True)
        return values, places
    # torch.topk leaves open which of equal elements it takes; a stable sort takes the first.
    values, places = torch.sort(data, dim=axis, descending=largest, stable=True)
    return values.narrow(axis, 0, count), places.narrow(axis, 0, count)


@operator("Unique", since=11)
def unique(X: Tensor, *, axis: int | None = None, sorted: int = 1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the distinct elements, or slices of an axis.

    Returns
    -------
    values : Tensor
        Ascending, or in the order in which they first stand in X.
    first, inverse, counts : Tensor
        int64: where each value first stands, which value stands at each place, and how often each value stands there.
    """
    data, axis = (X.reshape(-1), 0) if axis is None else (X, axis)
    first, inverse, counts = _distinct(data, axis, bool(sorted))
    return data.index_select(axis, first), first, inverse, counts


@operator("Unique", domain="com.microsoft")
def unique_microsoft(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a vector's distinct elements in the order in which they first stand there, which is where, how often."""
    first, inverse, counts = _distinct(x, 0, False)
    return x.index_select(0, first), inverse, counts


def _distinct(data: Tensor, axis: int, ascending: bool) -> tuple[Tensor, Tensor, Tensor]:
    size = data.shape[axis]
    if size == 0:
        none = torch.zeros(0, dtype=torch.int64, device=data.device)
        return none, none, none
    if data.dim() == 1:
        _, inverse, counts = torch.unique(data, return_inverse=True, return_counts=True)
    else:
        _, inverse, counts = torch.unique(data, return_inverse=True, return_counts=True, dim=axis)
    places = torch.arange(size, device=data.device)
    first = torch.full_like(counts, size).scatter_reduce(0, inverse, places, "amin")
    if ascending:
        return first, inverse, counts
    first, order = first.sort()
    return first, order.argsort()[inverse], counts[order]
