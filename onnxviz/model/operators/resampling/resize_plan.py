"""Plans of a resize for an input shape: the axes that change, and torch's own interpolation if it gives the same values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.resampling.axes import Axis, Kernel, resampled_axis
from onnxviz.model.operators.shapes.allocation import allowed

_LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


# Requests are compared by identity. A node makes its request once. A hash of all fields at every call would cost more than a small resize.
@dataclass(frozen=True, eq=False)
class Request:
    """The attributes and inputs of a Resize node, apart from the tensor to resize.

    Attributes
    ----------
    kernel : Kernel
        The interpolation kernel.
    scales, sizes, roi : tuple
        Inputs of the node. An input that is left out is empty.
    axes : tuple of int
        The axes of `scales`, `sizes` and `roi`. An empty tuple stands for all axes.
    policy : str
        ONNX's ``keep_aspect_ratio_policy``.
    """

    kernel: Kernel
    scales: tuple[float, ...] = ()
    sizes: tuple[int, ...] = ()
    roi: tuple[float, ...] = ()
    axes: tuple[int, ...] = ()
    policy: str = "stretch"


@dataclass(frozen=True)
class Native:
    """Arguments of `torch.nn.functional.interpolate` that give the same values as a request.

    Attributes
    ----------
    mode : str
        The argument ``mode``.
    sizes : tuple of int
        Spatial sizes of the output.
    corners : bool or None
        The argument ``align_corners``.
    antialias : bool
        The argument ``antialias``.
    """

    mode: str
    sizes: tuple[int, ...]
    corners: bool | None = None
    antialias: bool = False


@dataclass(frozen=True)
class Plan:
    """The steps of a resize for an input shape.

    Attributes
    ----------
    axes : tuple of Axis
        The axes that change, in the order with the least work.
    native : Native or None
        Arguments of torch's own interpolation, if it gives the same values.
    """

    axes: tuple[Axis, ...]
    native: Native | None = None


@lru_cache(maxsize=256)
def plan(shape: tuple[int, ...], request: Request) -> Plan:
    """Return the plan of a resize.

    Parameters
    ----------
    shape : tuple of int
        The shape of the input.
    request : Request
        What the node asks for.

    Raises
    ------
    EvaluationError
        If the request contradicts itself or the input.
    AllocationError
        If the output would have more elements than are allowed.
    """
    axes = tuple(axis % len(shape) for axis in request.axes) or tuple(range(len(shape)))
    sizes, scales = _extents([shape[axis] for axis in axes], request)
    target = dict(zip(axes, sizes, strict=True))
    if allowed([target.get(axis, length) for axis, length in enumerate(shape)], "Resize") == shape:
        # As in ONNX Runtime, a resize to the same sizes is a copy, whatever the scales and the region of interest.
        return Plan(())
    crops = request.kernel.transformation == "tf_crop_and_resize"
    if crops and len(request.roi) != 2 * len(axes):
        raise EvaluationError(
            f"Resize crops and has {len(request.roi)} numbers in roi; {len(axes)} axes need {2 * len(axes)}"
        )
    changed = []
    for number, (axis, scale) in enumerate(zip(axes, scales, strict=True)):
        length, size = shape[axis], target[axis]
        if size == length and (
            scale == 1 or request.kernel.antialias or request.kernel.transformation == "align_corners"
        ):
            # The specification crops such an axis, or shifts it a little. ONNX Runtime leaves it unchanged.
            continue
        if not size:
            raise EvaluationError(f"Resize shrinks axis {axis} from {length} to 0; give a larger input")
        fractional = bool(request.scales) and abs(scale * length - size) > 1e-5 * size
        if request.kernel.transformation == "align_corners" and fractional and scale < 1:
            # ONNX's text and ONNX Runtime count with the rounded length of the output. ONNX's own tests count with the fractional length.
            raise EvaluationError(
                f"Resize shrinks axis {axis} from {length} to {scale * length:.6g} and aligns its corners. For a length that is not "
                "whole ONNX's tests and ONNX Runtime disagree; give sizes in place of scales"
            )
        roi = (request.roi[number], request.roi[number + len(axes)]) if crops else (0.0, 1.0)
        changed.append(resampled_axis(axis, length, size, scale, roi, request.kernel))
    # Axes that shrink come first. Of the axes that grow the last comes first, while the other axes are still short.
    changed.sort(key=lambda axis: (len(axis.coordinates) / axis.length, -axis.axis))
    return Plan(tuple(changed), _native(shape, changed, request.kernel) if changed else None)


def _extents(lengths: list[int], request: Request) -> tuple[list[int], list[float]]:
    """Return the output length and the scale of each axis of the request."""
    if bool(request.scales) == bool(request.sizes):
        raise EvaluationError(
            f"Resize has {len(request.scales)} scales and {len(request.sizes)} sizes; exactly one of the two must be given"
        )
    given = request.scales or request.sizes
    if len(given) != len(lengths):
        raise EvaluationError(
            f"Resize has {len(given)} scales or sizes, {list(given)}, for {len(lengths)} axes; give each axis a number"
        )
    if request.scales:
        if not all(scale > 0 for scale in request.scales):
            raise EvaluationError(f"Resize has the scales {list(request.scales)}; they must be positive")
        scales = [float(scale) for scale in request.scales]
        # The product is taken in float32, as in ONNX Runtime. There 0.7 * 10 is 7, but in float64 it is 6.99….
        return [int(np.float32(s) * np.float32(n)) for s, n in zip(scales, lengths, strict=True)], scales
    if 0 in lengths:
        raise EvaluationError(
            f"Resize has an empty tensor with lengths {lengths} and the sizes {list(request.sizes)}; give a tensor that is not empty"
        )
    ratios = [size / length for size, length in zip(request.sizes, lengths, strict=True)]
    if request.policy == "stretch":
        return list(request.sizes), ratios
    if request.policy not in ("not_larger", "not_smaller"):
        raise EvaluationError(
            f"Resize has keep_aspect_ratio_policy {request.policy!r}; ONNX knows stretch, not_larger and not_smaller"
        )
    ratio = min(ratios) if request.policy == "not_larger" else max(ratios)
    return [math.floor(ratio * length + 0.5) for length in lengths], [ratio] * len(lengths)


def _native(shape: tuple[int, ...], axes: list[Axis], kernel: Kernel) -> Native | None:
    """Return the arguments of torch's own interpolation if it takes the same positions with the same weights, else None."""
    if len(shape) not in _LINEAR or any(axis.axis < 2 or axis.inside is not None for axis in axes):
        return None
    lengths = list(shape[2:])
    for axis in axes:
        lengths[axis.axis - 2] = len(axis.coordinates)
    sizes = tuple(lengths)
    if kernel.mode == "nearest":
        matching = (mode for mode, shift in (("nearest", 0.0), ("nearest-exact", 0.5)) if _same_nearest(axes, shift))
        mode = next(matching, "")
        return Native(mode, sizes) if mode else None
    # With antialias torch leaves out positions outside the input. Without antialias it repeats the edge.
    if len(shape) != 4 and (kernel.mode == "cubic" or kernel.antialias):
        return None
    if kernel.exclude_outside != kernel.antialias and (kernel.mode == "cubic" or kernel.antialias):
        return None
    if kernel.mode == "cubic" and kernel.cubic_coefficient != (-0.5 if kernel.antialias else -0.75):
        return None
    mode = "bicubic" if kernel.mode == "cubic" else _LINEAR[len(shape)]
    # With antialias torch aligns corners differently from ONNX.
    for corners in (False,) if kernel.antialias else (False, True):
        if all(_same_coordinates(axis, corners) for axis in axes):
            return Native(mode, sizes, corners, kernel.antialias)
    return None


def _same_nearest(axes: list[Axis], shift: float) -> bool:
    """Return whether torch rounds all positions to the same neighbors, in float32 and in float64."""
    for axis in axes:
        size = len(axis.coordinates)
        for f in (np.float32, np.float64):
            place = (np.arange(size, dtype=f) + f(shift)) * (f(axis.length) / f(size))
            if not np.array_equal(np.minimum(np.floor(place), axis.length - 1), axis.positions[:, 0]):
                return False
    return True


def _same_coordinates(axis: Axis, corners: bool) -> bool:
    """Return whether torch gives the output positions the same coordinates."""
    size = len(axis.coordinates)
    position = np.arange(size)
    middles = (position + 0.5) * (axis.length / size) - 0.5
    there = position * ((axis.length - 1) / max(size - 1, 1)) if corners else middles
    return bool(np.allclose(there, axis.coordinates, rtol=0, atol=4e-7 * axis.length))
