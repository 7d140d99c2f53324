"""A data set as a stream: folders of files, arrays, archives and tables, read some samples at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError, UsageError
from onnxviz.formats.array_files import map_npy, npz_shapes, stream_npz
from onnxviz.formats.column_matching import Slot, match_columns
from onnxviz.formats.data_blocks import Block, FileReader, Piece, ProblemReader, RowsReader, TableReader
from onnxviz.formats.sample_address import SampleAddress
from onnxviz.formats.table_rows import TABLES, open_table

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")
_ARRAYS = (".npy", ".npz")
_CHUNK = 2 << 20
"""Bytes that the rows which are read together may take."""


class DataSet:
    """Samples for a model's inputs, from a file or a folder.

    Parameters
    ----------
    source : path
        A picture or a sound; an array, archive or table with a sample in each row, of which ``FILE#7`` or ``FILE#0:100``
        picks some; or a folder of such files, searched to its depth, in natural order.
    slots : sequence of Slot
        The inputs to be fed.
    label : str, optional
        The column of a table, or the member of an archive, that names the samples' classes and is no feature. In a
        folder the subfolders do so.

    Attributes
    ----------
    notes : list of str
        Sentences about how it is read.
    columns : tuple of str
        The names of a table's columns that feed the first input, once it is being read.

    Raises
    ------
    UsageError
        There is no such file, or it has no such column.
    DataError
        It cannot be read as samples for these inputs.
    """

    def __init__(self, source: str | os.PathLike[str], slots: Sequence[Slot], label: str | None = None) -> None:
        address = SampleAddress.parse(source)
        self.path, self.member, self.rows = address.path, address.member, address.rows
        self.slots = tuple(slots)
        self.label = label
        self.notes: list[str] = []
        self.columns: tuple[str, ...] = ()
        if not self.path.exists():
            raise UsageError(f"{self.path}: no such file")
        self._files = self._listed() if self.path.is_dir() else [self.path]
        if self.rows is not None and self.path.is_dir():
            raise UsageError(f"{source}: rows are picked from one file, not from a folder")

    def pieces(self, wanted: Collection[str] | None = None) -> Iterator[Piece]:
        """Go through the data set once.

        Parameters
        ----------
        wanted : collection of str, optional
            Only these identities.

        Yields
        ------
        Piece
            Not yet read, but for the text of a table. A file in a folder that cannot be opened is a piece with a
            problem.

        Raises
        ------
        DataError
            The data set is one file, and it cannot be opened.
        UsageError
            It has no row of those that were picked.
        """
        found = False
        for file in self._files:
            name = file.relative_to(self.path).as_posix() if self.path.is_dir() else file.name
            if wanted is not None and not self._may_hold(name, wanted):
                continue
            try:
                for piece in self._file(file, name, wanted):
                    found = True
                    yield piece
            except DataError as error:
                if not self.path.is_dir():
                    raise
                yield Piece((name,), ProblemReader(name, str(error)))
        if self.rows is not None and not found and wanted is None:
            raise UsageError(f"{self.path}#{self.rows.start}: it has no such row; the first is {self.path}#0")

    def count(self) -> int | None:
        """Return about how many samples there are; None where only reading them would tell."""
        if any(file.suffix.lower() in (".npz", *TABLES) for file in self._files):
            return None
        if any(file.suffix.lower() == ".npy" for file in self._files):
            return sum(len(piece.identities) for piece in self.pieces())
        return len(self._files)

    def read(self, identities: Collection[str]) -> Iterator[Block]:
        """Read some samples again."""
        for piece in self.pieces(identities):
            yield piece.read(_nothing_known)

    def _may_hold(self, name: str, wanted: Collection[str]) -> bool:
        return name in wanted or Path(name).suffix.lower() in (*_ARRAYS, *TABLES)

    def _listed(self) -> list[Path]:
        """List the files of a folder in natural order; links to folders are not followed."""
        kinds = {slot.kind for slot in self.slots}
        taken = {*_ARRAYS}
        if "image" in kinds:
            taken |= {*PICTURES}
        if kinds & {"signal", "spectrogram", "volume", "sequence", "array"}:
            taken |= {".wav"}
        if "image" not in kinds:
            taken |= {*TABLES}
        found, passed = [], 0
        for folder, inner, names in os.walk(self.path):
            if "settings.json" in names and {"scores.sqlite", "result.json"} & {*names}:
                inner.clear()  # what this program wrote: its sheets are no samples
                continue
            inner[:] = [name for name in inner if not name.startswith(".")]
            for name in names:
                if name.startswith("."):
                    continue
                if Path(name).suffix.lower() in taken:
                    found.append(Path(folder, name))
                else:
                    passed += 1
        if not found:
            raise DataError(f"{self.path}: holds no file of the kinds {' '.join(sorted(taken))}")
        if passed:
            self.notes.append(f"{self.path.name}: {passed} files of other kinds passed over")
        return sorted(found, key=lambda file: natural_key(file.relative_to(self.path).as_posix()))

    def _file(self, file: Path, name: str, wanted: Collection[str] | None) -> Iterator[Piece]:
        suffix = file.suffix.lower()
        if suffix == ".npy":
            yield from self._npy(file, name, wanted)
        elif suffix == ".npz":
            yield from self._npz(file, name, wanted)
        elif suffix in TABLES:
            yield from self._table(file, name, wanted)
        elif self.rows is not None:
            raise UsageError(f"{file}: has no rows to pick from")
        elif len(self.slots) > 1:
            raise DataError(f"{file}: is one sample of one input; a .npz archive or a table feeds several")
        else:
            yield Piece((name,), FileReader(file, name, self._folder(name), self.slots[0].name))

    def _folder(self, name: str) -> str:
        return name.rpartition("/")[0]

    def _npy(self, file: Path, name: str, wanted: Collection[str] | None) -> Iterator[Piece]:
        if len(self.slots) > 1:
            raise DataError(f"{file}: is an array for one input; a .npz archive or a table feeds several")
        array = map_npy(file)
        check_numbers(array.dtype, str(file))
        yield from self._rows_of(array, name, str(file), wanted)

    def _rows_of(self, array: NDArray[Any], name: str, source: str, wanted: Collection[str] | None) -> Iterator[Piece]:
        slot = self.slots[0]
        if not has_rows(array.shape, slot) and self.rows is None:
            yield Piece((name,), RowsReader({slot.name: array[None]}, (0,), name, self._folder(name), source, False))
            return
        width = max(1, array[:1].nbytes)
        for places in _chosen(len(array), max(1, _CHUNK // width), self.rows, name, wanted):
            identities = tuple(f"{name}#{place}" for place in places)
            yield Piece(identities, RowsReader({slot.name: array}, places, name, self._folder(name), source, True))

    def _npz(self, file: Path, name: str, wanted: Collection[str] | None) -> Iterator[Piece]:
        shapes = npz_shapes(file)
        members = self._members(file, {key: shape for key, (shape, _) in shapes.items()})
        for member in members.values():
            check_numbers(shapes[member][1], f"{file}[{member}]")
        single = all(not has_rows(shapes[members[slot.name]][0], slot) for slot in self.slots) and self.rows is None
        labels = self.label if self.label in shapes else None
        counts = {shapes[member][0][0] if shapes[member][0] else 1 for member in members.values()}
        if single:
            arrays = {key: next(stream_npz(file, member, 1 << 62)) for key, member in members.items()}
            stacked = {key: array[None] for key, array in arrays.items()}
            yield Piece((name,), RowsReader(stacked, (0,), name, self._folder(name), str(file), False))
            return
        if len(counts) > 1:
            listed = ", ".join(f"{member} {shapes[member][0][0]}" for member in members.values())
            raise DataError(f"{file}: its arrays have different numbers of rows: {listed}")
        width = sum(shapes[member][1].itemsize * int(np.prod(shapes[member][0][1:])) for member in members.values())
        rows = max(1, _CHUNK // max(1, width))
        streams = {key: stream_npz(file, member, rows) for key, member in members.items()}
        words = stream_npz(file, labels, rows) if labels else None
        start = 0
        for first in streams[self.slots[0].name]:
            arrays = {self.slots[0].name: first}
            arrays |= {slot.name: next(streams[slot.name]) for slot in self.slots[1:]}
            texts = tuple(str(word) for word in np.asarray(next(words)).reshape(len(first))) if words else None
            places = [start + row for row in range(len(first)) if self._picked(start + row)]
            if wanted is not None:
                places = [place for place in places if f"{name}#{place}" in wanted]
            if places:
                identities = tuple(f"{name}#{place}" for place in places)
                folder = self._folder(name)
                yield Piece(identities, RowsReader(arrays, tuple(places), name, folder, str(file), True, start, texts))
            start += len(first)

    def _members(self, file: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, str]:
        """Choose the members of an archive for the inputs: by name, else by order."""
        spare = [member for member in shapes if member != self.label]
        if self.member is not None:
            if self.member not in shapes:
                raise UsageError(f"{file}: holds no array {self.member}; it has {', '.join(shapes)}")
            spare = [self.member]
        if all(slot.name in shapes for slot in self.slots) and self.member is None:
            return {slot.name: slot.name for slot in self.slots}
        if len(spare) != len(self.slots):
            raise DataError(
                f"{file}: holds {', '.join(shapes) or 'no arrays'}, and the model takes "
                f"{', '.join(slot.name for slot in self.slots)}; name the arrays so, or pick one: {file}[{spare[0] if spare else 'NAME'}]"
            )
        if len(self.slots) > 1:
            note = f"{file.name}: its arrays are taken in their order: {', '.join(spare)}"
            self.notes += [] if note in self.notes else [note]
        return {slot.name: member for slot, member in zip(self.slots, spare, strict=True)}

    def _table(self, file: Path, name: str, wanted: Collection[str] | None) -> Iterator[Piece]:
        table = open_table(file)
        matched, note = match_columns(table, self.slots, self.label)
        if note not in self.notes:
            self.notes.append(note)
        if table.names and not self.columns:
            self.columns = tuple(table.names[column] for column in matched[0])
        label = None if self.label is None else table.column(self.label)
        columns = tuple(column for part in matched for column in part)
        width = 8 * sum(table.widths[column] for column in columns)
        ends = np.cumsum([sum(table.widths[column] for column in part) for part in matched])[:-1]
        for chunk in table.chunks(max(1, min(_CHUNK // max(1, width), 4096)), columns, label):
            kept = [row for row, place in enumerate(chunk.places) if self._picked(place)]
            if wanted is not None:
                kept = [row for row in kept if f"{name}#{chunk.places[row]}" in wanted]
            problems = tuple(
                (f"{name}#{place}", said) for place, said in chunk.problems if wanted is None and self._picked(place)
            )
            if not kept and not problems:
                if self.rows is not None and chunk.places and chunk.places[-1] >= self.rows.stop:
                    return
                continue
            identities = tuple(f"{name}#{chunk.places[row]}" for row in kept)
            labels = tuple(chunk.labels[row] or self._folder(name) for row in kept)
            parts = {
                slot.name: part for slot, part in zip(self.slots, np.split(chunk.values[kept], ends, 1), strict=True)
            }
            yield Piece(identities, TableReader(identities, labels, parts, problems, str(file)))

    def _picked(self, place: int) -> bool:
        return self.rows is None or self.rows.start <= place < self.rows.stop


def natural_key(name: str) -> tuple[Any, ...]:
    """Return what sorts names as people do: a2 before a10.

    Examples
    --------
    >>> sorted(["a10.png", "a2.png", "A1.png"], key=natural_key)
    ['A1.png', 'a2.png', 'a10.png']
    """
    parts = re.split(r"(\d+)", name.casefold())
    return (*((int(part), "") if part.isdecimal() else (-1, part) for part in parts), name)


def has_rows(shape: tuple[int, ...], slot: Slot) -> bool:
    """Tell whether an array's first axis counts samples of an input, or belongs to one sample.

    Examples
    --------
    >>> [has_rows(shape, Slot("x", (3, 8, 8), "image")) for shape in [(3, 8, 8), (8, 3, 8, 8), (20, 20, 3), (5, 20, 20, 3)]]
    [False, True, False, True]
    """
    if fits(shape, slot.shape):
        return False
    if len(shape) > 1 and fits(shape[1:], slot.shape):
        return True
    if slot.kind == "image":
        # (height, width), with channels last or without; else samples of these.
        return not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 2, 3, 4)))
    if slot.size is not None and int(np.prod(shape)) == slot.size:
        return False
    if slot.size is not None and len(shape) > 1 and int(np.prod(shape[1:])) == slot.size:
        return True
    return len(shape) > len(slot.shape)


def fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    """Tell whether a shape is the wanted one, None standing for any size."""
    return len(shape) == len(wanted) and all(b is None or a == b for a, b in zip(shape, wanted, strict=True))


def _nothing_known(identity: str, stamp: str) -> bool:
    return False


def check_numbers(dtype: np.dtype[Any], source: str) -> None:
    """Raise a `DataError` unless a type is one of real numbers."""
    if dtype.kind not in "biuf":
        raise DataError(f"{source}: holds values of the type {dtype}; real numbers are needed, float32 for instance")


def _chosen(
    count: int, rows: int, picked: slice | None, name: str, wanted: Collection[str] | None
) -> Iterator[tuple[int, ...]]:
    """Yield the numbers of the rows that are read together."""
    if picked is not None and picked.start >= count:
        raise UsageError(f"{name}#{picked.start}: it has {count} rows, 0 to {count - 1}")
    first, last = (0, count) if picked is None else (picked.start, min(picked.stop, count))
    for start in range(first, last, rows):
        places = range(start, min(start + rows, last))
        chosen = tuple(places) if wanted is None else tuple(row for row in places if f"{name}#{row}" in wanted)
        if chosen:
            yield chosen
