"""How a resize is done for one input shape: which axes change, and whether torch's own interpolation means the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.resampling.axes import Axis, Kernel, resampled_axis
from onnxviz.model.operators.shapes.allocation import allowed

_LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


# Compared by identity: a node's request is made once, and hashing its fields at every call would cost more than a small resize.
@dataclass(frozen=True, eq=False)
class Request:
    """What a node asks for, apart from the input.

    Attributes
    ----------
    kernel : Kernel
        How values are made of their neighbors.
    scales, sizes, roi : tuple
        The inputs; empty if left out.
    axes : tuple of int
        Which axes those speak of; empty for all.
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
    """The arguments of `torch.nn.functional.interpolate` that mean the same.

    Attributes
    ----------
    mode : str
        Its mode.
    sizes : tuple of int
        The output's spatial sizes.
    corners : bool or None
        Its ``align_corners``.
    antialias : bool
        Its ``antialias``.
    """

    mode: str
    sizes: tuple[int, ...]
    corners: bool | None = None
    antialias: bool = False


@dataclass(frozen=True)
class Plan:
    """How a request is met for one input shape.

    Attributes
    ----------
    axes : tuple of Axis
        The axes that change, in the order of least work.
    native : Native or None
        Torch's own way, if there is one.
    """

    axes: tuple[Axis, ...]
    native: Native | None = None


@lru_cache(maxsize=256)
def plan(shape: tuple[int, ...], request: Request) -> Plan:
    """Plan a resize.

    Parameters
    ----------
    shape : tuple of int
        The input's.
    request : Request
        What is asked for.

    Raises
    ------
    EvaluationError
        If the request contradicts itself or the input.
    AllocationError
        If the output would be absurdly large.
    """
    axes = tuple(axis % len(shape) for axis in request.axes) or tuple(range(len(shape)))
    sizes, scales = _extents([shape[axis] for axis in axes], request)
    target = dict(zip(axes, sizes, strict=True))
    if allowed([target.get(axis, length) for axis, length in enumerate(shape)], "Resize") == shape:
        # As in ONNX Runtime, a resize to the same sizes copies, whatever its scales and its region of interest are.
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
            # The specification would crop such an axis, or shift it a little; ONNX Runtime does not.
            continue
        if not size:
            raise EvaluationError(f"Resize shrinks axis {axis} from {length} to nothing; give a larger input")
        fractional = bool(request.scales) and abs(scale * length - size) > 1e-5 * size
        if request.kernel.transformation == "align_corners" and fractional and scale < 1:
            # ONNX's text and ONNX Runtime take the output's whole length here, ONNX's own tests its fractional one.
            raise EvaluationError(
                f"Resize shrinks axis {axis} of {length} to {scale * length:.6g} and aligns its corners: for a length that is "
                "not whole ONNX's tests and ONNX Runtime disagree; give sizes in place of scales"
            )
        roi = (request.roi[number], request.roi[number + len(axes)]) if crops else (0.0, 1.0)
        changed.append(resampled_axis(axis, length, size, scale, roi, request.kernel))
    # What shrinks comes first; of several that grow the last axis does, where the others are still short.
    changed.sort(key=lambda axis: (len(axis.coordinates) / axis.length, -axis.axis))
    return Plan(tuple(changed), _native(shape, changed, request.kernel) if changed else None)


def _extents(lengths: list[int], request: Request) -> tuple[list[int], list[float]]:
    """Return the output's length and the scale of each axis that the request speaks of."""
    if bool(request.scales) == bool(request.sizes):
        raise EvaluationError(
            f"Resize has {len(request.scales)} scales and {len(request.sizes)} sizes; exactly one of the two must be given"
        )
    given = request.scales or request.sizes
    if len(given) != len(lengths):
        raise EvaluationError(f"Resize has {len(given)} scales or sizes, {list(given)}, for {len(lengths)} axes")
    if request.scales:
        if not all(scale > 0 for scale in request.scales):
            raise EvaluationError(f"Resize has the scales {list(request.scales)}; they must be positive")
        scales = [float(scale) for scale in request.scales]
        # In float32, as ONNX Runtime: 0.7 * 10 is 7 there, and 6.99… in float64.
        return [int(np.float32(s) * np.float32(n)) for s, n in zip(scales, lengths, strict=True)], scales
    if 0 in lengths:
        raise EvaluationError(f"Resize cannot stretch an empty tensor with lengths {lengths} to {list(request.sizes)}")
    ratios = [size / length for size, length in zip(request.sizes, lengths, strict=True)]
    if request.policy == "stretch":
        return list(request.sizes), ratios
    if request.policy not in ("not_larger", "not_smaller"):
        raise EvaluationError(f"Resize has keep_aspect_ratio_policy {request.policy!r}, which ONNX does not know")
    ratio = min(ratios) if request.policy == "not_larger" else max(ratios)
    return [math.floor(ratio * length + 0.5) for length in lengths], [ratio] * len(lengths)


def _native(shape: tuple[int, ...], axes: list[Axis], kernel: Kernel) -> Native | None:
    """Find torch's own interpolation that takes the same positions with the same weights, if there is one."""
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
    # torch leaves out what lies outside when it smooths, and repeats the edge when it does not.
    if len(shape) != 4 and (kernel.mode == "cubic" or kernel.antialias):
        return None
    if kernel.exclude_outside != kernel.antialias and (kernel.mode == "cubic" or kernel.antialias):
        return None
    if kernel.mode == "cubic" and kernel.cubic_coefficient != (-0.5 if kernel.antialias else -0.75):
        return None
    mode = "bicubic" if kernel.mode == "cubic" else _LINEAR[len(shape)]
    # When it smooths, torch aligns corners in a way of its own.
    for corners in (False,) if kernel.antialias else (False, True):
        if all(_same_coordinates(axis, corners) for axis in axes):
            return Native(mode, sizes, corners, kernel.antialias)
    return None


def _same_nearest(axes: list[Axis], shift: float) -> bool:
    """Whether torch rounds all positions the same way, in float32 as in float64."""
    for axis in axes:
        size = len(axis.coordinates)
        for f in (np.float32, np.float64):
            place = (np.arange(size, dtype=f) + f(shift)) * (f(axis.length) / f(size))
            if not np.array_equal(np.minimum(np.floor(place), axis.length - 1), axis.positions[:, 0]):
                return False
    return True


def _same_coordinates(axis: Axis, corners: bool) -> bool:
    """Whether torch places the outputs at the same coordinates."""
    size = len(axis.coordinates)
    position = np.arange(size)
    middles = (position + 0.5) * (axis.length / size) - 0.5
    there = position * ((axis.length - 1) / max(size - 1, 1)) if corners else middles
    return bool(np.allclose(there, axis.coordinates, rtol=0, atol=4e-7 * axis.length))
