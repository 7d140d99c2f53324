"""Operators that pick elements by their positions: Slice, the Gather family, Compress, NonZero, OneHot and ReverseSequence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, Int, Ints, operator
from onnxviz.model.operators.shapes.allocation import allowed

_OPEN_ENDS = ((1 << 31) - 1, (1 << 63) - 1)
"""Ends of a slice that reach the last element, or the first if the step is negative, as in ONNX Runtime."""


@operator("Slice", since=1, until=9)
def slice_1(data: Tensor, *, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int] | None = None) -> Tensor:
    """Return a range of each axis that the node names (ONNX Slice 1).

    The ranges are attributes.
    """
    return _sliced(data, starts, ends, axes, None)


@operator("Slice", since=10)
def slice_(data: Tensor, starts: Ints, ends: Ints, axes: Ints | None = None, steps: Ints | None = None) -> Tensor:
    """Return a range of each axis that the node names, forward or backward (ONNX Slice 10, 11 and 13).

    The ranges are inputs.
    """
    return _sliced(data, starts, ends, axes, steps)


def _sliced(
    data: Tensor, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int] | None, steps: Sequence[int] | None
) -> Tensor:
    axes = range(len(starts)) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise EvaluationError(
            f"Slice with {len(starts)} starts, {len(ends)} ends, {len(axes)} axes and {len(steps)} steps; "
            "give the same number of each"
        )
    if len(starts) == 1 and steps[0] == 1:  # the most common case by far
        start, length = _range(starts[0], ends[0], 1, data.shape[axes[0]])
        return data.narrow(axes[0], start, length)
    rank = data.dim()
    places: list[slice] = [slice(None)] * rank
    backward = []
    if len({axis % rank for axis in axes}) < len(axes):
        raise EvaluationError(f"Slice along the axes {list(axes)}; name each axis only once")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        first, length = _range(start, end, step, data.shape[axis])
        if step < 0:  # torch takes only positive steps
            first, step = first + (length - 1) * step if length else 0, -step
            backward.append(axis)
        places[axis] = slice(first, first + (length - 1) * step + 1 if length else first, step)
    data = data[tuple(places)]
    return data.flip(backward) if backward else data


def _range(start: int, end: int, step: int, size: int) -> tuple[int, int]:
    """Return the first position that a slice takes of an axis, and the number of positions."""
    if step == 0:
        raise EvaluationError("Slice has the step 0; a step must not be 0")
    start = start + size if start < 0 else start
    if step > 0:
        start = min(max(start, 0), size)
        end = min(max(end + size if end < 0 else end, 0), size)
        return start, max(0, -((start - end) // step))
    start = min(max(start, 0), size - 1)
    end = -1 if end in _OPEN_ENDS else min(max(end + size if end < 0 else end, -1), size)
    return start, max(0, -((start - end) // step)) if size else 0


def _positions(indices: Tensor) -> Tensor | int:
    """Return a single index on the CPU as a number, so that the result is a view. A number on a GPU would have to be waited for."""
    return int(indices.item()) if indices.dim() == 0 and indices.device.type == "cpu" else indices


Positions = Annotated[Tensor | int, _positions]


def counted_from_start(indices: Tensor, size: int) -> Tensor:
    """Return indices counted from the start of an axis. A negative index counts from the end."""
    return torch.where(indices < 0, indices + size, indices)


@operator("Gather", since=1)
def gather(data: Tensor, indices: Positions, *, axis: int = 0) -> Tensor:
    """Return slices along an axis (ONNX Gather 1, 11 and 13).

    The axes of the indices take the place of that axis.
    """
    if isinstance(indices, int):
        return data.select(axis, indices)
    if data.dim() == 1:  # mostly a shape: this call counts negative indices from the end by itself
        return data[indices]
    places = counted_from_start(indices, data.shape[axis])
    if places.dim() == 1:
        return data.index_select(axis, places)
    picked = data.index_select(axis, places.reshape(-1))
    axis = axis + data.dim() if axis < 0 else axis
    return picked.reshape(data.shape[:axis] + indices.shape + data.shape[axis + 1 :])


@operator("GatherElements", since=11)
def gather_elements(data: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    """Return an element of the data for each index along an axis (ONNX GatherElements 11 and 13)."""
    return data.gather(axis, counted_from_start(indices, data.shape[axis]).long())


@operator("GatherND", since=11)
def gather_nd(data: Tensor, indices: Tensor, *, batch_dims: int = 0) -> Tensor:
    """Return a slice of the data for each tuple of indices (ONNX GatherND 11, 12 and 13).

    The first `batch_dims` axes are batch axes.
    """
    if batch_dims == 0:
        return data[indices.unbind(-1)]
    batch = indices.shape[:batch_dims]
    if batch != data.shape[:batch_dims]:
        raise EvaluationError(
            f"GatherND with {batch_dims} batch axes: data of shape {list(data.shape)} and indices of shape "
            f"{list(indices.shape)} differ in their sizes; these sizes must be equal"
        )
    count, between = math.prod(batch), indices.shape[batch_dims:-1]
    entries = torch.arange(count, device=data.device)[:, None]
    places = (entries, *indices.reshape(count, math.prod(between), indices.shape[-1]).unbind(-1))
    picked = data.reshape(count, *data.shape[batch_dims:])[places]
    return picked.reshape(batch + between + picked.shape[2:])


@operator("GatherND", domain="com.microsoft")
def gather_nd_microsoft(data: Tensor, indices: Tensor) -> Tensor:
    """Return a slice of the data for each tuple of indices (com.microsoft GatherND)."""
    return data[indices.unbind(-1)]


@operator("Compress", since=9)
def compress(input: Tensor, condition: Tensor, *, axis: int | None = None) -> Tensor:
    """Return the slices along an axis whose condition is true (ONNX Compress 9, 11 and 28).

    Without an axis the elements of the flat input take the place of the slices. Slices beyond the last condition are dropped.
    """
    data, axis = (input.reshape(-1), 0) if axis is None else (input, axis)
    return data.index_select(axis, condition[: data.shape[axis]].nonzero().squeeze(1))


@operator("NonZero", since=9, gradient=Gradient.ZERO)
def non_zero(X: Tensor) -> Tensor:
    """Return the positions where the input is not zero (ONNX NonZero 9 and 13).

    The positions are (axes, elements) int64 in row-major order. A scalar counts as a vector of length 1.
    """
    return (X.reshape(1) if X.dim() == 0 else X).nonzero().T


@operator("OneHot", since=9)
def one_hot(indices: Tensor, depth: Int, values: Tensor, *, axis: int = -1) -> Tensor:
    """Return values[1] at each index along a new axis of size `depth`, and values[0] elsewhere (ONNX OneHot 9, 11 and 28).

    An index outside [-depth, depth) has no position on the axis.
    """
    places = indices.long()
    rank = places.dim() + 1
    axis = axis + rank if axis < 0 else axis
    allowed([*places.shape, depth], "OneHot")
    classes = torch.arange(depth, device=places.device).reshape([-1] + [1] * (rank - 1 - axis))
    off, on = values.unbind()
    return torch.where(counted_from_start(places, depth).unsqueeze(axis) == classes, on, off)


@operator("ReverseSequence", since=10)
def reverse_sequence(input: Tensor, sequence_lens: Tensor, *, batch_axis: int = 1, time_axis: int = 0) -> Tensor:
    """Return sequences with their first entries reversed (ONNX ReverseSequence 10 and 28).

    In entry i of the batch axis the first `sequence_lens[i]` entries of the time axis are reversed.
    """
    if {batch_axis, time_axis} != {0, 1}:
        raise EvaluationError(
            f"ReverseSequence with batch axis {batch_axis} and time axis {time_axis}; one axis must be 0, the other 1"
        )
    steps = torch.arange(input.shape[time_axis], device=input.device)
    lengths = sequence_lens[:, None]
    places = torch.where(steps < lengths, lengths - 1 - steps, steps)  # (batch, time)
    entries = torch.arange(input.shape[batch_axis], device=input.device)
    return input[entries[:, None], places] if batch_axis == 0 else input[places.T, entries]
