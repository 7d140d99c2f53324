"""Operators that sort elements: TopK and Unique."""

from __future__ import annotations

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Int, operator


@operator("TopK", since=1, until=9)
def top_k_1(X: Tensor, *, k: int, axis: int = -1) -> tuple[Tensor, Tensor]:
    """Return the k largest elements along an axis, and their positions (ONNX TopK 1)."""
    return _top(X, k, axis, True)


# If `sorted` is 0, every order is right, the sorted order too.
@operator("TopK", since=10, ignored=("sorted",))
def top_k(X: Tensor, K: Int, *, axis: int = -1, largest: int = 1) -> tuple[Tensor, Tensor]:
    """Return the k largest or smallest elements along an axis, and their positions (ONNX TopK 10, 11 and 24).

    Equal elements keep their order.
    """
    return _top(X, K, axis, bool(largest))


def _top(data: Tensor, count: int, axis: int, largest: bool) -> tuple[Tensor, Tensor]:
    if not 0 <= count <= data.shape[axis]:
        raise EvaluationError(
            f"TopK of {count} elements along axis {axis} of size {data.shape[axis]}; take at most as many elements as the axis has"
        )
    if count == 1 and largest:
        values, places = data.max(axis, keepdim=True)
        return values, places
    # torch.topk does not promise which of equal elements it takes. A stable sort takes the first.
    values, places = torch.sort(data, dim=axis, descending=largest, stable=True)
    return values.narrow(axis, 0, count), places.narrow(axis, 0, count)


@operator("Unique", since=11)
def unique(X: Tensor, *, axis: int | None = None, sorted: int = 1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the distinct elements of the input, or its distinct slices along an axis (ONNX Unique 11 and 28).

    Returns
    -------
    values : Tensor
        The distinct values, ascending or in the order of their first positions in X.
    first, inverse, counts : Tensor
        int64: the first position of each value in X, the number of the value at each position of X, and the count of each value.
    """
    data, axis = (X.reshape(-1), 0) if axis is None else (X, axis)
    first, inverse, counts = _distinct(data, axis, bool(sorted))
    return data.index_select(axis, first), first, inverse, counts


@operator("Unique", domain="com.microsoft")
def unique_microsoft(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the distinct elements of a vector in the order of their first positions (com.microsoft Unique).

    `inverse` and `counts` are those of `unique`.
    """
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
