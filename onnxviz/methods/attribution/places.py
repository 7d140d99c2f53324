"""The places of an input: elements that are shown, ranked or removed together, such as a pixel with all its channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_APART = frozenset(("channel", "dimension", "letter", "coordinate"))
_APART_PLACES = frozenset(("feature", "token", "position", "point"))
"""Axes whose neighbors need not be alike."""

_MOST = 128
"""So many groups of tokens, letters or points are removed at most."""

_GRIDS = {1: 64, 2: 8, 3: 4}


@dataclass(frozen=True)
class Places:
    """The way the elements of one input form places.

    Attributes
    ----------
    shape : tuple of int
        The shape of one sample.
    axes : tuple of str
        The name of each axis. Elements along "channel", "dimension" (of an embedding), "letter" (of one-hot codes) or "coordinate"
        (of a point) belong to one place, if there is another axis.
    """

    shape: tuple[int, ...]
    axes: tuple[str, ...]

    @property
    def shared(self) -> tuple[int, ...]:
        """The axes along which elements belong to one place."""
        shared = tuple(place for place, axis in enumerate(self.axes) if axis in _APART)
        return shared if len(shared) < len(self.shape) else ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many places there are along each of the other axes."""
        return tuple(size for place, size in enumerate(self.shape) if place not in self.shared)

    @property
    def count(self) -> int:
        """How many places there are."""
        return math.prod(self.sizes)

    @property
    def evenly_spaced(self) -> bool:
        """Whether neighbors belong together: pixels and moments do, features and tokens do not."""
        longer = [axis for axis, size in zip(self.axes, self.shape, strict=True) if size > 1 and axis not in _APART]
        return len(longer) > 1 or not set(longer) & _APART_PLACES

    @property
    def dimensions(self) -> int:
        """How many axes have more than one place; at least 1."""
        return max(1, sum(size > 1 for size in self.sizes))

    def lift(self, array: np.ndarray) -> np.ndarray:
        """Return an array over places, (*sizes), with the axes of a sample, where shared axes have the length 1."""
        return np.asarray(array).reshape([1 if place in self.shared else size for place, size in enumerate(self.shape)])

    def total(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of values over the elements of each place, (*sizes); values have a sample's axes or are lifted."""
        summed: np.ndarray = np.asarray(values, np.float64).sum(axis=self.shared)
        return summed

    def largest(self, values: np.ndarray) -> np.ndarray:
        """Return the largest magnitude at each place: (*sizes)."""
        greatest: np.ndarray = np.abs(np.asarray(values, np.float64)).max(axis=self.shared, initial=0.0)
        return greatest

    def window(self, side: int | None = None) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the sides of a window to hide, and its steps, along every axis of a sample.

        Parameters
        ----------
        side : int, optional
            The side in places. Default: an eighth of each axis, or a thirty-second where there is one axis; a single feature or
            token where neighbors do not belong together.

        Returns
        -------
        sides, steps : tuple of int
            Both in elements along every axis. Neighboring windows overlap by half.
        """
        parts = 32 if self.dimensions == 1 else 8
        if not self.evenly_spaced:
            parts = 256 if "token" in self.axes else max(self.sizes, default=1)
        sides, steps = [], []
        for place, size in enumerate(self.shape):
            if place in self.shared:
                sides.append(size)
                steps.append(size)
                continue
            wide = min(size, side if side is not None else max(1, round(size / parts)))
            sides.append(wide)
            steps.append(max(1, wide // 2))
        return tuple(sides), tuple(steps)

    def groups(self) -> np.ndarray:
        """Return the number of each place's group; neighboring places are removed together where there are too many places.

        Returns
        -------
        (*sizes) ndarray of int
            Numbers from 0. A picture has up to 8 × 8 groups and a signal up to 64. Each feature is a group of its own, and so is each
            of up to 128 tokens.
        """
        if not self.evenly_spaced:
            most = _MOST if {"token", "position", "point"} & {*self.axes} else self.count
            parts = [min(size, most) for size in self.sizes]
        else:
            parts = [min(size, _GRIDS.get(self.dimensions, 3)) for size in self.sizes]
        number = np.zeros(self.sizes, np.int64)
        for axis, (size, count) in enumerate(zip(self.sizes, parts, strict=True)):
            view = [1] * len(self.sizes)
            view[axis] = -1
            number = number * count + (np.arange(size) * count // size).reshape(view)
        return number


def flat_order(maps: Sequence[np.ndarray]) -> np.ndarray:
    """Return the numbers of all places from the highest value to the lowest; places are counted input after input."""
    values = np.concatenate([np.asarray(one, np.float64).reshape(-1) for one in maps])
    return np.argsort(-values, kind="stable")
