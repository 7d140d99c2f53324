"""A data set of a file or a folder, read some samples at a time: pictures, sounds, arrays, archives and tables."""

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
from onnxviz.formats.clips import clip_places
from onnxviz.formats.column_matching import Slot, match_columns
from onnxviz.formats.data_blocks import Block, FileReader, Piece, ProblemReader, RowsReader, TableReader
from onnxviz.formats.point_clouds import CLOUDS
from onnxviz.formats.sample_address import SampleAddress
from onnxviz.formats.samples import PICTURES as PICTURES
from onnxviz.formats.table_rows import TABLES, open_table
from onnxviz.formats.text_arrays import as_texts

_ARRAYS = (".npy", ".npz")
_COORDINATES = 16
"""A table of points has at most so many columns; one with more columns has a whole cloud in each row."""

_CHUNK = 2 << 20
"""The most bytes that rows which are read together may take."""


class DataSet:
    """Samples for a model's inputs, from a file or a folder.

    Parameters
    ----------
    source : path
        A picture, a clip or a sound; an array, archive or table with a sample in each row, of which ``FILE#7`` or ``FILE#0:100``
        picks some; or a folder of such files, searched to its depth, in natural order.
    slots : sequence of Slot
        The inputs to be fed.
    label : str, optional
        The column of a table, or the member of an archive, that names the samples' classes and is no feature. In a
        folder the subfolders do so.

    Attributes
    ----------
    notes : list of str
        Sentences that say how the data set is read.
    columns : tuple of str
        The names of a table's columns that feed the inputs; empty until the table is read.

    Raises
    ------
    UsageError
        If there is no such file, or if it has no column of the label's name.
    DataError
        If the file or folder cannot be read as samples for these inputs.
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
        """Yield the pieces of the data set, in order.

        Parameters
        ----------
        wanted : collection of str, optional
            The identities of the samples to yield. Default: all samples.

        Yields
        ------
        Piece
            A piece that is not read yet, save for the text of a table. A file in a folder that cannot be opened becomes a
            piece with a problem.

        Raises
        ------
        DataError
            If the data set is a single file that cannot be opened.
        UsageError
            If the file has none of the rows that were picked.
        """
        found = False
        for file in self._files:
            inner = self.path.is_dir() and file != self.path
            name = file.relative_to(self.path).as_posix() if inner else file.name
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
            raise UsageError(f"{self.path}#{self.rows.start}: there is no such row; the first row is {self.path}#0")

    def count(self) -> int | None:
        """Return about how many samples there are; None where only reading them all would tell."""
        if any(file.suffix.lower() in (".npz", *TABLES) for file in self._files):
            return None
        if any(file.suffix.lower() == ".npy" for file in self._files):
            return sum(len(piece.identities) for piece in self.pieces())
        return len(self._files)

    def read(self, identities: Collection[str]) -> Iterator[Block]:
        """Yield some samples again, by their identities."""
        for piece in self.pieces(identities):
            yield piece.read(_nothing_known)

    def _may_hold(self, name: str, wanted: Collection[str]) -> bool:
        return name in wanted or Path(name).suffix.lower() in (*_ARRAYS, *TABLES)

    def _listed(self) -> list[Path]:
        """Return the files of a folder in natural order; links to folders are not followed."""
        kinds = {slot.kind for slot in self.slots}
        if kinds == {"clip"}:
            clips = clip_places(self.path)
            if not clips:
                raise DataError(
                    f"{self.path}: holds no animated pictures (.gif .png .webp), no folders of frames and no arrays"
                )
            return clips
        taken = {*_ARRAYS}
        if "image" in kinds:
            taken |= {*PICTURES}
        if "points" in kinds:
            taken |= {*CLOUDS, *TABLES}
        if kinds & {"signal", "spectrogram", "volume", "sequence", "array"}:
            taken |= {".wav"}
        if "image" not in kinds:
            taken |= {*TABLES}
        found, passed = [], 0
        for folder, inner, names in os.walk(self.path):
            if "settings.json" in names and {"scores.sqlite", "result.json"} & {*names}:
                inner.clear()  # this program wrote the folder, and its pictures are no samples
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
        elif suffix in TABLES and not self._is_cloud(file):
            yield from self._table(file, name, wanted)
        elif self.rows is not None:
            raise UsageError(f"{file}: has no rows to pick from")
        elif len(self.slots) > 1:
            raise DataError(f"{file}: is one sample of one input; a .npz archive or a table feeds several")
        else:
            frames = self.slots[0].kind == "clip"
            yield Piece((name,), FileReader(file, name, self._folder(name), self.slots[0].name, frames=frames))

    def _is_cloud(self, file: Path) -> bool:
        """Return whether a table is one point cloud, with a point in each row."""
        if [slot.kind for slot in self.slots] != ["points"] or file.suffix.lower() == ".parquet":
            return False
        return len(open_table(file).widths) <= _COORDINATES

    def _folder(self, name: str) -> str:
        return name.rpartition("/")[0]

    def _npy(self, file: Path, name: str, wanted: Collection[str] | None) -> Iterator[Piece]:
        array = map_npy(file)
        if len(self.slots) > 1:
            yield from self._columns_of(array, name, str(file), wanted)
            return
        check_type(array.dtype, self.slots[0], str(file))
        yield from self._rows_of(array, name, str(file), wanted)

    def _columns_of(
        self, array: NDArray[Any], name: str, source: str, wanted: Collection[str] | None
    ) -> Iterator[Piece]:
        """Yield the rows of an array whose columns feed several inputs, in the order of the inputs."""
        parts = split_columns(array, self.slots, source)
        rows = 1 if array.ndim == 1 else len(array)
        self.notes += [] if (note := f"{Path(source).name}: columns taken in their order") in self.notes else [note]
        for places in _chosen(rows, 4096, self.rows, name, wanted):
            identities = tuple(f"{name}#{place}" for place in places)
            reader = RowsReader(parts, places, name, self._folder(name), source, True, missing=self._gaps)
            yield Piece(identities, reader)

    def _rows_of(self, array: NDArray[Any], name: str, source: str, wanted: Collection[str] | None) -> Iterator[Piece]:
        slot = self.slots[0]
        array = slot.without_spare(array)
        folder, missing = self._folder(name), self._gaps
        if not has_rows(array.shape, slot) and self.rows is None:
            yield Piece(
                (name,), RowsReader({slot.name: array[None]}, (0,), name, folder, source, False, missing=missing)
            )
            return
        width = max(1, array[:1].nbytes)
        for places in _chosen(len(array), max(1, _CHUNK // width), self.rows, name, wanted):
            identities = tuple(f"{name}#{place}" for place in places)
            yield Piece(identities, RowsReader({slot.name: array}, places, name, folder, source, True, missing=missing))

    def _npz(self, file: Path, name: str, wanted: Collection[str] | None) -> Iterator[Piece]:
        shapes = npz_shapes(file)
        members = self._members(file, {key: shape for key, (shape, _) in shapes.items()})
        for slot in self.slots:
            member = members[slot.name]
            check_type(shapes[member][1], slot, f"{file}[{member}]")
        missing = self._gaps
        single = all(not has_rows(shapes[members[slot.name]][0], slot) for slot in self.slots) and self.rows is None
        labels = self.label if self.label in shapes else None
        counts = {shapes[member][0][0] if shapes[member][0] else 1 for member in members.values()}
        if single:
            arrays = {
                slot.name: slot.without_spare(next(stream_npz(file, members[slot.name], 1 << 62)))
                for slot in self.slots
            }
            stacked = {key: array[None] for key, array in arrays.items()}
            folder = self._folder(name)
            yield Piece((name,), RowsReader(stacked, (0,), name, folder, str(file), False, missing=missing))
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
                reader = RowsReader(arrays, tuple(places), name, folder, str(file), True, start, texts, missing)
                yield Piece(identities, reader)
            start += len(first)

    def _members(self, file: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, str]:
        """Return the array of an archive for each input: by name, else by order."""
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
            self.columns = tuple(table.names[column] for part in matched for column in part)
        label = None if self.label is None else table.column(self.label)
        own = dict(zip(self.slots, matched, strict=True))
        columns = tuple(column for slot, part in own.items() for column in part if not slot.text)
        texts = tuple(column for slot, part in own.items() for column in part if slot.text)
        width = 8 * sum(table.width(column) for column in columns) + 64 * len(texts)
        gaps = frozenset(column for slot, part in own.items() for column in part if slot.missing)
        size = max(1, min(_CHUNK // max(1, width), 4096))
        for chunk in table.chunks(size, columns, label, texts, gaps):
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
            parts: dict[str, NDArray[Any]] = {}
            number = text = 0
            for slot, part in own.items():
                if slot.text:
                    parts[slot.name] = chunk.texts[kept, text : text + len(part)]
                    text += len(part)
                else:
                    count = sum(table.width(column) for column in part)
                    parts[slot.name] = chunk.values[kept, number : number + count]
                    number += count
            yield Piece(identities, TableReader(identities, labels, parts, problems, str(file)))

    @property
    def _gaps(self) -> frozenset[str]:
        """The inputs that take NaN for a missing value."""
        return frozenset(slot.name for slot in self.slots if slot.missing)

    def _picked(self, place: int) -> bool:
        return self.rows is None or self.rows.start <= place < self.rows.stop


def natural_key(name: str) -> tuple[Any, ...]:
    """Return a key that sorts names as people do: a2 comes before a10.

    Examples
    --------
    >>> sorted(["a10.png", "a2.png", "A1.png"], key=natural_key)
    ['A1.png', 'a2.png', 'a10.png']
    """
    parts = re.split(r"(\d+)", name.casefold())
    return (*((int(part), "") if part.isdecimal() else (-1, part) for part in parts), name)


def has_rows(shape: tuple[int, ...], slot: Slot) -> bool:
    """Return whether an array's first axis counts samples of an input; if not, the array is one sample.

    Examples
    --------
    >>> [has_rows(shape, Slot("x", (3, 8, 8), "image")) for shape in [(3, 8, 8), (8, 3, 8, 8), (20, 20, 3), (5, 20, 20, 3)]]
    [False, True, False, True]
    """
    if fits(shape, slot.shape):
        return False
    if slot.is_own(shape):
        return False
    if len(shape) > 1 and fits(shape[1:], slot.shape):
        return True
    if slot.kind == "image":
        # One picture is (height, width) or (height, width, channel). Any other array holds several pictures.
        return not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 2, 3, 4)))
    if slot.size is not None and int(np.prod(shape)) == slot.size:
        return False
    if slot.size is not None and len(shape) > 1 and int(np.prod(shape[1:])) == slot.size:
        return True
    return len(shape) > len(slot.shape)


def fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    """Return whether a shape is the wanted shape, in which None stands for any size."""
    return len(shape) == len(wanted) and all(b is None or a == b for a, b in zip(shape, wanted, strict=True))


def _nothing_known(identity: str, stamp: str) -> bool:
    return False


def check_type(dtype: np.dtype[Any], slot: Slot, source: str) -> None:
    """Raise a `DataError` unless a type holds what an input takes: real numbers, or texts.

    Raises
    ------
    DataError
        If it holds anything else.
    """
    if not slot.text:
        check_numbers(dtype, source)
    elif dtype.kind not in "USO":
        raise DataError(f"{source}: holds values of the type {dtype}; {slot.name} takes texts")


def split_columns(array: NDArray[Any], slots: Sequence[Slot], source: str) -> dict[str, NDArray[Any]]:
    """Return the part of each input of an array with a row for each sample, or of one row; in the order of the inputs.

    Raises
    ------
    DataError
        If an input takes texts and the array holds numbers, or the number of columns is another.
    """
    rows = array[None] if array.ndim == 1 else array.reshape(len(array), -1)
    sizes = [slot.size for slot in slots]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes) or rows.shape[1] != sum(known):
        takers = ", ".join(f"{slot.name} {'?' if slot.size is None else slot.size}" for slot in slots)
        raise DataError(
            f"{source}: has {rows.shape[1]} columns, and the inputs take {takers}; a .npz archive or a table "
            "feeds several"
        )
    parts, first = {}, 0
    for slot, size in zip(slots, known, strict=True):
        part = rows[:, first : first + size]
        if part.dtype.kind == "O" and not slot.text:
            try:
                part = part.astype(np.float64)
            except (TypeError, ValueError):
                raise DataError(f"{source}: the column of {slot.name} holds values that are no numbers") from None
        check_type(part.dtype, slot, f"{source}: the column of {slot.name}")
        parts[slot.name] = as_texts(part) if slot.text else part
        first += size
    return parts


def check_numbers(dtype: np.dtype[Any], source: str) -> None:
    """Raise a `DataError` unless a type holds real numbers."""
    if dtype.kind not in "biuf":
        raise DataError(f"{source}: holds values of the type {dtype}; real numbers are needed, float32 for instance")


def _chosen(
    count: int, rows: int, picked: slice | None, name: str, wanted: Collection[str] | None
) -> Iterator[tuple[int, ...]]:
    """Yield the numbers of rows that are read together, as a tuple for each piece."""
    if picked is not None and picked.start >= count:
        raise UsageError(f"{name}#{picked.start}: there are {count} rows, 0 to {count - 1}")
    first, last = (0, count) if picked is None else (picked.start, min(picked.stop, count))
    for start in range(first, last, rows):
        places = range(start, min(start + rows, last))
        chosen = tuple(places) if wanted is None else tuple(row for row in places if f"{name}#{row}" in wanted)
        if chosen:
            yield chosen
