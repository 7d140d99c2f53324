"""Operators that change the shape of a tensor, and operators that read shapes: Reshape, Transpose, Expand, Shape and others.

Each operator is a single torch call. Where torch has a view, the result is a view.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, Int, Ints, operator
from onnxviz.model.operators.numbers.element_types import carrier
from onnxviz.model.operators.shapes.allocation import allowed


# `consumed_inputs` names inputs that may be overwritten. No function here overwrites its inputs.
@operator("Reshape", since=1, until=4, ignored=("consumed_inputs",))
def reshape_1(data: Tensor, *, shape: Sequence[int] = ()) -> Tensor:
    """Return the data in another shape, which is an attribute (ONNX Reshape 1)."""
    return _reshaped(data, shape, 0)


@operator("Reshape", since=5)
def reshape(data: Tensor, shape: Ints, *, allowzero: int = 0) -> Tensor:
    """Return the data in another shape, which is an input (ONNX Reshape 5 to 25).

    A size of -1 takes the elements that are left. A size of 0 copies the size of the data unless `allowzero`.
    """
    return _reshaped(data, shape, allowzero)


def _reshaped(data: Tensor, shape: Sequence[int], allowzero: int) -> Tensor:
    if 0 in shape:
        if not allowzero:
            if any(size == 0 and place >= data.dim() for place, size in enumerate(shape)):
                raise EvaluationError(
                    f"Reshape to {list(shape)} copies a size that data of shape {list(data.shape)} does not have; "
                    "a 0 must stand at one of the data's own axes"
                )
            shape = [size or data.shape[place] for place, size in enumerate(shape)]
        if 0 in shape and -1 in shape:
            # torch refuses -1 beside a 0. ONNX Runtime divides the number of elements of the other axes.
            held = math.prod(size for size in data.shape if size)
            rest = held // math.prod(size for size in shape if size > 0)
            shape = [rest if size == -1 else size for size in shape]
    return data.reshape(tuple(shape))


@operator("Flatten", since=1)
def flatten(input: Tensor, *, axis: int = 1) -> Tensor:
    """Return the input as a matrix (ONNX Flatten 1 to 25).

    The axes before `axis` become its rows, the others its columns.
    """
    rank = input.dim()
    if not -rank <= axis <= rank:
        raise EvaluationError(
            f"Flatten at axis {axis} of an input with {rank} axes; give an axis from {-rank} to {rank}"
        )
    axis = axis + rank if axis < 0 else axis
    shape = input.shape
    return input.reshape(math.prod(shape[:axis]), math.prod(shape[axis:]))


@operator("Squeeze", since=1, until=12)
def squeeze_1(data: Tensor, *, axes: Sequence[int] | None = None) -> Tensor:
    """Return the data without the axes of size 1 that an attribute names (ONNX Squeeze 1 and 11).

    Without the attribute all axes of size 1 are dropped.
    """
    return _squeezed(data, axes)


@operator("Squeeze", since=13)
def squeeze(data: Tensor, axes: Ints | None = None) -> Tensor:
    """Return the data without the axes of size 1 that an input names (ONNX Squeeze 13, 21, 23, 24 and 25).

    Without the input all axes of size 1 are dropped.
    """
    return _squeezed(data, axes)


def _squeezed(data: Tensor, axes: Sequence[int] | None) -> Tensor:
    if not axes:
        return data.squeeze()
    if len(axes) == 1:
        dropped, count = data.squeeze(axes[0]), 1
    else:
        places = {axis % data.dim() if -data.dim() <= axis < 0 else axis for axis in axes}
        dropped, count = data.squeeze(tuple(places)), len(places)
    if dropped.dim() + count != data.dim():
        raise EvaluationError(
            f"Squeeze of the axes {list(axes)} of data of shape {list(data.shape)}; only axes of size 1 can be dropped"
        )
    return dropped


@operator("Unsqueeze", since=1, until=12)
def unsqueeze_1(data: Tensor, *, axes: Sequence[int]) -> Tensor:
    """Return the data with new axes of size 1 at the positions that an attribute names (ONNX Unsqueeze 1 and 11)."""
    return _unsqueezed(data, axes)


@operator("Unsqueeze", since=13)
def unsqueeze(data: Tensor, axes: Ints) -> Tensor:
    """Return the data with new axes of size 1 at the positions that an input names (ONNX Unsqueeze 13, 21, 23, 24 and 25).

    Positions are counted in the output.
    """
    return _unsqueezed(data, axes)


@operator("ExpandDims", domain="com.microsoft")
def expand_dims(X: Tensor, axis: Int) -> Tensor:
    """Return the input with a new axis of size 1 (com.microsoft ExpandDims)."""
    return X.unsqueeze(axis)


def _unsqueezed(data: Tensor, axes: Sequence[int]) -> Tensor:
    if len(axes) == 1:
        return data.unsqueeze(axes[0])
    rank = data.dim() + len(axes)
    places = sorted(axis + rank if axis < 0 else axis for axis in axes)
    if len(set(places)) < len(places) or (places and not 0 <= places[0] <= places[-1] < rank):
        raise EvaluationError(
            f"Unsqueeze at the axes {list(axes)}; the axes must differ and lie within the {rank} axes of the output"
        )
    for place in places:
        data = data.unsqueeze(place)
    return data


@operator("Transpose", since=1)
def transpose(data: Tensor, *, perm: Sequence[int] | None = None) -> Tensor:
    """Return the data with its axes in the order `perm` (ONNX Transpose 1 to 25).

    Without `perm` the order is reversed.
    """
    return data.permute(tuple(range(data.dim() - 1, -1, -1)) if perm is None else tuple(perm))


@operator("Expand", since=8)
def expand(input: Tensor, shape: Ints) -> Tensor:
    """Return the input broadcast with a shape (ONNX Expand 8 and 13).

    The result is a view.
    """
    own = tuple(input.shape)
    rank = max(len(own), len(shape))
    sizes = []
    for size, wanted in zip((1,) * (rank - len(own)) + own, (1,) * (rank - len(shape)) + shape, strict=True):
        if size != wanted and size != 1 and wanted != 1:
            raise EvaluationError(
                f"Expand of the shape {list(own)} to {list(shape)}; two sizes must be equal, or one of them 1"
            )
        sizes.append(size if wanted == 1 else wanted)
    return input.expand(allowed(sizes, "Expand"))


@operator("Tile", since=1, until=5)
def tile_1(input: Tensor, tiles: Int, axis: Int) -> Tensor:
    """Return the input repeated along a single axis (ONNX Tile 1)."""
    repeats = [1] * input.dim()
    repeats[axis] = tiles
    return _tiled(input, repeats)


@operator("Tile", since=6)
def tile(input: Tensor, repeats: Ints) -> Tensor:
    """Return the input repeated along each axis (ONNX Tile 6 and 13)."""
    return _tiled(input, repeats)


def _tiled(data: Tensor, repeats: Sequence[int]) -> Tensor:
    if len(repeats) != data.dim():
        raise EvaluationError(
            f"Tile by {list(repeats)} of an input with {data.dim()} axes; give a number for each axis"
        )
    allowed([size * count for size, count in zip(data.shape, repeats, strict=True)], "Tile")
    return data.repeat(tuple(repeats))


@operator("Shape", since=1, gradient=Gradient.ZERO)
def shape_of(data: Tensor, *, start: int = 0, end: int | None = None) -> Tensor:
    """Return the sizes of the data from axis `start` to the axis before `end` (ONNX Shape 1 to 25).

    Returns
    -------
    Tensor
        (axes,) int64. It lies on the CPU, wherever the data lies, because shapes are soon read as Python numbers.
    """
    return torch.tensor(data.shape[start:end], dtype=torch.int64)


@operator("Size", since=1, gradient=Gradient.ZERO)
def size_of(data: Tensor) -> Tensor:
    """Return the number of elements as an int64 tensor on the CPU (ONNX Size 1 to 25)."""
    return torch.tensor(data.numel())


@operator("Identity", since=1)
def identity(input: Any) -> Any:
    """Return the input unchanged: a tensor, a sequence or an optional (ONNX Identity 1 to 25)."""
    return input


@operator("Trilu", since=14)
@operator("Trilu", domain="com.microsoft")
def trilu(input: Tensor, k: Int = 0, *, upper: int = 1) -> Tensor:
    """Return the upper or the lower triangle of each matrix (ONNX Trilu 14 and com.microsoft Trilu).

    `k` moves the diagonal to the right.
    """
    rows, columns = input.shape[-2:]
    diagonal = max(
        -rows, min(columns, k or 0)
    )  # a diagonal further away has the same result, but may not fit torch's integer
    return input.triu(diagonal) if upper else input.tril(diagonal)


@operator("EyeLike", since=9, gradient=Gradient.ZERO)
def eye_like(input: Tensor, *, dtype: int | None = None, k: int = 0) -> Tensor:
    """Return a matrix of zeros with ones on a diagonal, in the shape of the input (ONNX EyeLike 9 and 22).

    The diagonal lies `k` to the right of the main diagonal.
    """
    if input.dim() != 2:
        raise EvaluationError(f"EyeLike of a tensor of shape {list(input.shape)}; it takes a matrix")
    rows, columns = (torch.arange(size, device=input.device) for size in input.shape)
    return (columns - rows[:, None] == k).to(input.dtype if dtype is None else carrier(dtype))
