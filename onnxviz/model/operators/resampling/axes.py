"""Resampling along an axis: the input positions that make up each output position, and their weights.

Coordinates are computed in float32 and in the same order as in ONNX Runtime. A coordinate at the edge of rounding must be rounded to the
same side as there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np
import torch
from torch import Tensor

from onnxviz.errors import EvaluationError

# Up to these lengths a dense matrix product is faster than gathering tap by tap, counted over both passes. Gathering picks single numbers
# along the last axis, and whole rows along the other axes.
_LONGEST_DENSE_LAST = 1024
_LONGEST_DENSE_PER_TAP = 32

# A coordinate as near as this to the middle between two pixels counts as the middle, as in ONNX Runtime.
_TIE = 1e-6


@dataclass(frozen=True)
class Kernel:
    """The interpolation kernel of a resize: the attributes of ONNX Resize that all axes share.

    Attributes
    ----------
    mode : {"nearest", "linear", "cubic"}
    transformation : str
        ONNX's ``coordinate_transformation_mode``.
    rounding : str
        ONNX's ``nearest_mode``, or "simple". "simple" is the rounding of ONNX Runtime before opset 11: up where an axis shrinks, otherwise
        down.
    cubic_coefficient : float
        The parameter a of cubic convolution. The source is Keys, "Cubic convolution interpolation for digital image processing", 1981.
    exclude_outside, antialias : bool
        As in ONNX.
    """

    mode: str
    transformation: str = "half_pixel"
    rounding: str = "round_prefer_floor"
    cubic_coefficient: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False


@dataclass(frozen=True, eq=False)
class Axis:
    """A resampled axis.

    Attributes
    ----------
    axis, length : int
        The number of the axis, and the length of the input along it.
    coordinates : (output,) float32
        Coordinates of the output positions in the input.
    positions : (output, taps) int64
        The input positions that make up each output position.
    weights : (output, taps) float64
        Weights of the input positions. All are 1 for the nearest neighbor.
    inside : (output,) bool or None
        Whether an output position lies inside the input. None if all positions do. Positions outside are extrapolated.
    """

    axis: int
    length: int
    coordinates: np.ndarray
    positions: np.ndarray
    weights: np.ndarray
    inside: np.ndarray | None

    def apply(self, x: Tensor) -> Tensor:
        """Return a tensor of any rank resampled along this axis."""
        taps, last = self.positions.shape[1], self.axis == x.ndim - 1
        dense = taps > 1 and self.length <= (_LONGEST_DENSE_LAST if last else _LONGEST_DENSE_PER_TAP * taps)
        operands = _operands(self, dense, x.device, x.dtype)
        if taps == 1:
            return x.index_select(self.axis, operands[0])
        if dense:
            if last:
                return torch.matmul(x, operands[0].mT)
            if self.axis == x.ndim - 2:
                return torch.matmul(operands[0], x)
            return torch.matmul(x.movedim(self.axis, -1), operands[0].mT).movedim(-1, self.axis)
        shape = (-1, *[1] * (x.ndim - 1 - self.axis))
        pairs = zip(operands[::2], operands[1::2], strict=True)
        return reduce(torch.add, (x.index_select(self.axis, p) * w.reshape(shape) for p, w in pairs))

    def extrapolate(self, x: Tensor, value: float) -> Tensor:
        """Return a tensor with a value at the output positions outside the input."""
        if self.inside is None:
            return x
        inside = torch.from_numpy(self.inside).to(x.device)
        return torch.where(inside.reshape(-1, *[1] * (x.ndim - 1 - self.axis)), x, value)


@lru_cache(maxsize=256)
def _operands(axis: Axis, dense: bool, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Return the operands of `Axis.apply`: only positions, a dense matrix, or positions and weights by turns."""
    # The cached tensors must stay usable after an inference mode in which they may have been made.
    with torch.inference_mode(False):
        if axis.positions.shape[1] == 1:
            return (torch.from_numpy(axis.positions[:, 0].copy()).to(device),)
        if dense:
            matrix = np.zeros((len(axis.positions), axis.length))
            np.add.at(matrix, (np.arange(len(axis.positions))[:, None], axis.positions), axis.weights)
            return (torch.from_numpy(matrix).to(device, dtype),)
        pairs: list[Tensor] = []
        for tap in range(axis.positions.shape[1]):
            pairs.append(torch.from_numpy(axis.positions[:, tap].copy()).to(device))
            pairs.append(torch.from_numpy(axis.weights[:, tap].copy()).to(device, dtype))
        return tuple(pairs)


def resampled_axis(axis: int, length: int, size: int, scale: float, roi: tuple[float, float], kernel: Kernel) -> Axis:
    """Return the resampling of an axis.

    Parameters
    ----------
    axis, length, size : int
        The number of the axis, its length in the input, and its length in the output.
    scale : float
        Output length divided by input length, as the node gives it. It is not exactly ``size / length`` if the scaled length is not whole.
    roi : tuple of float
        Begin and end of the region of interest, in units of the input. Used only for "tf_crop_and_resize".
    kernel : Kernel
        The attributes that all axes share.

    Raises
    ------
    EvaluationError
        If ONNX does not know a mode.
    """
    x = _coordinates(length, size, scale, roi, kernel.transformation)
    inside = None
    if kernel.transformation == "tf_crop_and_resize":
        within = (x >= 0) & (x <= length - 1)
        inside = None if within.all() else within
    if kernel.mode == "nearest":
        positions = _nearest(x, kernel.rounding, scale)[:, None]
        weights = np.ones(positions.shape)
    else:
        positions, weights = _taps(x, length, scale, kernel)
        if kernel.exclude_outside:
            weights = np.where((positions >= 0) & (positions < length), weights, 0.0)
            total = weights.sum(1, keepdims=True)
            weights = weights / np.where(total == 0, 1.0, total)
    return Axis(axis, length, x, np.clip(positions, 0, length - 1), weights, inside)


def _coordinates(length: int, size: int, scale: float, roi: tuple[float, float], transformation: str) -> np.ndarray:
    f = np.float32
    x: np.ndarray = np.arange(size, dtype=f)
    n, m, s, half = f(length), f(size), f(scale), f(0.5)
    start, end = f(roi[0]), f(roi[1])
    if size == 1 and transformation in ("pytorch_half_pixel", "align_corners"):
        return x
    if transformation in ("half_pixel", "pytorch_half_pixel"):
        x = (x + half) / s - half
    elif transformation == "half_pixel_symmetric":
        x = n / f(2) * (f(1) - m / (s * n)) + (x + half) / s - half
    elif transformation == "asymmetric":
        x = x / s
    elif transformation == "align_corners":
        x = x * (n - f(1)) / (m - f(1))
    elif transformation == "tf_half_pixel_for_nn":
        x = (x + half) / s
    elif transformation == "tf_crop_and_resize" and size > 1:
        x = start * (n - f(1)) + (x * (end - start) * (n - f(1))) / (m - f(1))
    elif transformation == "tf_crop_and_resize":
        x = np.full(size, half * (start + end) * (n - f(1)), f)
    else:
        raise EvaluationError(
            f"Resize has coordinate_transformation_mode {transformation!r}; ONNX knows half_pixel, half_pixel_symmetric, "
            "pytorch_half_pixel, align_corners, asymmetric, tf_half_pixel_for_nn and tf_crop_and_resize"
        )
    return x


def _nearest(x: np.ndarray, rounding: str, scale: float) -> np.ndarray:
    below: np.ndarray = np.floor(x)
    if rounding == "simple":
        rounding = "ceil" if scale < 1 else "floor"
    if rounding == "round_prefer_floor":
        nearest = below + (x - below > 0.5 + _TIE)
    elif rounding == "round_prefer_ceil":
        nearest = below + (x - below >= 0.5 - _TIE)
    elif rounding == "floor":
        nearest = below
    elif rounding == "ceil":
        nearest = np.ceil(x)
    else:
        raise EvaluationError(
            f"Resize has nearest_mode {rounding!r}; ONNX knows round_prefer_floor, round_prefer_ceil, floor and ceil"
        )
    whole: np.ndarray = nearest.astype(np.int64)
    return whole


def _taps(x: np.ndarray, length: int, scale: float, kernel: Kernel) -> tuple[np.ndarray, np.ndarray]:
    """Return neighboring positions and their weights, both (output, taps). Positions may lie outside the input."""
    reaches = {"linear": 1, "cubic": 2}
    if kernel.mode not in reaches:
        raise EvaluationError(f"Resize has mode {kernel.mode!r}; nearest, linear and cubic are known")
    reach = reaches[kernel.mode]
    exact = x.astype(np.float64)
    stretch = max(1.0, 1.0 / scale) if kernel.antialias else 1.0
    if kernel.mode == "linear" and not kernel.antialias:
        exact = np.clip(exact, 0, length - 1)
    # The taps reach a position beyond the filter's support on either side. The weight of such a tap is zero.
    first = np.floor(exact - reach * stretch).astype(np.int64)
    positions = first[:, None] + np.arange(int(np.ceil(2 * reach * stretch)) + 2)
    distances = np.abs(positions - exact[:, None]) / stretch
    weights = np.clip(1 - distances, 0, 1) if reach == 1 else _cubic(distances, kernel.cubic_coefficient)
    if kernel.antialias:
        weights = weights / weights.sum(1, keepdims=True)
    used = (weights != 0).any(0)
    return positions[:, used], weights[:, used]


def _cubic(distances: np.ndarray, a: float) -> np.ndarray:
    near = ((a + 2) * distances - (a + 3)) * distances**2 + 1
    far = ((a * distances - 5 * a) * distances + 8 * a) * distances - 4 * a
    weights: np.ndarray = np.where(distances <= 1, near, np.where(distances < 2, far, 0.0))
    return weights
