"""Pools over windows: AveragePool, MaxPool with its indices, and LpPool."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Node, operator
from onnxviz.model.operators.numbers.vertical_tangents import flattened
from onnxviz.model.operators.shapes.windows import Windows, allowed_margins, windows

Pool = Callable[..., Tensor]
_AVERAGE: dict[int, Pool] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_CONVOLUTIONS: dict[int, Pool] = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}
_MAXIMUM: dict[int, Pool] = {1: torch.max_pool1d, 2: torch.max_pool2d, 3: torch.max_pool3d}
_MAXIMUM_AND_PLACE: dict[int, Callable[..., tuple[Tensor, Tensor]]] = {
    1: F.max_pool1d_with_indices,
    2: F.max_pool2d_with_indices,
    3: F.max_pool3d_with_indices,
}


def _rank(X: Tensor, what: str) -> int:
    rank = X.ndim - 2
    if rank not in _AVERAGE:
        raise EvaluationError(f"{what} over {rank} spatial axes is not supported; 1, 2 and 3 axes are")
    return rank


@operator("AveragePool")
def average_pool(
    X: Tensor,
    *,
    kernel_shape: tuple[int, ...],
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
) -> Tensor:
    """Return the mean over each window (ONNX AveragePool 1, 7, 10, 11, 19 and 22).

    Parameters
    ----------
    X : (batch, channel, *spatial)
    kernel_shape, strides, dilations : tuple of int
        A number per spatial axis. Empty strides and dilations stand for ones.
    pads : tuple of int
        The padding before each spatial axis, then the padding after each. An empty tuple stands for zeros.
    auto_pad : str
        See `onnxviz.model.operators.shapes.windows.padding`.
    ceil_mode : int
        Whether there is a last window that reaches beyond the end of the padding.
    count_include_pad : int
        Whether positions in the padding count in the mean. Positions beyond the padding never count.

    Returns
    -------
    (batch, channel, *spatial)

    Raises
    ------
    EvaluationError
        If there are more than three spatial axes, or the attributes do not fit the input.
    AllocationError
        If `pads` ask for more elements than are allowed.
    """
    rank = _rank(X, "AveragePool")
    sizes = tuple(X.shape[2:])
    placed = windows(sizes, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    allowed_margins(X, placed.begins, placed.ends, "AveragePool")
    dilated = any(d != 1 for d in placed.dilations)
    if placed.native and not dilated:
        return _AVERAGE[rank](
            X,
            kernel_shape,
            placed.strides,
            placed.begins,
            ceil_mode=bool(ceil_mode),
            count_include_pad=bool(count_include_pad),
        )
    counts = _counts(sizes, placed, bool(count_include_pad), X.device, X.dtype)
    return _window_sums(X, placed) / counts


def _window_sums(X: Tensor, placed: Windows) -> Tensor:
    """Return the sum over each window, with zeros in the padding."""
    rank = X.ndim - 2
    padded = F.pad(X, placed.margins(X.shape[2:]))
    if all(d == 1 for d in placed.dilations):
        return _AVERAGE[rank](padded, placed.kernel, placed.strides) * math.prod(placed.kernel)
    ones = X.new_ones(1, 1, *placed.kernel)
    alone = padded.reshape(-1, 1, *padded.shape[2:])
    sums = _CONVOLUTIONS[rank](alone, ones, None, placed.strides, 0, placed.dilations)
    return sums.reshape(*X.shape[:2], *sums.shape[2:])


@lru_cache(maxsize=256)
def _counts(
    sizes: tuple[int, ...], placed: Windows, count_padding: bool, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Return the number of positions that count in each window, (*outputs)."""
    # The cached tensor must stay usable after an inference mode in which it may have been made.
    with torch.inference_mode(False):
        counts = torch.ones((), dtype=torch.float64)
        for axis, size in enumerate(sizes):
            low = -placed.begins[axis] if count_padding else 0
            high = size + placed.ends[axis] if count_padding else size
            first = torch.arange(placed.outputs[axis]) * placed.strides[axis] - placed.begins[axis]
            taps = first[:, None] + torch.arange(placed.kernel[axis]) * placed.dilations[axis]
            counts = counts[..., None] * ((taps >= low) & (taps < high)).sum(1)
        return counts.to(device, dtype)


@operator("MaxPool")
def max_pool(
    X: Tensor,
    *,
    kernel_shape: tuple[int, ...],
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    storage_order: int = 0,
    node: Node | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the maximum over each window (ONNX MaxPool 1, 8, 10, 11, 12 and 22).

    Parameters
    ----------
    X : (batch, channel, *spatial)
        Floats or 8-bit integers.
    kernel_shape, strides, pads, dilations, auto_pad, ceil_mode
        As in `average_pool`. The padding is never the maximum.
    storage_order : {0, 1}
        How the second output counts spatial positions: 0 row by row, 1 column by column.
    node : Node, optional
        Tells whether the node names the second output.

    Returns
    -------
    Y : (batch, channel, *spatial)
    Indices : (batch, channel, *spatial) int64
        Positions of the maxima in the flattened input. Only if the node names them.

    Raises
    ------
    EvaluationError, AllocationError
        As in `average_pool`.
    """
    if not X.is_floating_point():
        # torch pools only floats. 8-bit integers are exact in float32.
        answer = max_pool(
            X.to(torch.float32),
            kernel_shape=kernel_shape,
            strides=strides,
            pads=pads,
            dilations=dilations,
            auto_pad=auto_pad,
            ceil_mode=ceil_mode,
            storage_order=storage_order,
            node=node,
        )
        return (answer[0].to(X.dtype), answer[1]) if isinstance(answer, tuple) else answer.to(X.dtype)
    rank = _rank(X, "MaxPool")
    sizes = tuple(X.shape[2:])
    placed = windows(sizes, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    allowed_margins(X, placed.begins, placed.ends, "MaxPool")
    begins, ceil = placed.begins, bool(ceil_mode)
    padded = X
    if not placed.native:
        padded = F.pad(X, placed.margins(sizes), value=-math.inf)
        begins, ceil = (0,) * rank, False
    if node is None or len(node.outputs) < 2 or not node.outputs[1]:
        return _MAXIMUM[rank](padded, kernel_shape, placed.strides, begins, placed.dilations, ceil)
    maxima, places = _MAXIMUM_AND_PLACE[rank](padded, kernel_shape, placed.strides, begins, placed.dilations, ceil)
    shift = (0,) * rank if placed.native else placed.begins
    places = _onnx_places(places, tuple(padded.shape[2:]), sizes, shift, column_major=storage_order == 1)
    planes = torch.arange(X.shape[0] * X.shape[1], device=X.device).reshape(*X.shape[:2], *[1] * rank)
    return maxima, places + planes * math.prod(sizes)


def _onnx_places(
    places: Tensor, padded: tuple[int, ...], sizes: tuple[int, ...], shift: tuple[int, ...], *, column_major: bool
) -> Tensor:
    """Return flat positions in a plane from flat positions in the padded plane."""
    if padded == sizes and not any(shift) and not column_major:
        return places
    order = range(len(sizes)) if column_major else range(len(sizes) - 1, -1, -1)
    steps, step = {}, 1
    for axis in order:
        steps[axis], step = step, step * sizes[axis]
    total = torch.zeros_like(places)
    for axis in range(len(sizes) - 1, -1, -1):
        total = total + (places % padded[axis] - shift[axis]) * steps[axis]
        places = places // padded[axis]
    return total


@operator("LpPool")
def lp_pool(
    X: Tensor,
    *,
    kernel_shape: tuple[int, ...] = (),
    p: float = 2,
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
) -> Tensor:
    """Return the p-norm over each window (ONNX LpPool 1, 2, 11, 18 and 22).

    Parameters
    ----------
    X : (batch, channel, *spatial)
    kernel_shape, strides, pads, dilations, auto_pad, ceil_mode
        As in `average_pool`.
    p : float
        The exponent of the norm.

    Returns
    -------
    (batch, channel, *spatial)

    Raises
    ------
    EvaluationError, AllocationError
        As in `average_pool`.
    """
    _rank(X, "LpPool")
    placed = windows(tuple(X.shape[2:]), kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    allowed_margins(X, placed.begins, placed.ends, "LpPool")
    powers = X * X if p == 2 else X.abs() if p == 1 else X.abs() ** p
    sums = _window_sums(powers, placed)
    return sums if p == 1 else flattened(lambda s: s ** (1 / p), sums, sums <= 0, 1.0)
