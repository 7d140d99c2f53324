"""NumPy's .npy and .npz files: checked when they are read, and written so that equal arrays give equal bytes."""

from __future__ import annotations

import math
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError
from onnxviz.formats.atomic_file import atomic_file

# The largest size of an unpacked array, since a small archive can unpack to any size. A .npy file needs no such limit.
LARGEST_MEMBER = 8 * 2**30

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npy(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Return the array of a .npy file.

    Parameters
    ----------
    path : path
        The file. Pickled objects in it are never opened.

    Returns
    -------
    ndarray
        The array, in the machine's byte order.

    Raises
    ------
    DataError
        If the file is no .npy file, is shorter than its header says, or holds Python objects, records or dates.
    """
    try:
        with Path(path).open("rb") as file:
            return _read_array(file, Path(path).stat().st_size, str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def map_npy(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Return the array of a .npy file as a memory map, whose values are read from the disk only when they are used.

    Parameters
    ----------
    path : path
        The file. Pickled objects in it are never opened.

    Returns
    -------
    memmap
        The array, read-only and in the file's own byte order.

    Raises
    ------
    DataError
        As `read_npy` does.
    """
    try:
        with Path(path).open("rb") as file:
            shape, fortran, dtype = _read_header(file, Path(path).stat().st_size, str(path))
            start = file.tell()
        if dtype.kind not in "biuf":
            raise DataError(f"{path}: holds values of the type {dtype}; real numbers are needed, float32 for instance")
        if not math.prod(shape):
            return np.empty(shape, dtype)  # an array without values cannot be mapped
        return np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def copy_rows(array: NDArray[Any], first: int, last: int) -> NDArray[Any]:
    """Return a copy of some rows of an array.

    Rows of a memory map are copied through a second map, so that the memory for their pages is freed afterwards.

    Parameters
    ----------
    array : (row, …) ndarray
        The array, in memory or from `map_npy`.
    first, last : int
        The first row, and the row after the last.

    Returns
    -------
    (row, …) ndarray
        The rows, in the array's own byte order.
    """
    if isinstance(array, np.memmap) and array.flags.c_contiguous and array.filename is not None:
        width = array.dtype.itemsize * math.prod(array.shape[1:])
        start = array.offset + first * width
        return np.array(np.memmap(array.filename, array.dtype, "r", start, (last - first, *array.shape[1:])))
    return np.array(array[first:last])


def stream_npz(path: str | os.PathLike[str], member: str, rows: int) -> Iterator[NDArray[Any]]:
    """Yield an array of a .npz archive some rows at a time, and unpack only these rows.

    Parameters
    ----------
    path : path
        The archive. Pickled objects in it are never opened.
    member : str
        The name of the array, without ``.npy``.
    rows : int
        How many rows are in memory at a time.

    Yields
    ------
    (row, …) ndarray
        The rows, in the machine's byte order. An array in Fortran order does not lie row by row and is yielded as a whole.

    Raises
    ------
    DataError
        As `read_npz` does.
    """
    source = f"{path}[{member}]"
    with _archive(path) as archive:
        if f"{member}.npy" not in archive.namelist():
            raise DataError(f"{path}: holds no array {member!r}")
        size = archive.getinfo(f"{member}.npy").file_size
        with archive.open(f"{member}.npy") as file:
            shape, fortran, dtype = _read_header(file, size, source)
            if fortran or not shape:
                yield read_npz(path, (member,))[member]
                return
            row = math.prod(shape[1:]) * dtype.itemsize
            for start in range(0, shape[0], rows):
                count = min(rows, shape[0] - start)
                content = _exactly(file, count * row, source)
                array = np.frombuffer(content, dtype).reshape(count, *shape[1:])
                yield array.astype(dtype.newbyteorder("="), copy=False)


def npz_shapes(path: str | os.PathLike[str]) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return the shape and the type of each array in a .npz archive, read from the headers alone.

    Raises
    ------
    DataError
        As `read_npz` does.
    """
    found = {}
    with _archive(path) as archive:
        for info in archive.infolist():
            if info.filename.endswith(".npy"):
                member = info.filename[: -len(".npy")]
                with archive.open(info) as file:
                    shape, _, dtype = _read_header(file, info.file_size, f"{path}[{member}]")
                found[member] = (shape, dtype)
    return found


@contextmanager
def _archive(path: str | os.PathLike[str]) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DataError:
        raise
    except Exception as error:  # zipfile raises errors of many kinds on damaged, encrypted and unusual archives
        raise DataError(f"{path}: cannot be read as a .npz archive: {error}") from error


def _exactly(file: IO[bytes], size: int, source: str) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise DataError(f"{source}: is cut off: {size - len(content):,} bytes are missing")
    return content


def read_npz(path: str | os.PathLike[str], members: tuple[str, ...] | None = None) -> dict[str, NDArray[Any]]:
    """Return arrays of a .npz archive.

    Parameters
    ----------
    path : path
        The archive. Pickled objects in it are never opened.
    members : tuple of str, optional
        The names of the arrays to read, without ``.npy``. Default: all arrays.

    Returns
    -------
    dict
        From an array's name to the array, in the order of the archive.

    Raises
    ------
    DataError
        If the file is no archive or has no such array, or if an array cannot be read (see `read_npy`) or is too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist() if info.filename.endswith(".npy")}
            wanted = list(sizes) if members is None else [f"{member}.npy" for member in members]
            arrays = {}
            for name in wanted:
                member = name[: -len(".npy")]
                if name not in sizes:
                    raise DataError(f"{path}: holds no array {member!r}")
                if sizes[name] > LARGEST_MEMBER:
                    raise DataError(
                        f"{path}[{member}]: unpacks to {sizes[name]:,} bytes, and {LARGEST_MEMBER:,} are allowed; "
                        "save it as .npy, which is read as it is"
                    )
                with archive.open(name) as file:
                    arrays[member] = _read_array(file, sizes[name], f"{path}[{member}]")
            return arrays
    except DataError:
        raise
    except Exception as error:  # zipfile raises errors of many kinds on damaged, encrypted and unusual archives
        raise DataError(f"{path}: cannot be read as a .npz archive: {error}") from error


def member_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of the arrays in a .npz archive, without reading the arrays.

    Raises
    ------
    DataError
        If the file is no archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(name[: -len(".npy")] for name in archive.namelist() if name.endswith(".npy"))
    except Exception as error:  # as above
        raise DataError(f"{path}: cannot be read as a .npz archive: {error}") from error


def _read_header(file: IO[bytes], size: int, source: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read and check the shape, the order and the type of an array; the file then stands at the first value."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers that Python 2 has written, which are fine
            version = np.lib.format.read_magic(file)
            if version not in _HEADERS:
                raise DataError(f"{source}: .npy version {version[0]}.{version[1]} holds records; save plain numbers")
            shape, fortran, dtype = _HEADERS[version](file)
            _check_header(shape, dtype, size - file.tell(), source)
    except DataError:
        raise
    except Exception as error:  # the header is a Python literal, and its parser raises errors of many kinds
        raise DataError(f"{source}: is no .npy array: {error}") from error
    return shape, fortran, dtype


def _read_array(file: IO[bytes], size: int, source: str) -> NDArray[Any]:
    _, _, dtype = _read_header(file, size, source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as above
            file.seek(0)
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # the header is a Python literal, and its parser raises errors of many kinds
        raise DataError(f"{source}: is no .npy array: {error}") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def _check_header(shape: tuple[int, ...], dtype: np.dtype[Any], present: int, source: str) -> None:
    """Refuse an array whose reading would run code, or whose shape needs more bytes than the file has."""
    if dtype.hasobject:
        raise DataError(
            f"{source}: holds Python objects, and unpickling them could run code; "
            "save plain numbers: numpy.save(path, numpy.asarray(array, dtype='float32'))"
        )
    if dtype.kind not in "biufcUS":
        raise DataError(f"{source}: holds values of the type {dtype}; save plain numbers, float32 for instance")
    declared = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or declared > present:
        raise DataError(f"{source}: is cut off: its shape {shape} takes {declared:,} bytes, and {present:,} are there")


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as a .npz archive, which is there whole or not at all.

    The bytes depend only on the names, types, shapes and values of the arrays: the arrays are sorted by name and stored
    uncompressed, times and permissions are fixed, and every array is laid out in C order and little-endian.

    Parameters
    ----------
    path : path
        The archive to write. An archive that is there is replaced.
    arrays : mapping
        From name to array. The names must be safe as file names; see `onnxviz.formats.file_names`.

    Raises
    ------
    DataError
        If an array holds something else than numbers, booleans or text, or if the file cannot be written.
    """
    for name, array in arrays.items():
        if np.asarray(array).dtype.kind not in "biufcUS":
            raise DataError(
                f"{path}[{name}]: cannot store values of the type {np.asarray(array).dtype}; convert them to float32"
            )
    with atomic_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            array = np.asarray(arrays[name])
            array = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # otherwise the bytes on Windows would differ from those elsewhere
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=array.nbytes >= 2**31) as member:
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
