"""Rows of a table, some at a time: .csv and .tsv text, and Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError, UsageError
from onnxviz.formats.tables import lines, number_of, numbers, separator
from onnxviz.wording import quoted

TABLES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True, slots=True, eq=False)
class TableRows:
    """A table's columns, and its rows as they are asked for.

    Attributes
    ----------
    path : Path
        The file.
    names : tuple of str
        One per column; empty where the file names none.
    widths : tuple of int
        How many numbers a cell of each column has: 1, or the length of a list; 0 where it holds text.
    """

    path: Path
    names: tuple[str, ...]
    widths: tuple[int, ...]

    def column(self, name: str) -> int:
        """Return a column's place.

        Raises
        ------
        UsageError
            There is none of that name.
        """
        if name not in self.names:
            listed = ", ".join(self.names[:12]) + (", …" if len(self.names) > 12 else "")
            raise UsageError(f"{name}: {self.path} has no column of that name; it has {listed or 'no names'}")
        return self.names.index(name)

    def chunks(self, rows: int, columns: tuple[int, ...], label: int | None) -> Iterator[Chunk]:
        """Read the table from its beginning.

        Parameters
        ----------
        rows : int
            How many are in memory at a time.
        columns : tuple of int
            Those whose numbers are wanted.
        label : int or None
            A column that is read as text.

        Yields
        ------
        Chunk

        Raises
        ------
        DataError
            The file cannot be read. A row that is damaged is told of in its chunk.
        """
        if self.path.suffix.lower() == ".parquet":
            return self._parquet(rows, columns, label)
        return self._text(rows, columns, label)

    def _text(self, rows: int, columns: tuple[int, ...], label: int | None) -> Iterator[Chunk]:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            found = lines(csv.reader(file, delimiter=separator(self.path, first), strict=True), self.path)
            if self.names:
                next(found)
            start = 0
            try:
                while block := list(islice(found, rows)):
                    yield self._parsed(start, block, columns, label)
                    start += len(block)
            except UnicodeDecodeError as error:
                raise DataError(f"{self.path}: is no UTF-8 text (byte {error.start}); save it as UTF-8") from error

    def _parsed(
        self, start: int, block: list[tuple[int, list[str]]], columns: tuple[int, ...], label: int | None
    ) -> Chunk:
        names = tuple(self.names[column] for column in columns) if self.names else ()
        places, values, labels, problems = [], [], [], []
        for number, (line, row) in enumerate(block, start):
            try:
                if len(row) != len(self.widths):
                    raise DataError(f"{self.path}, line {line}: has {len(row)} columns, not {len(self.widths)}")
                values.append(numbers([row[column] for column in columns], names, f"{self.path}, line {line}"))
            except DataError as error:
                problems.append((number, str(error)))
                continue
            places.append(number)
            labels.append("" if label is None else row[label].strip())
        array = np.asarray(values, np.float64).reshape(len(places), len(columns))
        return Chunk(tuple(places), array, tuple(labels), tuple(problems))

    def _parquet(self, rows: int, columns: tuple[int, ...], label: int | None) -> Iterator[Chunk]:
        wanted = [self.names[column] for column in columns]
        read = list(dict.fromkeys([*wanted, *([self.names[label]] if label is not None else [])]))
        start = 0
        with _parquet_file(self.path) as file:
            for batch in file.iter_batches(batch_size=rows, columns=read):
                count = batch.num_rows
                parts = [self._numbers(batch.column(name), self.widths[self.names.index(name)]) for name in wanted]
                array = np.concatenate(parts, axis=1) if parts else np.empty((count, 0))
                finite = np.isfinite(array).all(axis=1)
                texts = [""] * count
                if label is not None:
                    texts = [str(value) for value in batch.column(self.names[label]).to_pylist()]
                problems = tuple(
                    (start + int(row), f"{self.path}, row {start + int(row)}: has a cell that is empty or not finite")
                    for row in np.flatnonzero(~finite)
                )
                kept = np.flatnonzero(finite)
                labels = tuple(texts[row] for row in kept)
                yield Chunk(tuple(int(row) + start for row in kept), array[finite], labels, problems)
                start += count

    def _numbers(self, column: Any, width: int) -> NDArray[np.float64]:
        if width == 1:
            values = column.to_numpy(zero_copy_only=False)
            return np.asarray(values, np.float64).reshape(-1, 1)
        rows = [np.nan if row is None or len(row) != width else row for row in column.to_pylist()]
        return np.stack([np.full(width, row, np.float64) for row in rows]) if rows else np.empty((0, width))


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some rows of a table.

    Attributes
    ----------
    places : tuple of int
        The rows' numbers in the table, from 0, those that cannot be read left out.
    values : (row, number) float64
        The columns asked for, one after another; all of them finite.
    labels : tuple of str
        The text of the label's column.
    problems : tuple of (int, str)
        Number and sentence for each row that cannot be read.
    """

    places: tuple[int, ...]
    values: NDArray[np.float64]
    labels: tuple[str, ...]
    problems: tuple[tuple[int, str], ...]


def open_table(path: str | os.PathLike[str]) -> TableRows:
    """Open a table: names and kinds of its columns, from its first rows.

    Parameters
    ----------
    path : path
        UTF-8 text as `onnxviz.formats.tables.read_table` takes it, or Parquet. Columns of text are allowed.

    Raises
    ------
    DataError
        The file cannot be read, has no row, or is Parquet and pyarrow is missing.
    """
    path = Path(path)
    if path.suffix.lower() == ".parquet":
        return _open_parquet(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            rows = list(islice(lines(csv.reader(file, delimiter=separator(path, first), strict=True), path), 2))
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
    # An empty cell may be a number that is missing.
    widths = tuple(int(number_of(cell) is not None or not cell.strip()) for cell in cells[-1])
    if names and len(names) != len(widths):
        raise DataError(f"{path}: its header has {len(names)} columns, its first row {len(widths)}")
    return TableRows(path, names, widths)


def _parquet_file(path: Path) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            f"{path}: reading Parquet needs pyarrow: pip install 'onnxviz[parquet]', or save the table as .csv or .npy"
        ) from None
    try:
        return parquet.ParquetFile(path)
    except Exception as error:  # pyarrow has a tree of errors of its own
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
