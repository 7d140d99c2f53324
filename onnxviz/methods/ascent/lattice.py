"""The lattice of inputs with whole numbers and one-hot groups: the nearest input, and the neighbors of a vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """The elements of an input that cannot take all values between their bounds.

    Attributes
    ----------
    whole : (*shape) bool
        Whether an element must be a whole number.
    groups : tuple of tuple of int
        Groups of elements, by their places in a flattened sample. In each group exactly one element is 1, and the others are 0.
    low, high : (*shape)
        The bounds; infinite where there is none.
    unordered : (feature,) bool, optional
        Which whole numbers are codes without an order, such as those of texts. Every other code is a neighbor.
    """

    whole: NDArray[np.bool_]
    groups: tuple[tuple[int, ...], ...]
    low: Floats
    high: Floats
    unordered: NDArray[np.bool_] | None = None

    @property
    def empty(self) -> bool:
        """Whether every element may take any value."""
        return not self.groups and not bool(self.whole.any())

    @property
    def members(self) -> NDArray[np.bool_]:
        """Whether an element must be a whole number or is in a group, (*shape)."""
        named: NDArray[np.bool_] = self.whole.copy()
        for places in self._stacks:
            named.reshape(-1)[places] = True
        return named

    @property
    def _stacks(self) -> list[NDArray[np.int64]]:
        """The groups as (group, member) places, an array for each size of groups."""
        sizes = sorted({len(group) for group in self.groups})
        return [np.asarray([group for group in self.groups if len(group) == size], np.int64) for size in sizes]

    def nearest(self, points: Floats) -> Floats:
        """Return the nearest allowed points: whole numbers are rounded within their bounds, and a group's largest element is 1.

        Parameters
        ----------
        points : (…, *shape)
            Any points.

        Returns
        -------
        (…, *shape), of the same type
        """
        settled: Floats = np.array(points)
        rounded = np.clip(np.rint(settled), np.ceil(self.low), np.floor(self.high))
        settled[..., self.whole] = rounded[..., self.whole]
        flat = settled.reshape(*settled.shape[: settled.ndim - self.whole.ndim], -1)
        for places in self._stacks:
            chosen = flat[..., places].argmax(axis=-1)
            flat[..., places] = np.eye(places.shape[1], dtype=settled.dtype)[chosen]
        return flat.reshape(settled.shape)

    def neighbors(self, point: Floats) -> Floats:
        """Return the allowed points that differ in one whole number or one group.

        A whole number becomes the next number up, the next number down, and each of its two bounds; a code without an order becomes
        every other code. In a group each of the other elements becomes 1.

        Parameters
        ----------
        point : (*shape)
            An allowed point.

        Returns
        -------
        (neighbor, *shape), of the same type
        """
        shape, point = point.shape, np.reshape(point, -1)
        lower, upper = (np.reshape(end, -1) for end in (self.low, self.high))
        found = []
        for feature in np.flatnonzero(self.whole):
            ends = (np.ceil(lower[feature]), np.floor(upper[feature]))
            values = {float(point[feature]) + step for step in (-1, 1)} | {float(end) for end in ends}
            if self.unordered is not None and self.unordered[feature]:
                values = {float(code) for code in np.arange(ends[0], ends[1] + 1)}
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
        return np.stack(found).reshape(-1, *shape) if found else np.empty((0, *shape), point.dtype)
