"""JSON as the standard has it: strict when written, suspicious when read."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError
from onnxviz.wording import quoted


def plain(value: Any) -> Any:
    """Turn a value into what JSON has: dict, list, str, int, float, bool, None.

    NumPy's scalars and arrays become numbers and lists, paths become text, and what is not finite becomes None, since
    strict JSON has no word for it.

    Raises
    ------
    DataError
        The value, or something inside it, is nothing of this kind.

    Examples
    --------
    >>> plain({"score": np.float32(1.5), "shape": (1, 3), "error": float("nan")})
    {'score': 1.5, 'shape': [1, 3], 'error': None}
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    raise DataError(f"{quoted(repr(value))} ({type(value).__name__}) cannot be written as JSON")


def json_text(value: Any, indent: int | None = 2) -> str:
    """Write a value as strict JSON in ASCII, keys in their own order, without a line feed at the end.

    Raises
    ------
    DataError
        As `plain` does.
    """
    return json.dumps(plain(value), indent=indent, allow_nan=False, ensure_ascii=True)


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read one strict JSON document.

    Raises
    ------
    DataError
        The file is no UTF-8 text or no JSON, is nested too deeply, or has NaN or Infinity in it, which JSON does not.
    """

    def refuse(constant: str) -> None:
        raise DataError(f"{path}: {constant} is not finite, and no JSON; write a number")

    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"), parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno}, column {error.colno}: is no valid JSON: {error.msg}") from error
    except RecursionError as error:
        raise DataError(f"{path}: its lists are nested too deeply") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no UTF-8 text (byte {error.start})") from error
    except ValueError as error:  # a number of thousands of digits
        raise DataError(f"{path}: is no valid JSON: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_numbers(path: str | os.PathLike[str]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Read the numbers of a JSON document.

    Parameters
    ----------
    path : path
        A number or nested lists of numbers; or ``{"age": 61, "dose": 2.5}``, one row of named columns; or a list of
        such rows.

    Returns
    -------
    values : float64 array
        In the shape of the lists; (row, column) for named columns.
    names : tuple of str
        One per column, or none.

    Raises
    ------
    DataError
        The document is not valid (see `read_json`), a list is longer or shorter than the ones beside it, rows differ in
        their columns, or something is no finite number. The place is named.
    """
    document = read_json(path)
    rows = [document] if isinstance(document, dict) else document
    if not (isinstance(rows, list) and rows and isinstance(rows[0], dict)):
        shape = _shape(document)
        return np.asarray(_checked(document, shape, str(path)), dtype=np.float64).reshape(shape), ()
    names = tuple(rows[0])
    values = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or set(row) != set(names):
            raise DataError(f"{path}, row {number}: has not the columns of row 0")
        values.append([_checked(row[name], (), f"{path}, row {number}, {quoted(name)}") for name in names])
    return np.asarray(values, dtype=np.float64).reshape(len(rows), len(names)), names


def _shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        return ()
    return (len(value), *_shape(value[0])) if value else (0,)


def _checked(value: Any, shape: tuple[int, ...], place: str) -> Any:
    if shape:
        if not isinstance(value, list) or len(value) != shape[0]:
            met = f"a list of {len(value)}" if isinstance(value, list) else "no list"
            raise DataError(f"{place}: is {met} where the first of its kind is a list of {shape[0]}")
        return [_checked(item, shape[1:], f"{place}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DataError(f"{place}: {quoted(json.dumps(value))} is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise DataError(f"{place}: is not finite as a 64-bit number")
    return number
