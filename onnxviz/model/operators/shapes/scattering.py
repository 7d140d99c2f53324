"""Operators that write elements to given positions of a copy: ScatterElements, ScatterND and TensorScatter."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import operator
from onnxviz.model.operators.shapes.indexing import counted_from_start

_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}
_LOGIC = {"add": "amax", "mul": "amin", "max": "amax", "min": "amin"}
"""Reductions of truth values. torch has none, so truth values are reduced as integers."""


@operator("Scatter", since=9)
def scatter(data: Tensor, indices: Tensor, updates: Tensor, *, axis: int = 0) -> Tensor:
    """Return a copy of the data with an element written for each index along an axis (ONNX Scatter 9 and 11)."""
    return _scattered(data, axis, indices, updates, "none")


@operator("ScatterElements", since=11)
def scatter_elements(
    data: Tensor, indices: Tensor, updates: Tensor, *, axis: int = 0, reduction: str = "none"
) -> Tensor:
    """Return a copy of the data with an element written for each index along an axis (ONNX ScatterElements 11, 13, 16 and 18).

    `reduction` names how a written element is combined with the element at its position.
    """
    return _scattered(data, axis, indices, updates, reduction)


def _scattered(data: Tensor, axis: int, indices: Tensor, updates: Tensor, reduction: str) -> Tensor:
    places = counted_from_start(indices, data.shape[axis]).long()
    if reduction == "none":
        return data.scatter(axis, places, updates)
    return _reduced(data, axis, places, updates, reduction)


def _reduced(data: Tensor, axis: int, places: Tensor, updates: Tensor, reduction: str) -> Tensor:
    if reduction not in _REDUCTIONS:
        raise EvaluationError(f"a scatter with the reduction '{reduction}'; none, {', '.join(_REDUCTIONS)} are known")
    if data.dtype == torch.bool:
        return data.byte().scatter_reduce(axis, places, updates.byte(), _LOGIC[reduction]).bool()
    return data.scatter_reduce(axis, places, updates, _REDUCTIONS[reduction])


@operator("ScatterND", since=11)
def scatter_nd(data: Tensor, indices: Tensor, updates: Tensor, *, reduction: str = "none") -> Tensor:
    """Return a copy of the data with a slice written for each tuple of indices (ONNX ScatterND 11, 13, 16 and 18).

    `reduction` names how a written slice is combined with the slice at its position.

    Parameters
    ----------
    data : Tensor
        (*indexed, *slice).
    indices : Tensor
        (*tuples, number of indexed axes).
    updates : Tensor
        (*tuples, *slice).
    """
    tuples = indices.unbind(-1)
    if reduction == "none":
        return data.index_put(tuples, updates)
    indexed = data.shape[: len(tuples)]
    count = math.prod(indices.shape[:-1])
    flat = torch.zeros(indices.shape[:-1], dtype=torch.int64, device=data.device)
    for place, size in zip(tuples, indexed, strict=True):
        flat = flat * size + counted_from_start(place, size)
    rest = math.prod(data.shape[len(tuples) :])
    places = flat.reshape(count, 1).expand(count, rest)
    return _reduced(data.reshape(math.prod(indexed), rest), 0, places, updates.reshape(count, rest), reduction).reshape(
        data.shape
    )


@operator("TensorScatter", since=24)
def tensor_scatter(
    past_cache: Tensor, update: Tensor, write_indices: Tensor | None = None, *, mode: str = "linear", axis: int = -2
) -> Tensor:
    """Return a copy of a cache with an update written into it (ONNX TensorScatter 24).

    Each batch entry has a position where its update begins.

    Parameters
    ----------
    past_cache : Tensor
        (batch, …, most, …), where `most` is the size of `axis`.
    update : Tensor
        (batch, …, length, …).
    write_indices : Tensor, optional
        (batch,) int64, the positions where the updates begin. The default is 0.
    mode : str
        "linear", or "circular" to go on at the start of the cache when its end is reached.

    Raises
    ------
    EvaluationError
        If the mode has another name.
    """
    if mode not in ("linear", "circular"):
        raise EvaluationError(f"TensorScatter in the mode '{mode}'; linear and circular are known")
    axis = axis % update.dim()
    steps = torch.arange(update.shape[axis], device=update.device).reshape([-1] + [1] * (update.dim() - axis - 1))
    if write_indices is not None:
        steps = write_indices.reshape([-1] + [1] * (update.dim() - 1)) + steps
    if mode == "circular":
        steps = steps.remainder(past_cache.shape[axis])
    return past_cache.scatter(axis, steps.expand(update.shape), update)
