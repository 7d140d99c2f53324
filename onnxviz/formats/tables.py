"""Tables of numbers in .csv and .tsv files, with or without a line of names."""

from __future__ import annotations

import csv
import math
import os
from array import array
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError
from onnxviz.wording import quoted


def read_table(path: str | os.PathLike[str]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return the numbers of a table, and the names of its columns.

    The first line is a header when none of its cells is a number. Columns are separated by tabs in a .tsv, else by
    semicolons if the first line has one, else by commas. Empty lines are skipped.

    Parameters
    ----------
    path : path
        The file, UTF-8 text.

    Returns
    -------
    values : (row, column) float64
        The numbers, all finite.
    names : tuple of str
        The names of the columns; empty where the file has no header.

    Raises
    ------
    DataError
        If a line is longer or shorter than the first line, if a cell is empty or no finite number, or if there is no row of
        numbers. The message names the line and the column.
    """
    values, names, _ = _read(path, lenient=False)
    return values, names


def read_numeric_columns(
    path: str | os.PathLike[str], missing: bool = False
) -> tuple[NDArray[np.float64], tuple[str, ...], tuple[str, ...]]:
    """Return a table's columns of numbers, without its columns of text such as labels, identifiers and dates.

    A column is text if its cell in the first row below the header is text. Without a header all columns must be numbers.

    Parameters
    ----------
    path : path
        As in `read_table`.
    missing : bool
        Whether an empty cell is a missing value, NaN.

    Returns
    -------
    values : (row, column) float64
        The numbers of the remaining columns.
    names : tuple of str
        The names of the remaining columns; empty where the file has no header.
    left_out : tuple of str
        The names of the columns of text.

    Raises
    ------
    DataError
        As in `read_table`, for the remaining columns; or if no column remains.
    """
    return _read(path, lenient=True, missing=missing)


def _read(
    path: str | os.PathLike[str], lenient: bool, missing: bool = False
) -> tuple[NDArray[np.float64], tuple[str, ...], tuple[str, ...]]:
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            return _read_rows(csv.reader(file, delimiter=separator(path, first), strict=True), path, lenient, missing)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no UTF-8 text (byte {error.start}); save the table as CSV in UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def separator(path: str | os.PathLike[str], first: str) -> str:
    """Return the character that separates the columns of a table, from the file's name and its first line."""
    if Path(path).suffix.lower() == ".tsv":
        return "\t"
    # A semicolon is tried first. Where it separates columns, a comma is a decimal sign, and a message explains that.
    return next((sign for sign in ";,\t" if sign in first), ",")


def _read_rows(
    reader: Iterator[list[str]], path: str | os.PathLike[str], lenient: bool, missing: bool
) -> tuple[NDArray[np.float64], tuple[str, ...], tuple[str, ...]]:
    values = array("d")
    names: tuple[str, ...] = ()
    kept: list[int] | None = None
    width = 0
    first = 0
    for line, row in lines(reader, path):
        if not width:
            width, first = len(row), line
            if all(number_of(cell) is None for cell in row):
                names = tuple(cell.strip() or f"column {column}" for column, cell in enumerate(row, 1))
                continue
        if len(row) != width:
            raise DataError(f"{path}, line {line}: has {len(row)} columns where line {first} has {width}")
        if kept is None:
            kept = [column for column in range(width) if not (lenient and names and _is_text(row[column]))]
        values.extend(numbers(row, names, f"{path}, line {line}", kept, missing))
    if not values or kept is None:
        raise DataError(f"{path}: has no row of numbers" + (" below its header" if names else ""))
    left_out = tuple(name for column, name in enumerate(names) if column not in set(kept))
    names = tuple(names[column] for column in kept) if names else ()
    return np.frombuffer(values, dtype=np.float64).reshape(-1, len(kept)), names, left_out


def _is_text(cell: str) -> bool:
    """Return whether a cell is a word: no number, not empty, and no number with a decimal comma."""
    return bool(cell.strip()) and number_of(cell) is None and number_of(cell.replace(",", ".", 1)) is None


def lines(reader: Iterator[list[str]], path: str | os.PathLike[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, each with the number of its line.

    Raises
    ------
    DataError
        If a line is no valid CSV.
    """
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f"{path}, line {_line_number(reader)}: is no valid CSV: {error}") from error
        if any(cell.strip() for cell in row):
            yield _line_number(reader), row


def _line_number(reader: Iterator[list[str]]) -> int:
    # The type of csv's readers, which has this attribute, has no public name in Python 3.10.
    return int(getattr(reader, "line_num", 0))


def numbers(
    row: list[str],
    names: tuple[str, ...],
    place: str,
    kept: Sequence[int] | None = None,
    missing: bool | Collection[int] = False,
) -> list[float]:
    """Return the cells of a row as finite numbers; an empty cell as NaN where missing values are allowed.

    A truth value counts as 1 or 0.

    Parameters
    ----------
    row : list of str
        The cells.
    names : tuple of str
        The names of the columns; () where they have none.
    place : str
        The file and the line of the row, for messages.
    kept : sequence of int, optional
        The columns to read. Default: all columns.
    missing : bool or collection of int
        Whether a cell may be empty, or NaN; or the columns where it may.

    Raises
    ------
    DataError
        If a cell is no finite number. The message names the place and the column.
    """
    found = []
    for column in range(len(row)) if kept is None else kept:
        cell = row[column]
        gap = missing if isinstance(missing, bool) else column in missing
        number = math.nan if gap and not cell.strip() else number_of(cell)
        number = truth_of(cell) if number is None else number
        if number is None or (number - number != 0.0 and not (gap and math.isnan(number))):
            name = f" ({quoted(names[column])})" if names else ""
            raise DataError(f"{place}, column {column + 1}{name}: {_complaint(cell, number, names)}")
        found.append(number)
    return found


def number_of(cell: str) -> float | None:
    """Return the number in a cell; None where the cell holds no number."""
    # float() reads 2020_01 as a number, since Python's literals may have underscores. In a table it is a name.
    if "_" in cell:
        return None
    try:
        return float(cell)
    except ValueError:
        return None


def truth_of(cell: str) -> float | None:
    """Return 1 or 0 for a truth value as pandas, databases and spreadsheets write it; None where the cell holds none.

    >>> truth_of("True"), truth_of("FALSE"), truth_of("yes")
    (1.0, 0.0, None)
    """
    return {"true": 1.0, "false": 0.0}.get(cell.strip().lower())


def _complaint(cell: str, number: float | None, names: tuple[str, ...]) -> str:
    if number is not None:
        return f"{quoted(cell)} is not finite; fill it in or leave the row out"
    if not cell.strip():
        return "is empty; every cell must hold a number"
    if number_of(cell.replace(",", ".", 1)) is not None:
        return f"{quoted(cell)} has a decimal comma; write a point"
    hint = "" if names else " (a first line of names must have no number in it)"
    return f"{quoted(cell)} is no number; remove the column or encode it as numbers{hint}"
