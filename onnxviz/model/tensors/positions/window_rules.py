"""Rules for operators that slide a window or change the resolution: convolutions, pools, resizing, depth to space."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from onnxviz.model.operators.shapes.windows import halves, same_padding
from onnxviz.model.tensors.positions.links import blocks, shares, taps, transposed_taps, weighted
from onnxviz.model.tensors.positions.step import Rule, Step
from onnxviz.model.tensors.positions.tracks import Track


def _windows(step: Step, place: int, output: int, track: Track) -> Track | None:
    """Return the track through a Conv, its quantized and fused forms, or a pool with a kernel."""
    node = step.node
    if node.op_type == "FusedConv" and place == 3:
        return track
    axis, rank = track.axis, step.rank(0)
    if place or axis is None or rank is None or axis < 2:
        return None
    pool = "Pool" in node.op_type
    kernel = step.attribute("kernel_shape", None)
    if kernel is None and not pool:
        weight = step.shape(node.input[3 if node.op_type == "QLinearConv" else 1])
        kernel = None if weight is None else weight[2:]
    geometry = None if kernel is None else _geometry(step, axis - 2, rank - 2, kernel)
    if geometry is None:
        return None
    k, s, d = geometry
    length = len(track.low)
    begin, end = _padding(step, axis - 2, rank - 2, length, (k, s, 1 if pool else d), bool(pool))
    span = length + begin + end - (k - 1) * d - 1
    ceil = pool and step.attribute("ceil_mode", 0)
    count = (-(-span // s) if ceil else span // s) + 1
    if ceil and (count - 1) * s >= length + begin:
        count -= 1
    if count < 1:
        return None
    return track.through(taps(axis, length, count, kernel=k, stride=s, dilation=d, begin=begin))


def _geometry(step: Step, place: int, rank: int, kernel: Any) -> tuple[int, int, int] | None:
    """Return the kernel's size, the stride and the dilation along one spatial axis."""
    strides = step.attribute("strides", None) or (1,) * rank
    dilations = step.attribute("dilations", None) or (1,) * rank
    if not len(kernel) == len(strides) == len(dilations) == rank or kernel[place] is None:
        return None
    found = (int(kernel[place]), int(strides[place]), int(dilations[place]))
    return found if min(found) > 0 else None


def _padding(
    step: Step, place: int, rank: int, length: int, geometry: tuple[int, int, int], pool: bool = False
) -> tuple[int, int]:
    auto = step.attribute("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        return same_padding(length, *geometry, auto == "SAME_LOWER", pool)
    pads = step.attribute("pads", None) or ()
    if auto == "VALID" or len(pads) != 2 * rank:
        return 0, 0
    return int(pads[place]), int(pads[place + rank])


def _transposed_convolution(step: Step, place: int, output: int, track: Track) -> Track | None:
    axis, rank = track.axis, step.rank(0)
    if place or axis is None or rank is None or axis < 2:
        return None
    weight = step.shape(step.node.input[1])
    geometry = None if weight is None else _geometry(step, axis - 2, rank - 2, weight[2:])
    if geometry is None:
        return None
    k, s, d = geometry
    length = len(track.low)
    extra = (step.attribute("output_padding", None) or (0,) * (rank - 2))[axis - 2]
    full = (length - 1) * s + (k - 1) * d + 1 + extra
    given = step.attribute("output_shape", None)
    auto = step.attribute("auto_pad", "NOTSET")
    if given or auto in ("SAME_UPPER", "SAME_LOWER"):
        count = int(given[axis - rank]) if given else min(length * s, full)
        begin = halves(max(full - count, 0), auto != "SAME_UPPER")[0]
    else:
        begin, end = _padding(step, axis - 2, rank - 2, length, geometry)
        count = full - begin - end
    return track.through(transposed_taps(axis, length, count, kernel=k, stride=s, dilation=d, begin=begin))


def _resize(step: Step, place: int, output: int, track: Track) -> Track | None:
    # Imported here: the module imports torch, which a model without resizing does not need.
    from onnxviz.model.operators.resampling.axes import Kernel, resampled_axis

    if place or track.axis is None:
        return None
    axis, length = track.axis, len(track.low)
    made = step.shape(step.node.output[0])
    size = made[axis] if made is not None else None
    if size is None:
        return None
    scale = _scale(step, axis) or size / length
    if size == length and abs(scale - 1) < 1e-6:
        return track
    mode = {"bilinear": "linear", "trilinear": "linear"}.get(
        step.attribute("mode", "nearest"), step.attribute("mode", "nearest")
    )
    old = step.node.op_type == "Upsample" or step.version < 11
    transformation = "asymmetric" if old else step.attribute("coordinate_transformation_mode", "half_pixel")
    if transformation == "tf_crop_and_resize":
        return None
    kernel = Kernel(
        mode,
        transformation,
        "simple" if old else step.attribute("nearest_mode", "round_prefer_floor"),
        step.attribute("cubic_coeff_a", -0.75),
        bool(step.attribute("exclude_outside", 0)),
        bool(step.attribute("antialias", 0)),
    )
    found = resampled_axis(axis, length, size, scale, (0.0, 1.0), kernel)
    stride = Fraction(length, size)
    taps = {"linear": 2, "cubic": 4}.get(mode, 1)
    reach = Fraction(taps - 1, 2) * (max(stride, Fraction(1)) if kernel.antialias else 1)
    return track.through(weighted(axis, found.positions, found.weights, stride, reach))


def _scale(step: Step, axis: int) -> float | None:
    """Return the scale that a node gives for an axis; None if it gives sizes, or computes scales."""
    if step.node.op_type == "Upsample" and step.version < 7:
        return {2: step.attribute("height_scale", None), 3: step.attribute("width_scale", None)}.get(axis)
    place = 1 if step.node.op_type == "Upsample" or step.version < 11 else 2
    if place < len(step.node.input) and step.node.input[place]:
        values = step.constant(step.node.input[place])
        found = [] if values is None else [float(value) for value in np.asarray(values).reshape(-1)]
    else:
        found = list(step.attribute("scales", None) or ())
    axes = step.attribute("axes", None)
    rank = step.rank(0)
    if axes and rank is not None:
        places = [one % rank for one in axes]
        return found[places.index(axis)] if axis in places and len(found) == len(places) else None
    return found[axis] if axis < len(found) else None


def _depth_to_space(step: Step, place: int, output: int, track: Track) -> Track | None:
    if track.axis is None or track.axis < 2:
        return None
    return track.through(shares(track.axis, len(track.low), step.attribute("blocksize", 1)))


def _space_to_depth(step: Step, place: int, output: int, track: Track) -> Track | None:
    if track.axis is None or track.axis < 2:
        return None
    size = step.attribute("blocksize", 1)
    return track.through(blocks(track.axis, len(track.low) // size, size))


WINDOW_RULES: dict[str, Rule] = {
    **dict.fromkeys(("Conv", "ConvInteger", "QLinearConv", "FusedConv", "AveragePool", "MaxPool", "LpPool"), _windows),
    "ConvTranspose": _transposed_convolution,
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
}
