"""Vectors of which some elements are whole numbers and some are one-hot groups: the nearest one, and its neighbors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """Which elements of a vector cannot take any value between their bounds.

    Attributes
    ----------
    whole : (feature,) bool
        Must be whole numbers.
    groups : tuple of tuple of int
        In each exactly one element is 1, the others are 0.
    low, high : (feature,)
        Bounds; infinite where there is none.
    """

    whole: NDArray[np.bool_]
    groups: tuple[tuple[int, ...], ...]
    low: Floats
    high: Floats

    @property
    def empty(self) -> bool:
        """Whether every element may take any value."""
        return not self.groups and not bool(self.whole.any())

    @property
    def members(self) -> NDArray[np.bool_]:
        """The elements that it speaks of, (feature,)."""
        named: NDArray[np.bool_] = self.whole.copy()
        for group in self.groups:
            named[list(group)] = True
        return named

    def nearest(self, points: Floats) -> Floats:
        """Return the nearest allowed point: whole numbers rounded within their bounds, of each group the largest is 1.

        Parameters
        ----------
        points : (…, feature)

        Returns
        -------
        (…, feature), of the same type
        """
        settled = np.array(points)
        rounded = np.clip(np.rint(settled), np.ceil(self.low), np.floor(self.high))
        settled[..., self.whole] = rounded[..., self.whole]
        for group in self.groups:
            chosen = settled[..., list(group)].argmax(axis=-1)
            settled[..., list(group)] = np.eye(len(group), dtype=settled.dtype)[chosen]
        return settled

    def neighbors(self, point: Floats) -> Floats:
        """Return the allowed points that differ in one whole number or one group.

        A whole number takes the next one up and down and its two bounds; a group each of its other members.

        Parameters
        ----------
        point : (feature,)
            An allowed one.

        Returns
        -------
        (neighbor, feature), of the same type
        """
        found = []
        for feature in np.flatnonzero(self.whole):
            ends = (np.ceil(self.low[feature]), np.floor(self.high[feature]))
            values = {float(point[feature]) + step for step in (-1, 1)} | {float(end) for end in ends}
            for value in sorted(values - {float(point[feature])}):
                if np.isfinite(value) and ends[0] <= value <= ends[1]:
                    other = point.copy()
                    other[feature] = value
                    found.append(other)
        for group in self.groups:
            for member in group:
                if point[member] != 1:
                    other = point.copy()
                    other[list(group)] = 0
                    other[member] = 1
                    found.append(other)
        return np.stack(found) if found else np.empty((0, *point.shape), point.dtype)
