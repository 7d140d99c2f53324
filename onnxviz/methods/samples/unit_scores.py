"""The values of many targets at once: every unit of a tensor over a batch, without a loop over units or samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from onnxviz.errors import DataError
from onnxviz.target import EACH, Target

_BITS = 16
"""Of a place along one axis, where a position of several is kept in one number."""


@dataclass(frozen=True)
class UnitScores:
    """A target, or with ``*`` all targets of a pattern, as one function of a batch.

    Attributes
    ----------
    pattern : Target
        As it is written: conv1[*], logits[3], conv1[:, 5, 5].
    shape : tuple of int
        The tensor's, after the batch; axes that no ``*`` stands for may differ from batch to batch.
    highest : bool
        Whether the maximum over what is left counts, and not the mean, which is the target's own value.
    """

    pattern: Target
    shape: tuple[int, ...]
    highest: bool = False

    def __post_init__(self) -> None:
        self.pattern.check(self.shape)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """One for each column of the scores."""
        return self.pattern.expand(self.shape)

    @cached_property
    def _entries(self) -> tuple[Any, ...]:
        """An entry for every axis after the batch."""
        index: list[Any] = list(self.pattern.index)
        if Ellipsis in index:
            at = index.index(Ellipsis)
            index[at : at + 1] = [slice(None)] * (len(self.shape) - len(index) + 1)
        return (*index, *[slice(None)] * (len(self.shape) - len(index)))

    @cached_property
    def free(self) -> tuple[int, ...]:
        """The axes, the batch not counted, that a unit has several places along."""
        return tuple(axis for axis, entry in enumerate(self._entries) if isinstance(entry, slice))

    def __call__(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Score a batch.

        Parameters
        ----------
        values : (sample, *shape) ndarray
            The tensor.

        Returns
        -------
        scores : (sample, unit) float32
            As `Target.select` gives them, or the maxima.
        places : (sample, unit) uint64, or None
            Where the maximum lies, to be read by `position`; None where a unit has one place only.

        Raises
        ------
        DataError
            The tensor has another number of units than in the batches before.
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
        flat = np.asarray(moved.reshape(len(values), units, -1), np.float32)
        count = flat.shape[2]
        if count == 1:
            return flat[:, :, 0], None
        flat = np.ascontiguousarray(flat)
        places = flat.argmax(axis=2)
        if self.highest:
            scores = np.take_along_axis(flat, places[:, :, None], 2)[:, :, 0]
        else:
            # One pass at the memory's speed; a product by BLAS would set threads spinning that take the processor from the model.
            shares = np.full(count, 1 / count, np.float32)
            scores = np.einsum("ij,j->i", flat.reshape(-1, count), shares).reshape(len(values), units)
        return scores, _packed(places, free)

    def position(self, unit: int, packed: int) -> tuple[int, ...]:
        """Return the tensor's index, the batch not counted, of a unit's maximum.

        Parameters
        ----------
        unit : int
            The column.
        packed : int
            As the call above gave it.
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
    """Return the place along each axis of an element counted in C order."""
    places = []
    for size in reversed(sizes):
        number, place = divmod(number, size)
        places.append(place)
    return places[::-1]


def _is_forward(entry: slice) -> bool:
    """Whether a slice's places do not depend on how long the axis is."""
    return (entry.start or 0) >= 0 and (entry.stop is None or entry.stop >= 0) and (entry.step or 1) > 0


def _packed(places: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Put the places along several axes into one number, whatever the axes' sizes, so that it needs no shape to be read."""
    if len(sizes) == 1:
        return places.astype(np.uint64)
    packed = np.zeros(places.shape, np.uint64)
    for axis, along in enumerate(np.unravel_index(places, tuple(sizes))):
        packed |= along.astype(np.uint64) << np.uint64(_BITS * axis)
    return packed
