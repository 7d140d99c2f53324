"""Rows of a table, read some at a time: from .csv and .tsv text, and from Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError, UsageError
from onnxviz.formats.tables import lines, number_of, numbers, separator, truth_of
from onnxviz.wording import quoted

TABLES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True, slots=True, eq=False)
class TableRows:
    """A table whose rows are read only when they are asked for.

    Attributes
    ----------
    path : Path
        The file.
    names : tuple of str
        The names of the columns; empty where the file has no names.
    widths : tuple of int
        How many numbers a cell of each column has: 1, or the length of a list; 0 where the cell holds text.
    truths : frozenset of int
        The columns of text that hold truth values, True or False. They may be read as 1 and 0.
    """

    path: Path
    names: tuple[str, ...]
    widths: tuple[int, ...]
    truths: frozenset[int] = frozenset()

    def width(self, column: int) -> int:
        """Return how many numbers a cell of a column can be read as; 0 where it can only be read as text."""
        return 1 if column in self.truths else self.widths[column]

    def column(self, name: str) -> int:
        """Return the number of the column of a name.

        Raises
        ------
        UsageError
            If there is no column of that name.
        """
        if name not in self.names:
            listed = ", ".join(self.names[:12]) + (", …" if len(self.names) > 12 else "")
            raise UsageError(f"{name}: {self.path} has no column of that name; it has {listed or 'no names'}")
        return self.names.index(name)

    def chunks(
        self,
        rows: int,
        columns: tuple[int, ...],
        label: int | None,
        texts: tuple[int, ...] = (),
        missing: Collection[int] = (),
    ) -> Iterator[Chunk]:
        """Yield the rows of the table in chunks, from the first row.

        Parameters
        ----------
        rows : int
            How many rows are in memory at a time.
        columns : tuple of int
            The columns whose numbers are wanted.
        label : int or None
            A column that is read as text, the label of a row.
        texts : tuple of int
            The columns whose texts are wanted. In them an empty cell is the empty text.
        missing : collection of int
            The columns whose cells may be empty, or NaN.

        Yields
        ------
        Chunk
            The next rows.

        Raises
        ------
        DataError
            If the file cannot be read. A damaged row raises nothing; its chunk holds the problem.
        """
        if self.path.suffix.lower() == ".parquet":
            return self._parquet(rows, columns, label, texts, missing)
        return self._text(rows, columns, label, texts, missing)

    def _text(
        self, rows: int, columns: tuple[int, ...], label: int | None, texts: tuple[int, ...], missing: Collection[int]
    ) -> Iterator[Chunk]:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            found = lines(csv.reader(file, delimiter=separator(self.path, first), strict=True), self.path)
            if self.names:
                next(found)
            start = 0
            try:
                while block := list(islice(found, rows)):
                    yield self._parsed(start, block, columns, label, texts, missing)
                    start += len(block)
            except UnicodeDecodeError as error:
                raise DataError(f"{self.path}: is no UTF-8 text (byte {error.start}); save it as UTF-8") from error

    def _parsed(
        self,
        start: int,
        block: list[tuple[int, list[str]]],
        columns: tuple[int, ...],
        label: int | None,
        texts: tuple[int, ...],
        missing: Collection[int],
    ) -> Chunk:
        places, values, labels, problems, words = [], [], [], [], []
        for number, (line, row) in enumerate(block, start):
            try:
                if len(row) != len(self.widths):
                    raise DataError(f"{self.path}, line {line}: has {len(row)} columns, not {len(self.widths)}")
                values.append(numbers(row, self.names, f"{self.path}, line {line}", columns, missing))
            except DataError as error:
                problems.append((number, str(error)))
                continue
            places.append(number)
            labels.append("" if label is None else row[label].strip())
            words.append([row[column].strip() for column in texts])
        array = np.asarray(values, np.float64).reshape(len(places), len(columns))
        return Chunk(tuple(places), array, tuple(labels), tuple(problems), _text_array(words, len(texts)))

    def _parquet(
        self, rows: int, columns: tuple[int, ...], label: int | None, texts: tuple[int, ...], missing: Collection[int]
    ) -> Iterator[Chunk]:
        wanted = [self.names[column] for column in columns]
        worded = [self.names[column] for column in texts]
        read = list(dict.fromkeys([*wanted, *worded, *([self.names[label]] if label is not None else [])]))
        start = 0
        with _parquet_file(self.path) as file:
            for batch in file.iter_batches(batch_size=rows, columns=read):
                count = batch.num_rows
                parts = [self._numbers(batch.column(name), self.widths[self.names.index(name)]) for name in wanted]
                array = np.concatenate(parts, axis=1) if parts else np.empty((count, 0))
                gaps = [column in missing for column in columns for _ in range(self.width(column))]
                finite = (np.isfinite(array) | (np.isnan(array) & gaps)).all(axis=1)
                classes = [""] * count
                if label is not None:
                    classes = [str(value) for value in batch.column(self.names[label]).to_pylist()]
                cells = [["" if one is None else str(one) for one in batch.column(name).to_pylist()] for name in worded]
                words = _text_array([list(row) for row in zip(*cells, strict=True)], len(worded))
                problems = tuple(
                    (start + int(row), f"{self.path}, row {start + int(row)}: has a cell that is empty or not finite")
                    for row in np.flatnonzero(~finite)
                )
                kept = np.flatnonzero(finite)
                labels = tuple(classes[row] for row in kept)
                own = words[kept] if worded else np.empty((len(kept), 0), object)
                yield Chunk(tuple(int(row) + start for row in kept), array[finite], labels, problems, own)
                start += count

    def _numbers(self, column: Any, width: int) -> NDArray[np.float64]:
        if width == 1:
            values = column.to_numpy(zero_copy_only=False)
            return np.asarray(values, np.float64).reshape(-1, 1)
        rows = [np.nan if row is None or len(row) != width else row for row in column.to_pylist()]
        return np.stack([np.full(width, row, np.float64) for row in rows]) if rows else np.empty((0, width))


def _text_array(rows: list[list[str]], width: int) -> NDArray[np.object_]:
    """Return rows of texts as a (row, width) array of object."""
    array = np.empty((len(rows), width), object)
    for place, row in enumerate(rows):
        array[place] = row
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some rows of a table.

    Attributes
    ----------
    places : tuple of int
        The rows' numbers in the table, from 0. Rows that cannot be read are left out.
    values : (row, number) float64
        The numbers of the wanted columns, column after column; finite, or NaN where missing values are allowed.
    labels : tuple of str
        The text of the label's column.
    problems : tuple of (int, str)
        The number of each row that cannot be read, and a sentence that says why.
    texts : (row, column) ndarray of object
        The texts of the wanted columns of text.
    """

    places: tuple[int, ...]
    values: NDArray[np.float64]
    labels: tuple[str, ...]
    problems: tuple[tuple[int, str], ...]
    texts: NDArray[np.object_]


_LOOKED_AT = 64
"""So many rows are looked at to find a cell of each column that is not empty."""


def open_table(path: str | os.PathLike[str]) -> TableRows:
    """Return a table with the names and kinds of its columns, which are read from its first rows.

    Parameters
    ----------
    path : path
        The file: UTF-8 text as for `onnxviz.formats.tables.read_table`, or Parquet. Columns of text are allowed.

    Raises
    ------
    DataError
        If the file cannot be read or has no row, or if it is a Parquet file and pyarrow is missing.
    """
    path = Path(path)
    if path.suffix.lower() == ".parquet":
        return _open_parquet(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            rows = list(
                islice(lines(csv.reader(file, delimiter=separator(path, first), strict=True), path), 1 + _LOOKED_AT)
            )
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no UTF-8 text (byte {error.start}); save the table as CSV in UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not rows:
        raise DataError(f"{path}: is empty")
    cells = [row for _, row in rows]
    names: tuple[str, ...] = ()
    if all(number_of(cell) is None for cell in cells[0]):
        names = tuple(cell.strip() or f"column {column}" for column, cell in enumerate(cells[0], 1))
        if len(cells) < 2:
            raise DataError(f"{path}: has no row below its header")
    first_row = cells[1] if names else cells[0]
    if names and len(names) != len(first_row):
        raise DataError(f"{path}: its header has {len(names)} columns, its first row {len(first_row)}")
    rows_of_cells = [row for row in cells[bool(names) :] if len(row) == len(first_row)]
    # An empty cell tells nothing of its column; a column with no other cell may hold missing numbers.
    columns = [[cell for cell in column if cell.strip()] for column in zip(*rows_of_cells, strict=True)]
    widths = tuple(int(not column or number_of(column[0]) is not None) for column in columns)
    truths = [
        place for place, column in enumerate(columns) if column and all(truth_of(cell) is not None for cell in column)
    ]
    return TableRows(path, names, widths, frozenset(truths))


def _parquet_file(path: Path) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            f"{path}: reading Parquet needs pyarrow: pip install 'onnxviz[parquet]', or save the table as .csv or .npy"
        ) from None
    try:
        return parquet.ParquetFile(path)
    except Exception as error:  # pyarrow has many kinds of errors of its own
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from error


def _open_parquet(path: Path) -> TableRows:
    with _parquet_file(path) as file:
        from pyarrow import types

        schema = file.schema_arrow
        first = next(file.iter_batches(batch_size=1), None)
        if first is None or not first.num_rows:
            raise DataError(f"{path}: has no row")
        widths = []
        for field in schema:
            kind = field.type
            if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
                widths.append(1)
            elif types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
                cell = first.column(field.name)[0].as_py()
                inner = kind.value_type
                numeric = types.is_integer(inner) or types.is_floating(inner)
                widths.append(len(cell) if numeric and cell is not None else 0)
            else:
                widths.append(0)
        if len(set(schema.names)) != len(schema.names):
            twice = next(name for name in schema.names if schema.names.count(name) > 1)
            raise DataError(f"{path}: has two columns named {quoted(twice)}; rename one")
        return TableRows(path, tuple(schema.names), tuple(widths))
