"""Texts in files and arrays: .npy and .npz of text, and columns of tables."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError
from onnxviz.formats.array_files import read_npy, read_npz
from onnxviz.formats.tables import lines, separator

TEXT_FILES = (".npy", ".npz", ".csv")
"""The extensions of files that hold texts. Any other text is meant itself."""


def as_texts(values: Any) -> NDArray[np.object_]:
    """Return texts as an array of str objects, of the same shape; bytes are UTF-8.

    Raises
    ------
    DataError
        If a value is no text.

    Examples
    --------
    >>> as_texts(["a", b"b"]).tolist()
    ['a', 'b']
    """
    given = np.asarray(values)
    found = np.empty(given.shape, object)
    for place in np.ndindex(given.shape):
        one = given[place]
        if isinstance(one, bytes):
            one = one.decode("utf-8", "replace")
        if not isinstance(one, str):
            raise DataError(f"{one!r} is no text; an input of texts takes str, such as 'a'")
        found[place] = str(one)
    return found


def read_texts(path: str | os.PathLike[str]) -> NDArray[np.object_]:
    """Return the texts of a file: an array of text (.npy, or .npz with one array), or the cells below a table's header.

    Raises
    ------
    DataError
        If the file cannot be read, or holds no texts.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _cells(path)
    if suffix == ".npz":
        arrays = read_npz(path)
        if len(arrays) != 1:
            raise DataError(f"{path}: holds {len(arrays)} arrays; an archive with one array of text is needed")
        array = next(iter(arrays.values()))
    else:
        array = read_npy(path)
    if array.dtype.kind not in "US" or not array.size:
        raise DataError(f"{path}: holds {array.dtype}, {array.size} values; texts are needed")
    texts = as_texts(array)
    return texts if texts.ndim else texts.reshape(1)


def _cells(path: Path) -> NDArray[np.object_]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            rows = [row for _, row in lines(csv.reader(file, delimiter=separator(path, first), strict=True), path)]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    if len(rows) < 2 or len({len(row) for row in rows}) > 1:
        raise DataError(f"{path}: is no table with a line of names and one or more rows of texts")
    return as_texts([[cell.strip() for cell in row] for row in rows[1:]])
