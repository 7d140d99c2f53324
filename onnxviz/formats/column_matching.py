"""Which columns of a table feed which input of a model: by name where names agree, else by order."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from onnxviz.errors import DataError
from onnxviz.formats.table_rows import TableRows


@dataclass(frozen=True, slots=True)
class Slot:
    """What one input of a model takes of each sample.

    Attributes
    ----------
    name : str
        The input.
    shape : tuple of (int or None)
        Of one sample, without the batch; None where any size will do.
    kind : str
        "image", "signal", "vector", …; see `onnxviz.contract`.
    features : tuple of str
        The names of a vector's features, where they are known.
    """

    name: str
    shape: tuple[int | None, ...]
    kind: str = "array"
    features: tuple[str, ...] = ()

    @property
    def size(self) -> int | None:
        """How many numbers it takes; None where any number will do."""
        sizes = [size for size in self.shape if size is not None]
        return math.prod(sizes) if len(sizes) == len(self.shape) else None


def match_columns(
    table: TableRows, slots: Sequence[Slot], label: str | None
) -> tuple[tuple[tuple[int, ...], ...], str]:
    """Choose the columns of a table for a model's inputs.

    Tried in this order: a column of lists or of numbers with the input's name; columns with the names of its
    features; columns ``name_0``, ``name_1``, … or ``name[0]``, ``name[1]``, …; and all columns of numbers in their order.

    Parameters
    ----------
    table : TableRows
    slots : sequence of Slot
        The inputs.
    label : str or None
        A column that is no feature.

    Returns
    -------
    columns : tuple of tuple of int
        For each input.
    note : str
        A sentence about how they were found.

    Raises
    ------
    UsageError
        There is no column with the label's name.
    DataError
        The columns do not fit.
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
    numeric = [place for place, width in enumerate(table.widths) if width and place != left_out]
    wanted = [slot.size for slot in slots]
    if None in wanted:
        if len(slots) > 1:
            raise DataError(f"{table.path}: its columns cannot be shared out among inputs of any size; name them")
        return (tuple(numeric),), f"{table.path.name}: all its columns of numbers, in their order"
    have = sum(table.widths[place] for place in numeric)
    total = sum(size or 0 for size in wanted)
    if have != total:
        takers = ", ".join(f"{slot.name} {slot.size}" for slot in slots)
        hint = "; say with `label` which column is no feature" if have == total + 1 else ""
        raise DataError(f"{table.path}: has {have} columns of numbers, and the model takes {total} ({takers}){hint}")
    chosen: list[tuple[int, ...]] = []
    for size in wanted:
        taken: list[int] = []
        while sum(table.widths[place] for place in taken) < (size or 0):
            taken.append(numeric.pop(0))
        chosen.append(tuple(taken))
    if any(sum(table.widths[place] for place in part) != size for part, size in zip(chosen, wanted, strict=True)):
        raise DataError(f"{table.path}: its columns of lists do not end where the model's inputs end; name them")
    skipped = [table.names[place] for place, width in enumerate(table.widths) if not width and table.names]
    spare = [name for name in skipped if name != label]
    note = f"{table.path.name}: columns taken in their order" + (f"; {_listed(spare)} left out" if spare else "")
    return tuple(chosen), note


def _by_name(table: TableRows, slot: Slot, left_out: int | None) -> tuple[int, ...] | None:
    if slot.name in table.names:
        place = table.names.index(slot.name)
        if place != left_out and table.widths[place] and slot.size in (None, table.widths[place]):
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
