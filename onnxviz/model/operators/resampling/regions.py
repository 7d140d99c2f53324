"""Pooling over regions of interest: RoiAlign, MaxRoiPool and CropAndResize."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz import kinks
from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Floats, Ints, operator
from onnxviz.model.operators.shapes.allocation import allowed


class Corners(NamedTuple):
    """Samples between pixels. Each sample has four neighboring pixels.

    Attributes
    ----------
    positions : (region, row, column, 4) int64
        Positions of the pixels in the flattened plane.
    weights : (region, row, column, 4)
        Weights of the pixels.
    """

    positions: Tensor
    weights: Tensor


def _corners(rows: Tensor, columns: Tensor, height: int, width: int) -> Corners:
    """Return bilinear samples where rows (region, row) and columns (region, column) cross. Both are clamped to the plane."""
    y, x = kinks.clamped(rows, 0, height - 1), kinks.clamped(columns, 0, width - 1)
    top, left = y.detach().floor(), x.detach().floor()
    down, right = y - top, x - left
    above, before = top.long(), left.long()
    ys = torch.stack((above, (above + 1).clamp(max=height - 1)), -1)
    xs = torch.stack((before, (before + 1).clamp(max=width - 1)), -1)
    positions = ys[:, :, None, :, None] * width + xs[:, None, :, None, :]
    vertical, horizontal = torch.stack((1 - down, down), -1), torch.stack((1 - right, right), -1)
    weights = vertical[:, :, None, :, None] * horizontal[:, None, :, None, :]
    return Corners(positions.flatten(-2), weights.flatten(-2))


def _pixels(X: Tensor) -> Tensor:
    """Return a tensor (batch, channel, height, width) as a row of channels per pixel: (batch * height * width, channel)."""
    return X.permute(0, 2, 3, 1).reshape(-1, X.shape[1])


@operator("RoiAlign", since=10, until=15)
def roi_align_10(
    X: Tensor,
    rois: Tensor,
    batch_indices: Tensor,
    *,
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Tensor:
    """Return pooled samples of regions, as `roi_align` does (ONNX RoiAlign 10).

    In this revision a coordinate names the corner of a pixel.
    """
    return roi_align(
        X,
        rois,
        batch_indices,
        mode=mode,
        output_height=output_height,
        output_width=output_width,
        sampling_ratio=sampling_ratio,
        spatial_scale=spatial_scale,
        coordinate_transformation_mode="output_half_pixel",
    )


@operator("RoiAlign", since=16)
def roi_align(
    X: Tensor,
    rois: Tensor,
    batch_indices: Tensor,
    *,
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
    coordinate_transformation_mode: str = "half_pixel",
) -> Tensor:
    """Return pooled samples of regions. The samples lie between pixels (ONNX RoiAlign 16 and 22).

    The source is He et al., "Mask R-CNN", 2017. As in ONNX Runtime, "max" takes the largest of all weighted neighbors of the samples, not
    the largest sample.

    Parameters
    ----------
    X : (batch, channel, height, width)
    rois : (region, 4)
        x1, y1, x2, y2 in pixels of the original picture.
    batch_indices : (region,) int64
        The sample of the batch that holds each region.
    mode : {"avg", "max"}
    output_height, output_width : int
        The number of bins of a region along each axis.
    sampling_ratio : int
        The number of samples of a bin along each axis. 0 stands for the length of the bin in pixels, rounded up.
    spatial_scale : float
        Pixels of `X` per pixel of the original picture.
    coordinate_transformation_mode : {"half_pixel", "output_half_pixel"}
        Whether a coordinate names the middle of a pixel or its corner.

    Returns
    -------
    (region, channel, output_height, output_width)

    Raises
    ------
    EvaluationError
        If a mode has another name.
    AllocationError
        If a region asks for more samples than are allowed.
    """
    if mode not in ("avg", "max"):
        raise EvaluationError(f"RoiAlign has mode {mode!r}; avg and max are known")
    if coordinate_transformation_mode not in ("half_pixel", "output_half_pixel"):
        raise EvaluationError(
            f"RoiAlign has coordinate_transformation_mode {coordinate_transformation_mode!r}; "
            "half_pixel and output_half_pixel are known"
        )
    half_pixel = coordinate_transformation_mode == "half_pixel"
    bounds = rois.to(X.dtype) * spatial_scale - (0.5 if half_pixel else 0.0)
    height, width = X.shape[2:]
    least = None if half_pixel else 1
    heights = kinks.clamped(bounds[:, 3] - bounds[:, 1], least) / output_height
    widths = kinks.clamped(bounds[:, 2] - bounds[:, 0], least) / output_width
    down, across = _most_samples(heights, sampling_ratio), _most_samples(widths, sampling_ratio)
    regions = rois.shape[0]
    depth = X.shape[1] if mode == "max" else 1
    allowed((regions, output_height, output_width, down, across, 4, depth), "RoiAlign")
    rows = _samples(bounds[:, 1], heights, output_height, sampling_ratio, down, height)
    columns = _samples(bounds[:, 0], widths, output_width, sampling_ratio, across, width)
    positions, weights = _corners(rows.places.flatten(1), columns.places.flatten(1), height, width)
    weights = weights * _crossings(rows.near, columns.near)[..., None]
    positions = positions + (batch_indices.to(X.device).long() * (height * width)).reshape(-1, 1, 1, 1)
    counted = _crossings(rows.counted, columns.counted)[..., None].expand(positions.shape)
    # Each bin is a bag of weighted pixels.
    split = (regions, output_height, down, output_width, across, 4)
    positions, weights, counted = (
        each.reshape(split).transpose(2, 3).flatten(3).flatten(0, 2) for each in (positions, weights, counted)
    )
    if mode == "avg":
        samples = (rows.number * columns.number).clamp(min=1).repeat_interleave(output_height * output_width)
        shares = weights * counted / samples[:, None]
        pooled = F.embedding_bag(positions, _pixels(X), per_sample_weights=shares, mode="sum")
    else:
        values = torch.where(counted[..., None], _pixels(X)[positions] * weights[..., None], -math.inf)
        pooled = torch.where(counted.any(1, keepdim=True), values.amax(1), 0)
    return pooled.reshape(regions, output_height, output_width, X.shape[1]).permute(0, 3, 1, 2)


class _Samples(NamedTuple):
    """Samples of bins along an axis.

    Attributes
    ----------
    places, counted, near : (region, bin, sample)
        The position of the sample in pixels, whether the region has this sample, and whether the sample lies near the plane. Values outside
        the plane are zero.
    number : (region,)
        The number of samples of each bin.
    """

    places: Tensor
    counted: Tensor
    near: Tensor
    number: Tensor


def _most_samples(lengths: Tensor, ratio: int) -> int:
    """Return the number of samples of the longest bin, but at least 1."""
    return ratio if ratio > 0 else max(int(lengths.detach().max().ceil()), 1) if len(lengths) else 1


def _samples(start: Tensor, length: Tensor, bins: int, ratio: int, most: int, limit: int) -> _Samples:
    """Return the samples of bins. The first bin begins at `start`, and each is `length` pixels long, both (region,)."""
    number = torch.full_like(length, ratio) if ratio > 0 else length.detach().ceil().clamp(min=0)
    steps = torch.arange(max(most, bins), device=start.device, dtype=start.dtype)
    within = (steps[:most] + 0.5) * (length / number.clamp(min=1))[:, None]
    corners = start[:, None] + steps[:bins] * length[:, None]
    places = corners[:, :, None] + within[:, None, :]
    counted = (steps[:most] < number[:, None])[:, None, :].expand(places.shape)
    return _Samples(places, counted, (places >= -1) & (places <= limit), number)


def _crossings(rows: Tensor, columns: Tensor) -> Tensor:
    """Return where both rows and columns are true, (region, row, column). Rows and columns are (region, bin, sample)."""
    return rows.flatten(1)[:, :, None] & columns.flatten(1)[:, None, :]


@operator("MaxRoiPool")
def max_roi_pool(X: Tensor, rois: Floats, *, pooled_shape: tuple[int, ...], spatial_scale: float = 1.0) -> Tensor:
    """Return the maxima over bins of regions on whole pixels (ONNX MaxRoiPool 1 and 22).

    The source is Girshick, "Fast R-CNN", 2015. As in ONNX Runtime, the bounds are computed in float32.

    Parameters
    ----------
    X : (batch, channel, height, width)
    rois : (region, 5), flattened
        The number of the sample in the batch, then x1, y1, x2, y2 in pixels of the original picture.
    pooled_shape : (int, int)
        The number of bins of a region along the height and the width.
    spatial_scale : float
        Pixels of `X` per pixel of the original picture.

    Returns
    -------
    (region, channel, *pooled_shape)

    Raises
    ------
    AllocationError
        If `pooled_shape` asks for more elements than are allowed.
    """
    allowed((len(rois) // 5, X.shape[1], *pooled_shape), "MaxRoiPool")
    if not rois:
        return X.new_zeros(0, X.shape[1], *pooled_shape)
    pooled = []
    for number, *box in np.array(rois, dtype=np.float32).reshape(-1, 5):
        x1, y1, x2, y2 = (np.copysign(np.floor(np.abs(v) + 0.5), v) for v in np.array(box) * np.float32(spatial_scale))
        planes = X[int(number)]
        planes = _bin_maxima(planes, 1, y1, y2, pooled_shape[0])
        pooled.append(_bin_maxima(planes, 2, x1, x2, pooled_shape[1]))
    return torch.stack(pooled)


def _bin_maxima(planes: Tensor, axis: int, start: float, end: float, bins: int) -> Tensor:
    size = planes.shape[axis]
    others = [length for other, length in enumerate(planes.shape) if other != axis]
    step = np.float32(max(end - start + 1, 1)) / np.float32(bins)
    parts = []
    for number in range(bins):
        low = int(np.clip(np.floor(number * step) + start, 0, size))
        high = int(np.clip(np.ceil((number + 1) * step) + start, 0, size))
        # The maximum of a bin outside the picture is zero.
        parts.append(planes.narrow(axis, low, high - low).amax(axis) if high > low else planes.new_zeros(others))
    return torch.stack(parts, axis)


@operator("CropAndResize", domain="com.microsoft")
def crop_and_resize(
    X: Tensor,
    rois: Tensor,
    batch_indices: Tensor,
    crop_size: Ints,
    *,
    mode: str = "bilinear",
    extrapolation_value: float = 0.0,
) -> Tensor:
    """Return regions cut out and resized to the same size with aligned corners (com.microsoft CropAndResize).

    Parameters
    ----------
    X : (batch, channel, height, width)
    rois : (region, 4)
        y1, x1, y2, x2, in units of the picture.
    batch_indices : (region,) int32
        The sample of the batch that holds each region.
    crop_size : (int, int)
        The height and width of a crop.
    mode : {"bilinear", "nearest"}
    extrapolation_value : float
        The value outside the picture.

    Returns
    -------
    (region, channel, *crop_size)

    Raises
    ------
    EvaluationError
        If the mode has another name.
    AllocationError
        If the crops would have more elements than are allowed.
    """
    if mode not in ("bilinear", "nearest"):
        raise EvaluationError(f"CropAndResize has mode {mode!r}; bilinear and nearest are known")
    height, width = X.shape[2:]
    allowed((rois.shape[0], X.shape[1], *crop_size), "CropAndResize")
    places = []
    for axis, (size, crop) in enumerate(zip((height, width), crop_size, strict=True)):
        start, end = rois[:, axis, None] * (size - 1), rois[:, axis + 2, None] * (size - 1)
        steps = torch.arange(crop, device=X.device, dtype=rois.dtype)
        places.append(start + steps * ((end - start) / (crop - 1)) if crop > 1 else (start + end) / 2)
    rows, columns = places
    inside = ((rows >= 0) & (rows <= height - 1))[:, :, None] & ((columns >= 0) & (columns <= width - 1))[:, None, :]
    if mode == "nearest":
        rows, columns = (p.clamp(0, size - 1).add(0.5).floor() for p, size in ((rows, height), (columns, width)))
    positions, weights = _corners(rows, columns, height, width)
    positions = positions + (batch_indices.to(X.device).long() * (height * width)).reshape(-1, 1, 1, 1)
    sampled = F.embedding_bag(
        positions.reshape(-1, 4), _pixels(X), per_sample_weights=weights.reshape(-1, 4), mode="sum"
    )
    crops = sampled.reshape(*inside.shape, X.shape[1]).permute(0, 3, 1, 2)
    return torch.where(inside[:, None], crops, extrapolation_value)
