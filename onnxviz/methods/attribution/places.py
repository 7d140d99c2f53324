"""The places of an input: what is seen, ranked or taken away as one, such as a pixel with all of its channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_APART = frozenset(("channel", "dimension"))
_GRIDS = {1: 64, 2: 8, 3: 4}


@dataclass(frozen=True)
class Places:
    """How the elements of one input form places.

    Attributes
    ----------
    shape : tuple of int
        Of one sample.
    axes : tuple of str
        A name for each axis. What lies along "channel" or "dimension" (of an embedding) belongs to one place, where there is another axis.
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
        """Whether neighbors belong together, as pixels and moments do, and features and tokens do not."""
        longer = [axis for axis, size in zip(self.axes, self.shape, strict=True) if size > 1 and axis not in _APART]
        return len(longer) > 1 or not set(longer) & {"feature", "token"}

    @property
    def dimensions(self) -> int:
        """How many axes have more than one place; at least 1."""
        return max(1, sum(size > 1 for size in self.sizes))

    def lift(self, array: np.ndarray) -> np.ndarray:
        """Give an array over places, (*sizes), the axes of a sample; those that are shared have the length 1."""
        return np.asarray(array).reshape([1 if place in self.shared else size for place, size in enumerate(self.shape)])

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sum values, of a sample's shape or lifted, over what belongs to one place: (*sizes)."""
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
            In places. By default an eighth of each axis, a thirty-second where there is one axis; a single feature or token.

        Returns
        -------
        sides, steps : tuple of int
            Windows overlap by half.
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
        """Give neighboring places the number of the group that is taken away as one, where every single place would be too many.

        Returns
        -------
        (*sizes) ndarray of int
            From 0: up to 8 × 8 squares of a picture, 64 stretches of a signal; every feature and up to 128 tokens for itself.
        """
        if not self.evenly_spaced:
            most = 128 if "token" in self.axes else self.count
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
    """Return all places of several inputs, flat and one input after the other, from the highest value to the lowest."""
    values = np.concatenate([np.asarray(one, np.float64).reshape(-1) for one in maps])
    return np.argsort(-values, kind="stable")
