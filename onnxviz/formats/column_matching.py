"""The choice of the columns of a table that feed the inputs of a model: by name where names agree, else by order."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onnxviz.contract import InputContract
from onnxviz.errors import DataError
from onnxviz.formats.table_rows import TableRows


@dataclass(frozen=True, slots=True)
class Slot:
    """The part of each sample that one input of a model takes.

    Attributes
    ----------
    name : str
        The name of the input.
    shape : tuple of (int or None)
        The shape of one sample without the batch axis; None where an axis may have any size.
    kind : str
        The kind of the input, such as "image", "signal", "vector" or "text"; see `onnxviz.contract`.
    features : tuple of str
        The names of a vector's features, where they are known.
    missing : bool
        Whether the input takes NaN for a missing value.
    spare : tuple of int
        The axes of size 1 that one sample may have besides, in the input's own order: a batch behind the steps.
    """

    name: str
    shape: tuple[int | None, ...]
    kind: str = "array"
    features: tuple[str, ...] = ()
    missing: bool = False
    spare: tuple[int, ...] = ()

    @classmethod
    def of(cls, expected: InputContract, shape: Sequence[int | None], features: Sequence[str] = ()) -> Slot:
        """Return the slot of an input, from its contract and the sizes of one sample."""
        spare = expected.spare if expected.whole else ()
        return cls(expected.name, tuple(shape), expected.kind, tuple(features), expected.missing, spare)

    def is_own(self, shape: Sequence[int]) -> bool:
        """Return whether an array of a shape is one sample in the input's own order, with the spare axes.

        Examples
        --------
        >>> frames = Slot("frames", (None, 6), "sequence", spare=(1,))
        >>> frames.is_own((20, 1, 6)), frames.is_own((20, 30, 6)), frames.is_own((20, 6))
        (True, False, False)
        """
        if not self.spare or len(shape) != len(self.shape) + len(self.spare):
            return False
        if any(shape[axis] != 1 for axis in self.spare):
            return False
        own = [size for axis, size in enumerate(shape) if axis not in self.spare]
        return all(size in (None, have) for size, have in zip(self.shape, own, strict=True))

    def without_spare(self, array: Any) -> Any:
        """Return an array without the spare axes, if it is samples in the input's own order, one or a row of them; else as it is."""
        for first in (0, 1):
            if self.is_own(array.shape[first:]):
                return array[tuple(0 if axis - first in self.spare else slice(None) for axis in range(array.ndim))]
        return array

    @property
    def text(self) -> bool:
        """Whether the input takes texts."""
        return self.kind == "text"

    @property
    def size(self) -> int | None:
        """How many numbers the input takes of each sample; None where it takes any number of them."""
        sizes = [size for size in self.shape if size is not None]
        return math.prod(sizes) if len(sizes) == len(self.shape) else None


def match_columns(
    table: TableRows, slots: Sequence[Slot], label: str | None
) -> tuple[tuple[tuple[int, ...], ...], str]:
    """Return the columns of a table that feed a model's inputs.

    These are tried in this order: a column with the input's name that holds lists or numbers; columns with the names of the
    input's features; columns ``name_0``, ``name_1``, … or ``name[0]``, ``name[1]``, …; and all columns in their order, those
    of text for the inputs of text, those of numbers for the others.

    Parameters
    ----------
    table : TableRows
        The table.
    slots : sequence of Slot
        The inputs.
    label : str or None
        A column that is no feature.

    Returns
    -------
    columns : tuple of tuple of int
        The columns of each input.
    note : str
        A sentence that says how the columns were chosen.

    Raises
    ------
    UsageError
        If there is no column with the label's name.
    DataError
        If the columns do not fit.
    """
    left_out = None if label is None else table.column(label)
    named = [_by_name(table, slot, left_out) for slot in slots]
    if table.names and all(columns is not None for columns in named):
        rest = [
            name for place, name in enumerate(table.names) if not any(place in (columns or ()) for columns in named)
        ]
        spare = [name for name in rest if name != label]
        note = f"{table.path.name}: columns matched by name" + (f"; {_listed(spare)} left out" if spare else "")
        return tuple(columns or () for columns in named), note
    worded = [slot for slot in slots if slot.text]
    counted = [slot for slot in slots if not slot.text]
    written = [place for place, width in enumerate(table.widths) if not width and place != left_out]
    numeric = [place for place, width in enumerate(table.widths) if width and place != left_out]
    chosen = {
        **_in_order(table, worded, dict.fromkeys(written, 1), "columns of text"),
        **_in_order(table, counted, {place: table.widths[place] for place in numeric}, "columns of numbers"),
    }
    used = {place for part in chosen.values() for place in part}
    skipped = [name for place, name in enumerate(table.names) if place not in used]
    spare = [name for name in skipped if name != label]
    note = f"{table.path.name}: columns taken in their order" + (f"; {_listed(spare)} left out" if spare else "")
    if not worded and any(slot.size is None for slot in slots):
        note = f"{table.path.name}: all its columns of numbers, in their order"
    return tuple(chosen[slot.name] for slot in slots), note


def _in_order(table: TableRows, slots: Sequence[Slot], free: dict[int, int], words: str) -> dict[str, tuple[int, ...]]:
    """Return the columns of each input, in the order of the table.

    Parameters
    ----------
    table : TableRows
        The table.
    slots : sequence of Slot
        The inputs, all of text or all of numbers.
    free : dict of int to int
        The columns that may be taken, each with the number of elements of its cells.
    words : str
        What these columns are, for messages.
    """
    if not slots:
        return {}
    wanted = [slot.size for slot in slots]
    if None in wanted:
        if len(slots) > 1:
            raise DataError(
                f"{table.path}: its columns cannot be shared out among inputs of any size; name the columns after the inputs"
            )
        return {slots[0].name: tuple(free)}
    have, total = sum(free.values()), sum(size or 0 for size in wanted)
    if have != total:
        takers = ", ".join(f"{slot.name} {slot.size}" for slot in slots)
        hint = "; say with `label` which column is no feature" if have == total + 1 else ""
        raise DataError(f"{table.path}: has {have} {words}, and the model takes {total} ({takers}){hint}")
    left, chosen = list(free), {}
    for slot in slots:
        taken: list[int] = []
        while sum(free[place] for place in taken) < (slot.size or 0):
            taken.append(left.pop(0))
        if sum(free[place] for place in taken) != slot.size:
            raise DataError(
                f"{table.path}: its columns of lists do not end where the model's inputs end; name the columns after the inputs"
            )
        chosen[slot.name] = tuple(taken)
    return chosen


def _by_name(table: TableRows, slot: Slot, left_out: int | None) -> tuple[int, ...] | None:
    if slot.name in table.names:
        place = table.names.index(slot.name)
        # A column of numbers is text too, such as a postal code.
        width = 1 if slot.text else table.width(place)
        if place != left_out and width and slot.size in (None, width):
            return (place,)
    if slot.features and len(slot.features) == slot.size and set(slot.features) <= set(table.names):
        return tuple(table.names.index(name) for name in slot.features)
    numbered = {}
    for place, name in enumerate(table.names):
        found = re.fullmatch(re.escape(slot.name) + r"[_.\[ ]?(\d+)\]?", name)
        if found and place != left_out:
            numbered[int(found[1])] = place
    first = min(numbered, default=0)
    count = slot.size if slot.size is not None else len(numbered)
    if count and first in (0, 1) and set(numbered) == set(range(first, first + count)):
        return tuple(numbered[number] for number in range(first, first + count))
    return None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
