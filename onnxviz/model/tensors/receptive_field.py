"""Receptive fields: the part of the input that a position of a tensor can see, read from the graph alone.

Araujo, Norris & Sim, "Computing receptive fields of convolutional neural networks", Distill 2019, gives the arithmetic
of convolutions and pools. Here it is done position by position, so that borders, branches and reshapes are exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from onnxviz.errors import ModelError, UsageError
from onnxviz.model.expectations.contract_reading import contract, default_input
from onnxviz.model.expectations.sample_inputs import settled_shape
from onnxviz.model.graph import structure
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.resized import resized
from onnxviz.model.tensors.positions.rules import track_through
from onnxviz.model.tensors.positions.step import Shape, Step
from onnxviz.model.tensors.positions.tracks import Track


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive fields of a tensor's positions; every tuple has one entry for each spatial axis of the input.

    Attributes
    ----------
    tensor, wrt : str
        The tensor, and the input that its positions see.
    axes : tuple of str
        The names of the input's spatial axes: "height", "width", "time", ….
    places : tuple of int
        The indices of these axes in the input, batch included.
    sizes : tuple of int
        The sizes of these axes.
    tracks : tuple of Track
        The interval of the axis that each position sees.
    """

    tensor: str
    wrt: str
    axes: tuple[str, ...]
    places: tuple[int, ...]
    sizes: tuple[int, ...]
    tracks: tuple[Track, ...]

    @property
    def along(self) -> tuple[int | None, ...]:
        """The axis of the tensor, batch included, that each of them follows; None if all positions see the same."""
        return tuple(track.axis for track in self.tracks)

    @property
    def spatial(self) -> tuple[int, ...]:
        """The tensor's spatial axes, batch included, in order: along them the receptive fields change."""
        return tuple(sorted({track.axis for track in self.tracks if track.axis is not None}))

    @property
    def whole(self) -> bool:
        """Whether every position sees all of the input."""
        return all(
            bool((track.low <= 0).all() and (track.high >= size - 1).all())
            for track, size in zip(self.tracks, self.sizes, strict=True)
        )

    @property
    def size(self) -> tuple[int, ...]:
        """Size of a receptive field, in positions of the input, without the cut at the borders."""
        return tuple(
            max(int((track.high - track.low + 1).max()), 0)
            if track.line is None
            else math.ceil(track.line.last - track.line.first + 1)
            for track in self.tracks
        )

    @property
    def stride(self) -> tuple[Fraction, ...]:
        """Distance of neighbors' receptive fields; below 1 if the tensor is finer than the input, 0 if all are equal."""
        return tuple(_slope(track) if track.line is None else track.line.stride for track in self.tracks)

    @property
    def offset(self) -> tuple[Fraction, ...]:
        """Center of the first position's receptive field, in positions of the input; below 0 in the padding."""
        return tuple(
            Fraction(int(track.low[0] + track.high[0]), 2)
            if track.line is None
            else (track.line.first + track.line.last) / 2
            for track in self.tracks
        )

    def window(self, position: Sequence[int | slice] = ()) -> tuple[slice, ...]:
        """Return the receptive field of a position, clipped to the input.

        Parameters
        ----------
        position : sequence of (int or slice)
            An index for each of the tensor's spatial axes (`spatial`). Negative indices count from the end. A slice
            stands for all its positions together, a missing index for the whole axis.

        Returns
        -------
        tuple of slice
            A slice for each of the input's spatial axes; empty, ``slice(0, 0)``, if the position sees only padding.

        Raises
        ------
        UsageError
            If an index is outside the tensor, or there are too many indices.
        """
        spatial = self.spatial
        if len(position) > len(spatial):
            raise UsageError(
                f"{self.tensor}: the position {tuple(position)} has {len(position)} indices; {len(spatial)} of its axes "
                f"are spatial for {self.wrt}"
            )
        given: dict[int | None, int | slice] = dict(zip(spatial, position, strict=False))
        return tuple(_seen(self.tensor, track, given.get(track.axis, slice(None))) for track in self.tracks)


def _seen(tensor: str, track: Track, index: int | slice) -> slice:
    if isinstance(index, int):
        count = len(track.low)
        if not -count <= index < count:
            raise UsageError(
                f"{tensor}: the position {index} is outside its axis {track.axis}, which has {count} positions"
            )
        index = slice(index % count, index % count + 1)
    low, high = track.low[index], track.high[index]
    seen = low <= high
    return slice(int(low[seen].min()), int(high[seen].max()) + 1) if seen.any() else slice(0, 0)


def _slope(track: Track) -> Fraction:
    if track.axis is None or len(track.low) < 2:
        return Fraction(0)
    ends = track.low + track.high
    return Fraction(int(ends[-1] - ends[0]), 2 * (len(ends) - 1))


def receptive_field(
    model: Graph,
    tensor: str,
    wrt: str | None = None,
    *,
    shape: Sequence[int] | None = None,
    dims: Mapping[str, int] | None = None,
) -> ReceptiveField | None:
    """Return the part of an input that each position of a tensor can see.

    It is exact for convolutions, pools, padding, resizing, slices, branches and element-wise operators. If an operator
    may look anywhere (a matrix, attention, a normalization over space, an unknown operator), every position sees all
    that its operands see: never too little.

    Parameters
    ----------
    model : Graph
        The model; it is not run.
    tensor : str
        The tensor.
    wrt : str, optional
        The input, or any tensor before `tensor`. Default: the only floating-point input.
    shape : sequence of int, optional
        The whole shape of `wrt`, batch included, if the file declares another shape or leaves sizes open.
    dims : mapping of str to int, optional
        Sizes by name, as in `settled_shape`.

    Returns
    -------
    ReceptiveField or None
        None if the input has no spatial axes, or the tensor's values do not depend on it.

    Raises
    ------
    TargetError
        If there is no such tensor.
    UsageError
        If no input is named and there are several, or the shape does not fit.
    """
    model.require(tensor)
    name = default_input(model, wrt).name if wrt is None else model.require(wrt).name
    sizes = settled_shape(model, name, dims or {}, {}) if shape is None else tuple(shape)
    names = contract(model, name).axes
    spatial = [axis for axis, said in enumerate(names, 1) if said != "channel" and axis < len(sizes)]
    if all(names[axis - 1] == "feature" for axis in spatial):
        return None
    part = resized(model.cut([tensor], [name]), name, sizes)
    tracks = {name: {axis: Track.of_input(axis, sizes[axis]) for axis in spatial}}
    for node in part.nodes:
        step = Step(
            node, part.opsets.get(node.domain, 1), lambda one: _shape(part, one), lambda one: _constant(part, one)
        )
        for output, made in enumerate(node.output):
            found = _joined(step, output, tracks)
            if made and found:
                tracks[made] = found
    if tensor not in tracks:
        return None
    found = tracks[tensor]
    return ReceptiveField(
        tensor,
        name,
        tuple(names[axis - 1] for axis in spatial),
        tuple(spatial),
        tuple(sizes[axis] for axis in spatial),
        tuple(found[axis] for axis in spatial),
    )


def _joined(step: Step, output: int, tracks: Mapping[str, Mapping[int, Track]]) -> dict[int, Track]:
    """Return the union of what an output of a node sees through each operand."""
    seen: dict[int, Track] = {}
    operands = list(step.node.input)
    captured = [name for name in structure.read_by(step.node) if name not in operands]
    for place, name in enumerate([*operands, *captured]):
        for axis, track in tracks.get(name, {}).items():
            found = track.hull if place >= len(operands) else track_through(step, place, output, track)
            if found is not None:
                seen[axis] = seen[axis].union(found) if axis in seen else found
    return seen


def _shape(part: Graph, name: str) -> Shape:
    shape = part.tensors[name].shape
    return None if shape is None else tuple(size if isinstance(size, int) else None for size in shape)


def _constant(part: Graph, name: str) -> np.ndarray | None:
    """Return values that are in the file or follow from such values; shape inference computes shapes."""
    if name in part.constants:
        return part.weight(name)
    try:
        return part.weight(name) if not part.cut([name]).inputs else None
    except ModelError:
        return None
