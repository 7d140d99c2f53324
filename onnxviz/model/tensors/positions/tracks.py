"""Tracks: the part of an input's axis that each position along a tensor's axis sees, and how operators change it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

_NOTHING = 1 << 40
"""The lower end of an empty interval."""


@dataclass(frozen=True)
class Line:
    """The intervals without borders: position p sees stride · p + first to stride · p + last.

    Attributes
    ----------
    stride, first, last : Fraction
        In positions along the axis that is seen.
    """

    stride: Fraction
    first: Fraction
    last: Fraction

    def after(self, inner: Line) -> Line:
        """Return the line of an outer step, `self`, through the line of an inner step."""
        return Line(
            inner.stride * self.stride,
            inner.stride * self.first + inner.first,
            inner.stride * self.last + inner.last,
        )


IDENTITY = Line(Fraction(1), Fraction(0), Fraction(0))


@dataclass(frozen=True, eq=False)
class Link:
    """The positions along an operand's axis that each position along an axis of the output reads.

    Attributes
    ----------
    axis : int
        Axis of the output, batch included.
    first, last : (positions,) int64
        First and last position read, both included. An output position with first > last reads none.
    line : Line or None
        The same without borders, if it is a line.
    """

    axis: int
    first: np.ndarray
    last: np.ndarray
    line: Line | None = None


@dataclass(frozen=True, eq=False)
class Track:
    """The interval of one of the input's axes that each position along one axis of a tensor sees.

    The intervals are exact hulls. There may be gaps between their ends, as under a dilated kernel.

    Attributes
    ----------
    axis : int or None
        The tensor's axis, batch included; None if all positions see the same.
    low, high : (positions,) int64
        First and last position seen; of length 1 without an axis. Nothing is seen where low > high.
    line : Line or None
        The same without borders, if it is a line.
    """

    axis: int | None
    low: np.ndarray
    high: np.ndarray
    line: Line | None = None

    @classmethod
    def of_input(cls, axis: int, length: int) -> Track:
        """Return the track of the input itself: each position sees itself."""
        places = np.arange(length, dtype=np.int64)
        return cls(axis, places, places, IDENTITY)

    @property
    def hull(self) -> Track:
        """The interval that all positions see together, as a track without an axis."""
        seen = self.low <= self.high
        low = self.low[seen].min() if seen.any() else _NOTHING
        high = self.high[seen].max() if seen.any() else -1
        return Track(None, np.array([low], np.int64), np.array([high], np.int64))

    def moved(self, axis: int) -> Track:
        """Return the same track along another axis of the output."""
        return replace(self, axis=axis)

    def through(self, link: Link) -> Track:
        """Return the track of an output that reads an operand with this track."""
        made = (link.first <= link.last) & (len(self.low) > 0)
        first, last = np.where(made, link.first, 0), np.where(made, link.last, 0)
        # Each pair of bounds is one segment; the results between two segments are dropped.
        bounds = np.stack([first, last + 1], 1).reshape(-1)
        low = np.minimum.reduceat(np.append(self.low, _NOTHING), bounds)[::2]
        high = np.maximum.reduceat(np.append(self.high, -1), bounds)[::2]
        line = link.line.after(self.line) if link.line is not None and self.line is not None else None
        return Track(link.axis, np.where(made, low, _NOTHING), np.where(made, high, -1), line)

    def union(self, other: Track) -> Track:
        """Return the track of an output that sees through two operands."""
        one, two = self, other
        if one.axis is not None and two.axis is not None and (one.axis != two.axis or len(one.low) != len(two.low)):
            one, two = one.hull, two.hull
        line = None
        if one.line is not None and two.line is not None and one.line.stride == two.line.stride:
            line = Line(one.line.stride, min(one.line.first, two.line.first), max(one.line.last, two.line.last))
        axis = one.axis if one.axis is not None else two.axis
        return Track(axis, np.minimum(one.low, two.low), np.maximum(one.high, two.high), line)

    def reshaped(self, sizes: tuple[int, ...], target: tuple[int, ...]) -> Track:
        """Return the track of a tensor of other sizes with the same elements in the same order.

        Parameters
        ----------
        sizes, target : tuple of int
            All sizes, before and after.
        """
        group = next((group for group in _groups(sizes, target) if self.axis in group[0]), None)
        if group is None:
            return self.hull
        own, made = group
        if [sizes[axis] for axis in own] == [target[axis] for axis in made] and len(own) == 1:
            return self.moved(made[0])
        shape = [len(self.low) if axis == self.axis else 1 for axis in own]
        whole = [sizes[axis] for axis in own]
        low, high = (
            np.broadcast_to(ends.reshape(shape), whole).reshape([target[axis] for axis in made])
            for ends in (self.low, self.high)
        )
        line = None
        if self.line is not None and own[0] == self.axis:  # each position stands for a block of the new axis
            block = math.prod(whole[1:])
            middle = Fraction(1 - block, 2 * block)
            line = Line(Fraction(1, block), middle, middle).after(self.line)
        best = self.hull
        for place, axis in enumerate(made):
            others = tuple(other for other in range(len(made)) if other != place)
            found = Track(axis, low.min(axis=others), high.max(axis=others), line if len(made) == 1 else None)
            if found._breadth < best._breadth:
                best = found
        return best

    @property
    def _breadth(self) -> float:
        """The mean length of the intervals."""
        return float(np.maximum(self.high - self.low + 1, 0).mean())


def _groups(sizes: tuple[int, ...], target: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    """Return pairs of runs of axes, before and after, that hold as many elements; runs are as short as possible."""
    groups: list[tuple[list[int], list[int]]] = []
    before, after = 0, 0
    while before < len(sizes) and after < len(target):
        own, made = [before], [after]
        here, there = sizes[before], target[after]
        before, after = before + 1, after + 1
        while here != there:
            if here < there and before < len(sizes):
                own.append(before)
                here, before = here * sizes[before], before + 1
            elif there < here and after < len(target):
                made.append(after)
                there, after = there * target[after], after + 1
            else:
                return []
        groups.append((own, made))
    return groups
