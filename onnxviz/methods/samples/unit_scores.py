"""The scores of many targets at once: all units of a tensor over a batch, without a loop over units or samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from onnxviz.errors import DataError
from onnxviz.question import Question
from onnxviz.target import EACH, Target

_BITS = 16
"""The bits for the position along one axis, where a position along several axes is packed into one number."""


@dataclass(frozen=True)
class UnitScores:
    """A function from a batch to the scores of a target, or of all targets of a pattern with ``*``.

    Attributes
    ----------
    pattern : Target
        The pattern: conv1[*], logits[3], conv1[:, 5, 5]. Its question reduces the positions of a unit to a score.
    shape : tuple of int
        The shape of the tensor after the batch. Axes without a ``*`` may differ in length from batch to batch.
    """

    pattern: Target
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        self.pattern.check(self.shape)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The targets, one for each column of the scores."""
        return self.pattern.expand(self.shape)

    @cached_property
    def _entries(self) -> tuple[Any, ...]:
        """The index with an entry for every axis after the batch."""
        index: list[Any] = list(self.pattern.index)
        if Ellipsis in index:
            at = index.index(Ellipsis)
            index[at : at + 1] = [slice(None)] * (len(self.shape) - len(index) + 1)
        return (*index, *[slice(None)] * (len(self.shape) - len(index)))

    @cached_property
    def free(self) -> tuple[int, ...]:
        """The axes along which a unit has several positions, counted without the batch."""
        return tuple(axis for axis, entry in enumerate(self._entries) if isinstance(entry, slice))

    def __call__(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the scores of a batch.

        Parameters
        ----------
        values : (sample, *shape) ndarray
            The tensor.

        Returns
        -------
        scores : (sample, unit) float32
            The values of the targets, as `Target.select` returns them; NaN where the tensor is empty.
        places : (sample, unit) uint64, or None
            The position of each unit's highest value, or of its center where that is asked for, which `position` reads; None
            where a unit has a single position.

        Raises
        ------
        DataError
            If the tensor has another number of units than in the batches before.
        """
        entries = self._entries
        if values.ndim != 1 + len(self.shape) or any(
            entry is EACH and values.shape[1 + axis] != self.shape[axis] for axis, entry in enumerate(entries)
        ):
            raise DataError(
                f"{self.pattern}: {self.pattern.tensor} has the shape {values.shape[1:]} for some samples and {self.shape} "
                "for others, so their units cannot be compared; settle the input's size with `shapes`"
            )
        key = (slice(None), *(slice(None) if entry is EACH else entry for entry in entries))
        picked = values[key]
        kept = [entry for entry in entries if not isinstance(entry, int)]
        each = [1 + place for place, entry in enumerate(kept) if entry is EACH]
        moved = np.moveaxis(picked, each, range(1, 1 + len(each)))
        free = moved.shape[1 + len(each) :]
        units = int(np.prod(moved.shape[1 : 1 + len(each)]))
        question = self.pattern.question
        flat = np.asarray(moved.reshape(len(values), units, -1), np.float32)
        count = flat.shape[2]
        if not count:  # nothing was detected: there is no score, and no place of a maximum
            return np.full((len(values), units), np.nan, np.float32), np.zeros((len(values), units), np.uint64)
        if count == 1:
            return question(flat[:, :, 0], 2), None
        flat = np.ascontiguousarray(flat)
        places = flat.argmax(axis=2)
        if question is Question.MEAN:
            # This passes once over the memory. A matrix product by BLAS would start threads that take processor time from the model.
            shares = np.full(count, 1 / count, np.float32)
            scores = np.einsum("ij,j->i", flat.reshape(-1, count), shares).reshape(len(values), units)
        elif question is Question.HIGHEST:
            scores = np.take_along_axis(flat, places[:, :, None], 2)[:, :, 0]
        elif question is Question.CENTER:
            scores = np.asarray(question(self._maps(flat, free), 2))
            places = np.full(places.shape, np.ravel_multi_index([size // 2 for size in free], free))
        else:
            scores = np.asarray(question(flat, 2))
        return scores, _packed(places, free)

    def _maps(self, flat: np.ndarray, free: tuple[int, ...]) -> np.ndarray:
        """Return the values of units as (sample, unit, *positions), averaged over the tensor's units where a target has several."""
        maps = flat.reshape(*flat.shape[:2], *free)
        own = self.pattern.units
        return maps.mean(2 + self.free.index(own)) if own is not None and own in self.free else maps

    def position(self, unit: int, packed: int) -> tuple[int, ...]:
        """Return the index of a unit's maximum in the tensor, without the batch axis.

        Parameters
        ----------
        unit : int
            The column of the scores.
        packed : int
            The number from `places`.
        """
        entries = self._entries
        own = iter(_unravelled(unit, [self.shape[axis] for axis, entry in enumerate(entries) if entry is EACH]))
        free = self.free
        several = len(free) > 1
        index = []
        for axis, entry in enumerate(entries):
            if entry is EACH:
                index.append(next(own))
            elif isinstance(entry, int):
                index.append(entry % self.shape[axis])
            else:
                place = free.index(axis)
                along = packed >> (_BITS * place) & ((1 << _BITS) - 1) if several else packed
                index.append(range(1 << 30)[entry][int(along)] if _is_forward(entry) else int(along))
        return tuple(index)


def _unravelled(number: int, sizes: Sequence[int]) -> list[int]:
    """Return the position along each axis of an element whose number is counted in C order."""
    places = []
    for size in reversed(sizes):
        number, place = divmod(number, size)
        places.append(place)
    return places[::-1]


def _is_forward(entry: slice) -> bool:
    """Return whether the positions of a slice are the same for every length of the axis."""
    return (entry.start or 0) >= 0 and (entry.stop is None or entry.stop >= 0) and (entry.step or 1) > 0


def _packed(places: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Return the positions along several axes packed into one number, which can be read without knowing the sizes of the axes."""
    if len(sizes) == 1:
        return places.astype(np.uint64)
    packed = np.zeros(places.shape, np.uint64)
    for axis, along in enumerate(np.unravel_index(places, tuple(sizes))):
        packed |= along.astype(np.uint64) << np.uint64(_BITS * axis)
    return packed
