"""Tables in .parquet files, where pyarrow is installed."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError


def read_parquet(
    path: str | os.PathLike[str], missing: bool = False
) -> tuple[NDArray[np.float64], tuple[str, ...], tuple[str, ...]]:
    """Return a Parquet file's columns of numbers and truth values, and the names of its other columns.

    Parameters
    ----------
    path : path
        The file.
    missing : bool
        Whether an empty cell is a missing value, NaN.

    Returns
    -------
    values : (row, column) float64
    names : tuple of str
        One per column.
    left_out : tuple of str
        The names of the columns that hold no numbers.

    Raises
    ------
    DataError
        If pyarrow is not installed, or if the file cannot be read, has no column of numbers, has no row, or has a cell that is
        empty or not finite.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            f"{path}: pyarrow, which reads .parquet files, is not installed: pip install 'onnxviz[parquet]', "
            "or save the table as .csv"
        ) from None
    try:
        table = pyarrow.parquet.read_table(os.fspath(path))
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from error
    names, left_out, columns = [], [], []
    kinds = pyarrow.types
    for field, column in zip(table.schema, table.columns, strict=True):
        if not (kinds.is_integer(field.type) or kinds.is_floating(field.type) or kinds.is_boolean(field.type)):
            left_out.append(field.name)
            continue
        names.append(field.name)
        values = np.array([np.nan if value is None else float(value) for value in column.to_pylist()])
        if not (np.isfinite(values) | (np.isnan(values) & missing)).all():
            row = int(np.argmin(np.isfinite(values)))
            raise DataError(f"{path}: the column '{field.name}' is missing or not finite in row {row}; fill it in")
        columns.append(values)
    if not columns or not len(table):
        raise DataError(f"{path}: has no column of numbers, or no row")
    return np.stack(columns, axis=1), tuple(names), tuple(left_out)
