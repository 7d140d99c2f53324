"""Rules for operators that only move values: pads, slices, joins, transposes, reshapes, gathers, repeats."""

from __future__ import annotations

import numpy as np

from onnxviz.model.tensors.positions.links import padded, picks, sliced
from onnxviz.model.tensors.positions.step import Rule, Step
from onnxviz.model.tensors.positions.tracks import Track

_MOST_PLACES = 1 << 24
"""Most elements of a reshaped tensor that is followed exactly."""


def _pad(step: Step, place: int, output: int, track: Track) -> Track | None:
    rank = step.rank(0)
    if place or rank is None or track.axis is None:
        return None
    pads = step.numbers(1, "pads" if step.version >= 2 else "paddings")
    axes = step.numbers(3) if len(step.node.input) > 3 and step.node.input[3] else list(range(rank))
    if pads is None or axes is None or len(pads) != 2 * len(axes):
        return None
    places = [axis % rank for axis in axes]
    if track.axis not in places:
        return track
    before, after = pads[places.index(track.axis)], pads[places.index(track.axis) + len(axes)]
    link = padded(track.axis, len(track.low), before, after, step.attribute("mode", "constant"))
    return None if link is None else track.through(link)


def _slice(step: Step, place: int, output: int, track: Track) -> Track | None:
    rank = step.rank(0)
    if place or rank is None:
        return None
    starts, ends = step.numbers(1, "starts"), step.numbers(2, "ends")
    axes, steps = step.numbers(3, "axes"), step.numbers(4)
    given = [place for place in (3, 4) if place < len(step.node.input) and step.node.input[place]]
    if axes is None and (3 in given or rank is None):
        return None
    axes = list(range(len(starts or ()))) if axes is None else [axis % rank for axis in axes]
    if track.axis not in axes:
        return track
    if starts is None or ends is None or (steps is None and 4 in given):
        return None
    at = axes.index(track.axis)
    link = sliced(track.axis, len(track.low), starts[at], ends[at], steps[at] if steps else 1)
    return track.through(link) if len(link.first) else None


def _concat(step: Step, place: int, output: int, track: Track) -> Track | None:
    rank = step.rank(place)
    if rank is None or track.axis is None:
        return None
    axis = step.attribute("axis", 1) % rank
    if track.axis != axis:
        return track
    lengths = []
    for other, name in enumerate(step.node.input):
        shape = step.shape(name)
        lengths.append(len(track.low) if other == place else (shape[axis] if shape is not None else None))
    if any(length is None for length in lengths):
        return None
    known = [length for length in lengths if length is not None]
    source = np.arange(sum(known)) - sum(known[:place])
    return track.through(picks(axis, np.where((source >= 0) & (source < known[place]), source, -1)))


def _split(step: Step, place: int, output: int, track: Track) -> Track | None:
    rank = step.rank(0)
    if place or rank is None or track.axis is None:
        return None
    axis = step.attribute("axis", 0) % rank
    if track.axis != axis:
        return track
    parts = step.numbers(1, "split")
    if parts is None and len(step.node.input) > 1 and step.node.input[1]:
        return None
    length = len(track.low)
    each = -(-length // len(step.node.output))
    start = sum(parts[:output]) if parts else output * each
    return track.through(sliced(axis, length, start, min(start + (parts[output] if parts else each), length), 1))


def _transpose(step: Step, place: int, output: int, track: Track) -> Track | None:
    rank = step.rank(0)
    order = step.attribute("perm", None) or (None if rank is None else list(range(rank))[::-1])
    return None if order is None or track.axis is None else track.moved(list(order).index(track.axis))


def _reshape(step: Step, place: int, output: int, track: Track) -> Track | None:
    if place:
        return None
    sizes, made = step.sizes(0, track), step.shape(step.node.output[0])
    if sizes is None or made is None or any(size is None for size in made):
        return None
    target = tuple(size for size in made if size is not None)
    if 0 in sizes or np.prod(sizes) != np.prod(target) or np.prod(sizes) > _MOST_PLACES:
        return None
    return track.reshaped(sizes, target)


def _gather(step: Step, place: int, output: int, track: Track) -> Track | None:
    rank = step.rank(0)
    if place or rank is None or track.axis is None:
        return None
    axis = step.attribute("axis", 0) % rank
    shape = step.shape(step.node.input[1])
    if shape is None:
        return None
    if track.axis != axis:
        return track.moved(track.axis + (len(shape) - 1 if track.axis > axis else 0))
    indices = step.constant(step.node.input[1])
    if indices is None or indices.ndim > 1:
        return None
    places = np.asarray(indices, np.int64).reshape(-1) % len(track.low)
    found = track.through(picks(axis, places))
    return found if indices.ndim else found.hull


def _expand(step: Step, place: int, output: int, track: Track) -> Track | None:
    made, rank = step.shape(step.node.output[0]), step.rank(0)
    if place or made is None or rank is None or track.axis is None:
        return None
    axis = track.axis + len(made) - rank
    return None if len(track.low) == 1 and made[axis] != 1 else track.moved(axis)


def _tile(step: Step, place: int, output: int, track: Track) -> Track | None:
    repeats = step.numbers(1)
    if place or repeats is None or track.axis is None or track.axis >= len(repeats) or repeats[track.axis] < 1:
        return None
    return track.through(picks(track.axis, np.tile(np.arange(len(track.low)), repeats[track.axis])))


LAYOUT_RULES: dict[str, Rule] = {
    "Pad": _pad,
    "Slice": _slice,
    "Concat": _concat,
    "Split": _split,
    "Transpose": _transpose,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshape),
    "Gather": _gather,
    "Expand": _expand,
    "Tile": _tile,
}
