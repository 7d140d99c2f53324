"""What a person knows of a vector's features: names, bounds, real data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onnxviz.errors import DataError, UsageError


@dataclass(frozen=True)
class Features:
    """Of each feature, as far as it is known.

    Attributes
    ----------
    names : tuple of str
        Empty where unknown.
    low, high, mean, scale : (feature,) ndarray or None
        In the model's own units.
    """

    names: tuple[str, ...] = ()
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    mean: np.ndarray | None = None
    scale: np.ndarray | None = None


def read_features(
    count: int, known: tuple[str, ...], bounds: str | None, names: Path | None, data: Path | None
) -> Features:
    """Read --bounds, --names and --data.

    Parameters
    ----------
    count : int
        How many features the input has.
    known : tuple of str
        The names that the model's metadata gives.
    bounds : str or None
        "LO,HI" for all features, or a table of two columns with a row for each.
    names : Path or None
        A file with a name in each line, or as JSON.
    data : Path or None
        A table or array of real samples: its columns' range, mean and standard deviation count. Columns are matched by name
        where names are known and the table has more columns than the model features.

    Raises
    ------
    UsageError
        If --bounds is neither, or its file does not exist.
    DataError
        If a file cannot be read or has another number of features.
    """
    labels = known if len(known) == count else ()
    if names is not None:
        labels = _read_names(names, count)
    low = high = mean = scale = None
    if data is not None:
        table, columns = read_rows(data, labels, count)
        if len(table) < 2:
            raise DataError(f"--data {data}: it has one row; ranges and deviations want two or more")
        if not labels and len(columns) == count:
            labels = columns
        low, high = table.min(0), table.max(0)
        mean, scale = table.mean(0), table.std(0)
    if bounds is not None:
        low, high = _read_bounds(bounds, count)
    return Features(labels, low, high, mean, scale)


def read_rows(path: Path, labels: tuple[str, ...], count: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read samples of a vector, a row for each.

    Parameters
    ----------
    path : Path
        A table or an array.
    labels : tuple of str
        The features' names; a table with more columns is searched for them.
    count : int
        How many features there are.

    Returns
    -------
    table : (sample, feature) float64 ndarray
    columns : tuple of str
        The names of all columns of the file; empty where it has none.

    Raises
    ------
    DataError
        If it cannot be read or has another number of features.
    """
    table, columns = _read_table(path)
    return _match(table, columns, labels, count, path), columns


def _read_names(path: Path, count: int) -> tuple[str, ...]:
    from onnxviz.model.labels import parse_names

    if not path.exists():
        raise UsageError(f"--names {path}: no such file")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"--names {path}: cannot be read as text ({error})") from None
    found = parse_names(text) or tuple(line.strip() for line in text.splitlines() if line.strip())
    if len(found) != count:
        raise DataError(f"--names {path}: it has {len(found)} names, the input {count} features")
    return found


def _read_table(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    from onnxviz.formats.samples import read_sample

    sample = read_sample(path)
    array = np.asarray(sample.array, np.float64)
    if array.ndim < 2:
        raise DataError(f"--data {path}: it has {array.ndim} axes; rows of samples are wanted")
    return array.reshape(len(array), -1), sample.names


def _match(table: np.ndarray, columns: tuple[str, ...], labels: tuple[str, ...], count: int, path: Path) -> np.ndarray:
    if table.shape[1] == count:
        return table
    if labels and set(labels) <= set(columns):
        return table[:, [columns.index(label) for label in labels]]
    if table.shape[1] == count + 1 and columns:
        raise DataError(
            f"--data {path}: it has {count + 1} columns, the input {count} features; leave the label's column out, or give --names"
        )
    raise DataError(f"--data {path}: it has {table.shape[1]} columns, the input {count} features")


def _read_bounds(text: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    parts = text.split(",")
    try:
        pair = [float(part) for part in parts]
    except ValueError:
        pair = []
    if len(pair) == 2:
        if not pair[0] < pair[1]:
            raise UsageError(f"--bounds {text}: the smaller number comes first")
        return np.full(count, pair[0]), np.full(count, pair[1])
    path = Path(text)
    if not path.exists():
        raise UsageError(f"--bounds {text}: neither two numbers (LO,HI) nor a file that exists")
    table, _ = _read_table(path)
    if table.shape != (count, 2):
        raise DataError(
            f"--bounds {text}: it is {table.shape[0]}x{table.shape[1]}; a row for each of the {count} features, low and high, is wanted"
        )
    if not (table[:, 0] <= table[:, 1]).all():
        row = int(np.argmax(table[:, 0] > table[:, 1]))
        raise DataError(f"--bounds {text}: in row {row + 1} the low end lies above the high end")
    return table[:, 0], table[:, 1]
