"""Samples in memory, read in the same way as the samples of a file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError, UsageError
from onnxviz.formats.column_matching import Slot
from onnxviz.formats.data_blocks import Piece, RowsReader
from onnxviz.formats.data_set import DataSet, check_type, has_rows, split_columns
from onnxviz.formats.text_arrays import as_texts

NAME = "array"
"""The first part of the identities of samples in memory, such as ``array#7``."""

_AT_ONCE = 256


class ArrayData(DataSet):
    """A data set of arrays: one array for one input, or one for each of several inputs.

    Parameters
    ----------
    arrays : ndarray, or mapping of str to ndarray
        The samples, along the first axis, or a single sample. For several inputs a mapping from the input's name to its array,
        or an array whose columns feed them in their order.
    slots : sequence of Slot
        The inputs that the arrays feed, in the model's order.

    Raises
    ------
    UsageError
        If an input has no array.
    DataError
        If the arrays hold no numbers, or different numbers of samples.
    """

    def __init__(self, arrays: NDArray[np.generic] | Mapping[str, NDArray[np.generic]], slots: Sequence[Slot]) -> None:
        self.slots = tuple(slots)
        self.label = self.rows = self.member = None
        self.notes: list[str] = []
        self.columns: tuple[str, ...] = ()
        if isinstance(arrays, np.ndarray) and len(self.slots) > 1:
            given: dict[str, Any] = split_columns(arrays, self.slots, NAME)
        else:
            given = {self.slots[0].name: arrays} if isinstance(arrays, np.ndarray) else dict(arrays)
        missing = [slot.name for slot in self.slots if slot.name not in given]
        if missing:
            raise UsageError(
                f"{', '.join(missing)}: no array is given for the input; give a mapping from input to array"
            )
        self._arrays: dict[str, NDArray[np.generic]] = {}
        self._stacked = True
        for slot in self.slots:
            array = np.asarray(given[slot.name])
            check_type(array.dtype, slot, f"the array of {slot.name}")
            if slot.text:
                array = as_texts(array)
            array = slot.without_spare(array)
            self._stacked = has_rows(array.shape, slot)
            self._arrays[slot.name] = array if self._stacked else array[None]
        counts = {len(array) for array in self._arrays.values()}
        if len(counts) > 1:
            raise DataError(f"the arrays hold different numbers of samples: {', '.join(map(str, sorted(counts)))}")
        self._count = counts.pop()

    def pieces(self, wanted: Collection[str] | None = None) -> Iterator[Piece]:
        """Yield the samples once, or only those that are wanted."""
        if not self._stacked:
            yield Piece((NAME,), RowsReader(self._arrays, (0,), NAME, "", NAME, False, missing=self._gaps))
            return
        for first in range(0, self._count, _AT_ONCE):
            places = tuple(
                place
                for place in range(first, min(first + _AT_ONCE, self._count))
                if wanted is None or f"{NAME}#{place}" in wanted
            )
            if places:
                identities = tuple(f"{NAME}#{place}" for place in places)
                reader = RowsReader(self._arrays, places, NAME, "", NAME, True, missing=self._gaps)
                yield Piece(identities, reader)

    def count(self) -> int | None:
        """Return how many samples there are."""
        return self._count
