"""Point clouds in .ply, .xyz and .pts files: a row of numbers for each point."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError
from onnxviz.formats.atomic_file import atomic_file

CLOUDS = (".ply", ".xyz", ".pts")
"""The extensions of point clouds."""

_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}
_HEADER = 1 << 16
"""The most bytes of a header."""

_FIRST = ("x", "y", "z")
_AFTER = ("nx", "ny", "nz", "intensity", "scalar_intensity", "red", "green", "blue", "r", "g", "b")
"""The properties that follow the place of a point, in this order; all others, such as confidence, are left out."""


def read_points(path: str | os.PathLike[str]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return the points of a file, and the names of their numbers.

    Parameters
    ----------
    path : path
        A PLY file (ASCII or binary), or text with a point in each line (.xyz, .pts).

    Returns
    -------
    points : (point, number) float64
        The place of each point, then its normal, intensity and color, as far as the file has them.
    names : tuple of str
        "x", "y", "z", then "nx", "red" and others.

    Raises
    ------
    DataError
        If the file is no point cloud, is cut off, or has no place of its points.
    """
    place = Path(path)
    try:
        content = place.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if place.suffix.lower() == ".ply":
        return _ply(content, str(path))
    return _lines(content, str(path))


def write_ply(path: Path, points: NDArray[np.floating]) -> None:
    """Write the places of points as a PLY file in text.

    Parameters
    ----------
    path : Path
        The file.
    points : (point, number) ndarray
        The places of the points are the first three numbers.
    """
    rows = np.asarray(points, np.float64)[:, :3]
    head = ("ply", "format ascii 1.0", f"element vertex {len(rows)}", *(f"property float {name}" for name in _FIRST))
    text = "\n".join((*head, "end_header", *(" ".join(f"{one:.9g}" for one in row) for row in rows)))
    with atomic_file(path) as file:
        file.write((text + "\n").encode("ascii"))


def _lines(content: bytes, path: str) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return the points of a text of numbers; a first line that holds their count alone is left out."""
    rows = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines()):
        text = line.partition("#")[0].replace(",", " ").replace(";", " ").split()
        if not text or (number == 0 and len(text) == 1 and text[0].isdecimal()):
            continue
        try:
            rows.append([float(one) for one in text])
        except ValueError:
            raise DataError(f"{path}: line {number + 1} is no row of numbers: {line[:40]!r}") from None
    widths = {len(row) for row in rows}
    if len(widths) != 1 or min(widths) < 3:
        met = f"rows of {' and '.join(map(str, sorted(widths)[:3]))} numbers" if rows else "no rows"
        raise DataError(f"{path}: has {met}; each line of a point cloud holds x y z, and maybe more numbers")
    array = np.asarray(rows, np.float64)
    names = (*_FIRST, *(f"number {place}" for place in range(3, array.shape[1])))
    return array, names


def _ply(content: bytes, path: str) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    end = content[:_HEADER].find(b"end_header")
    start = content.find(b"\n", end) + 1 if end >= 0 else 0
    if not content.startswith(b"ply") or start == 0:
        raise DataError(f"{path}: is no PLY file, or its header is cut off")
    layout, count, properties = _header(content[:end].decode("latin-1").splitlines(), path)
    names = [name for name, _ in properties]
    if not set(_FIRST) <= set(names):
        raise DataError(f"{path}: its points have {', '.join(names) or 'no properties'}, but no x, y and z")
    kept = [*_FIRST, *(name for name in _AFTER if name in names)]
    if layout == "ascii":
        rows = [row.split() for row in content[start:].split(b"\n") if row.strip()][:count]
        if len(rows) < count or any(len(row) < len(names) for row in rows):
            raise DataError(f"{path}: has {len(rows)} of {count} points, or too few numbers in a line; it is cut off")
        try:
            table = np.asarray([[float(one) for one in row[: len(names)]] for row in rows], np.float64)
        except ValueError:
            raise DataError(f"{path}: a line of its points is no row of numbers") from None
        return table[:, [names.index(name) for name in kept]], tuple(kept)
    order = _ORDERS.get(layout)
    if order is None:
        raise DataError(f"{path}: has the unknown format {layout!r}; ascii and binary PLY files are read")
    record = np.dtype([(name, order + kind) for name, kind in properties])
    if len(content) - start < count * record.itemsize:
        raise DataError(f"{path}: is cut off: {(len(content) - start) // record.itemsize} of {count} points")
    records = np.frombuffer(content, record, count, start)
    return np.stack([records[name].astype(np.float64) for name in kept], axis=1), tuple(kept)


def _header(lines: Sequence[str], path: str) -> tuple[str, int, list[tuple[str, str]]]:
    """Return the format, the number of points, and the name and type of each of their properties.

    Points must come first in the file, as they do in practice.
    """
    layout, count, properties = "", 0, list[tuple[str, str]]()
    element = ""
    for line in lines[1:]:
        words = line.split()
        if not words or words[0] in ("comment", "obj_info"):
            continue
        if words[0] == "format" and len(words) > 1:
            layout = words[1]
        elif words[0] == "element" and len(words) == 3:
            if words[1] == "vertex" and element:
                raise DataError(f"{path}: its points follow {element}; a PLY file whose points come first is read")
            if words[1] == "vertex":
                if not words[2].isdecimal() or int(words[2]) == 0:
                    raise DataError(f"{path}: has {words[2]} points")
                count = int(words[2])
            element = words[1]
        elif words[0] == "property" and element == "vertex":
            if len(words) != 3 or words[1] not in _TYPES or words[2] in dict(properties):
                raise DataError(f"{path}: a property of its points is not read: {line.strip()!r}")
            properties.append((words[2], _TYPES[words[1]]))
    if not count:
        raise DataError(f"{path}: has no points (no element vertex)")
    return layout, count, properties
