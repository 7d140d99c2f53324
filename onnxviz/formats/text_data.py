"""A data set of texts: the lines of a file, the text column of a table, or texts in memory, each as token ids."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError, UsageError
from onnxviz.formats.column_matching import Slot
from onnxviz.formats.data_blocks import Piece, ProblemReader, TextReader
from onnxviz.formats.data_set import DataSet, natural_key
from onnxviz.formats.letters import FASTA, read_sequences
from onnxviz.formats.sample_address import SampleAddress
from onnxviz.formats.table_rows import TABLES, TableRows, open_table

NAME = "text"
"""The identity of a text in memory, such as ``text`` or ``text#1``."""

_AT_ONCE = 256
_COLUMNS = (
    "text",
    "sentence",
    "review",
    "content",
    "document",
    "comment",
    "question",
    "utterance",
    "message",
    "body",
    "title",
    "sequence",
    "seq",
)
"""Names of a column of text, the surest first."""

Encode = Callable[[str], Mapping[str, NDArray[Any]]]
"""A function from a text to the value of each input, without the batch."""


class TextData(DataSet):
    """Texts as samples of a model of tokens.

    Parameters
    ----------
    source : path or sequence of str
        A .txt file with a text in each line, a FASTA file of sequences, a table with a column of text, a folder of .txt or FASTA
        files; or the texts themselves.
    slots : sequence of Slot
        The inputs that a text feeds.
    encode : callable
        Turns a text into the values of these inputs.
    label : str, optional
        The column of a table that names the samples' classes.
    column : str, optional
        The column of a table that holds the texts.

    Raises
    ------
    UsageError
        If there is no such file or column.
    DataError
        If the file holds no text.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Sequence[str],
        slots: Sequence[Slot],
        encode: Encode,
        label: str | None = None,
        column: str | None = None,
    ) -> None:
        self.slots, self.label, self._encode, self._column = tuple(slots), label, encode, column
        self.member = None
        self.notes: list[str] = []
        self.columns: tuple[str, ...] = ()
        self._texts: tuple[str, ...] | None = None
        self.rows = None
        if not isinstance(source, str | os.PathLike):
            self._texts = tuple(source)
            return
        address = SampleAddress.parse(source)
        self.path, self.rows = address.path, address.rows
        if not address.exists:
            raise UsageError(f"{self.path}: no such file")
        self._files = [self.path]
        if self.path.is_dir():
            if self.rows is not None:
                raise UsageError(f"{source}: rows are picked from one file, not from a folder")
            self._files = text_files(self.path)
            if not self._files:
                raise DataError(f"{self.path}: holds no .txt or FASTA file")

    def pieces(self, wanted: Collection[str] | None = None) -> Iterator[Piece]:
        """Yield the texts, or only those that are wanted, as pieces of equal length.

        Raises
        ------
        DataError
            If a single file cannot be read.
        UsageError
            If the file has none of the rows that were picked.
        """
        if self._texts is not None:
            many = len(self._texts) > 1
            rows = ((place, text, "") for place, text in enumerate(self._texts))
            yield from self._encoded(rows, NAME, many, NAME, wanted)
            return
        found = False
        for file in self._files:
            name = file.relative_to(self.path).as_posix() if self.path.is_dir() else file.name
            try:
                for piece in self._encoded(self._read(file, name), name, True, str(file), wanted):
                    found = True
                    yield piece
            except DataError as error:
                if not self.path.is_dir():
                    raise
                yield Piece((name,), ProblemReader(name, str(error)))
        if not found and wanted is None:
            if self.rows is not None:
                raise UsageError(f"{self.path}#{self.rows.start}: there is no such row; the first row is {self.path}#0")
            raise DataError(f"{self.path}: holds no text")

    def count(self) -> int | None:
        """Return how many texts there are; None where only reading them all would tell."""
        return None if self._texts is None else len(self._texts)

    def _read(self, file: Path, name: str) -> Iterator[tuple[int, str, str]]:
        """Yield the number, the text and the label of each row of a file."""
        if file.suffix.lower() in TABLES:
            yield from self._cells(file)
            return
        folder = name.rpartition("/")[0]
        for place, (_, text) in enumerate(read_sequences(file)):
            yield place, text, folder

    def _cells(self, file: Path) -> Iterator[tuple[int, str, str]]:
        table = open_table(file)
        column = text_column(table, self._column, self.label)
        shown = table.names[column] if table.names else f"column {column + 1}"
        note = f"{file.name}: the texts are in {shown}"
        if note not in self.notes:
            self.notes.append(note)
        label = None if self.label is None else table.column(self.label)
        texts = table.chunks(_AT_ONCE, (), column)
        labels = table.chunks(_AT_ONCE, (), label)
        for own, other in zip(texts, labels, strict=True):
            yield from zip(own.places, own.labels, other.labels, strict=True)

    def _encoded(
        self, rows: Iterable[tuple[int, str, str]], name: str, many: bool, source: str, wanted: Collection[str] | None
    ) -> Iterator[Piece]:
        waiting: list[tuple[int, str, str, Mapping[str, NDArray[Any]]]] = []

        def shapes(arrays: Mapping[str, NDArray[Any]]) -> list[tuple[int, ...]]:
            return [array.shape for array in arrays.values()]

        for place, text, label in rows:
            identity = f"{name}#{place}" if many else name
            if not self._picked(place) or (wanted is not None and identity not in wanted):
                continue
            try:
                arrays = self._encode(text)
            except DataError as error:
                if not many:
                    raise
                yield Piece((identity,), ProblemReader(identity, f"{identity}: {error}"))
                continue
            if waiting and (len(waiting) == _AT_ONCE or shapes(waiting[0][3]) != shapes(arrays)):
                yield _piece(waiting, name, many, source)
                waiting = []
            waiting.append((place, text, label, arrays))
        if waiting:
            yield _piece(waiting, name, many, source)


def _piece(
    rows: Sequence[tuple[int, str, str, Mapping[str, NDArray[Any]]]], name: str, many: bool, source: str
) -> Piece:
    arrays = {key: np.stack([row[3][key] for row in rows]) for key in rows[0][3]}
    identities = tuple(f"{name}#{place}" if many else name for place, *_ in rows)
    labels, texts = tuple(row[2] for row in rows), tuple(row[1] for row in rows)
    return Piece(identities, TextReader(identities, labels, texts, arrays, source))


def text_files(folder: Path) -> list[Path]:
    """Return the .txt and FASTA files of a folder and its subfolders, in natural order."""
    found = [file for file in folder.rglob("*.*") if file.suffix.lower() in (".txt", *FASTA) and file.is_file()]
    return sorted(found, key=lambda file: natural_key(file.relative_to(folder).as_posix()))


def text_column(table: TableRows, column: str | None = None, label: str | None = None) -> int:
    """Return the column of a table that holds texts: the named one, one with a name such as "text", or the only one.

    Raises
    ------
    UsageError
        If there is no column of that name, or several columns hold text.
    DataError
        If no column holds text.
    """
    if column is not None:
        return table.column(column)
    left_out = None if label is None else table.column(label)
    found = [place for place, width in enumerate(table.widths) if not width and place != left_out]
    lowered = [name.lower() for name in table.names]
    for name in _COLUMNS:
        if name in lowered and lowered.index(name) in found:
            return lowered.index(name)
    if not found:
        raise DataError(f"{table.path}: has no column of text")
    if len(found) > 1:
        names = ", ".join(table.names[place] for place in found)
        raise UsageError(f"{table.path}: the columns {names} hold text; name one with `text_column`")
    return found[0]
