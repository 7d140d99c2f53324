"""Resize and Upsample, all revisions. torch's own interpolation computes them where it gives the same values."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.model.operators.declaration import Floats, Ints, operator
from onnxviz.model.operators.resampling.axes import Kernel
from onnxviz.model.operators.resampling.resize_plan import Plan, Request, plan


def resample(X: Tensor, request: Request, extrapolation_value: float = 0.0) -> Tensor:
    """Return a resized tensor of any rank.

    Parameters
    ----------
    X : Tensor
        Integers are resized in float32 and cut to whole numbers, as in ONNX Runtime.
    request : Request
        What the node asks for.
    extrapolation_value : float
        The value outside the input, for "tf_crop_and_resize".

    Raises
    ------
    EvaluationError
        If the request contradicts itself or the input.
    AllocationError
        If the output would have more elements than are allowed.
    """
    planned = plan(tuple(X.shape), request)
    if not planned.axes:
        return X
    if not X.is_floating_point() and request.kernel.mode != "nearest":
        exact = _execute(X.to(torch.float32), planned, extrapolation_value)
        limits = torch.iinfo(X.dtype)
        return (exact.round() if request.kernel.antialias else exact).clamp(limits.min, limits.max).to(X.dtype)
    return _execute(X, planned, extrapolation_value)


def _execute(x: Tensor, planned: Plan, extrapolation_value: float) -> Tensor:
    native = planned.native
    if native is not None and x.is_floating_point():
        return F.interpolate(
            x, native.sizes, mode=native.mode, align_corners=native.corners, antialias=native.antialias
        )
    for axis in planned.axes:
        x = axis.apply(x)
    for axis in planned.axes:
        x = axis.extrapolate(x, extrapolation_value)
    return x


def _resize_10(X: Tensor, scales: tuple[float, ...], mode: str) -> Tensor:
    return resample(X, _request_10(scales, mode))


@lru_cache(maxsize=256)
def _request_10(scales: tuple[float, ...], mode: str) -> Request:
    return Request(Kernel("linear" if mode == "bilinear" else mode, "asymmetric", "simple"), scales)


@operator("Upsample", until=6)
def upsample_1(X: Tensor, *, height_scale: float, width_scale: float, mode: str = "nearest") -> Tensor:
    """Return enlarged pictures (ONNX Upsample 1).

    Parameters
    ----------
    X : (batch, channel, height, width)
    height_scale, width_scale : float
        Output size divided by input size.
    mode : {"nearest", "bilinear"}

    Raises
    ------
    EvaluationError, AllocationError
        As in `resample`.
    """
    return _resize_10(X, (1.0, 1.0, height_scale, width_scale), mode)


@operator("Upsample", since=7, until=8)
def upsample_7(X: Tensor, *, scales: tuple[float, ...], mode: str = "nearest") -> Tensor:
    """Return an enlarged tensor (ONNX Upsample 7).

    The scales are an attribute with a number per axis. Errors are those of `resample`.
    """
    return _resize_10(X, scales, mode)


@operator("Upsample", since=9)
def upsample_9(X: Tensor, scales: Floats, *, mode: str = "nearest") -> Tensor:
    """Return an enlarged tensor (ONNX Upsample 9 and 10).

    The scales are an input with a number per axis. Errors are those of `resample`.
    """
    return _resize_10(X, scales, mode)


@operator("Resize", since=10, until=10)
def resize_10(X: Tensor, scales: Floats, *, mode: str = "nearest") -> Tensor:
    """Return a resized tensor (ONNX Resize 10).

    The scales are an input with a number per axis. Errors are those of `resample`.
    """
    return _resize_10(X, scales, mode)


@operator("Resize", since=11, until=12)
def resize_11(
    X: Tensor,
    roi: Floats,
    scales: Floats,
    sizes: Ints | None = None,
    *,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
) -> Tensor:
    """Return a resized tensor (ONNX Resize 11).

    An empty input counts as an input that is left out. The parameters are those of `resize`.
    """
    return resize(
        X,
        roi,
        None if sizes else scales,
        sizes,
        mode=mode,
        coordinate_transformation_mode=coordinate_transformation_mode,
        nearest_mode=nearest_mode,
        cubic_coeff_a=cubic_coeff_a,
        exclude_outside=exclude_outside,
        extrapolation_value=extrapolation_value,
    )


@operator("Resize", since=13)
def resize(
    X: Tensor,
    roi: Floats | None = None,
    scales: Floats | None = None,
    sizes: Ints | None = None,
    *,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    antialias: int = 0,
    axes: tuple[int, ...] = (),
    keep_aspect_ratio_policy: str = "stretch",
) -> Tensor:
    """Return a resized tensor (ONNX Resize 13, 18 and 19).

    The last three parameters exist since revision 18.

    Parameters
    ----------
    X : Tensor
        Of any rank.
    roi : tuple of float, optional
        The begin of the region along each axis, then the end along each, in units of the input. Only "tf_crop_and_resize" reads them.
    scales, sizes : tuple, optional
        A number per axis. Exactly one of the two inputs must be given.
    mode : {"nearest", "linear", "cubic"}
    coordinate_transformation_mode, nearest_mode, keep_aspect_ratio_policy : str
        Names of modes, as in ONNX.
    cubic_coeff_a : float
        The parameter a of cubic convolution.
    exclude_outside : int
        Whether neighbors outside the input are left out. Otherwise the edge of the input is repeated.
    extrapolation_value : float
        The value outside the input, for "tf_crop_and_resize".
    antialias : int
        Whether the kernel is stretched where the output is smaller than the input.
    axes : tuple of int
        The axes of `roi`, `scales` and `sizes`. An empty tuple stands for all axes.

    Raises
    ------
    EvaluationError, AllocationError
        As in `resample`.
    """
    request = _request(
        scales or (),
        sizes or (),
        roi or (),
        axes,
        keep_aspect_ratio_policy,
        mode,
        coordinate_transformation_mode,
        nearest_mode,
        cubic_coeff_a,
        bool(exclude_outside),
        bool(antialias),
    )
    return resample(X, request, extrapolation_value)


@lru_cache(maxsize=256)
def _request(
    scales: tuple[float, ...],
    sizes: tuple[int, ...],
    roi: tuple[float, ...],
    axes: tuple[int, ...],
    policy: str,
    *kernel: Any,
) -> Request:
    return Request(Kernel(*kernel), scales, sizes, roi, axes, policy)
