"""NumPy's .npy and .npz files, read without trust and written so that equal arrays give equal bytes."""

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

# A small archive can unpack to any size; a .npy file is as large as what it holds and needs no limit.
LARGEST_MEMBER = 8 * 2**30

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npy(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read one array from a .npy file.

    Parameters
    ----------
    path : path
        Never unpickled.

    Returns
    -------
    ndarray
        In the machine's byte order.

    Raises
    ------
    DataError
        The file is no .npy file, is shorter than its header says, or holds Python objects, records or dates.
    """
    try:
        with Path(path).open("rb") as file:
            return _read_array(file, Path(path).stat().st_size, str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def map_npy(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Open a .npy file without reading its values: they are read from the disk when they are looked at.

    Parameters
    ----------
    path : path
        Never unpickled.

    Returns
    -------
    memmap
        Read-only, in the file's own byte order.

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
            return np.empty(shape, dtype)  # nothing can be mapped to nothing
        return np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def copy_rows(array: NDArray[Any], first: int, last: int) -> NDArray[Any]:
    """Copy some rows of an array; of a mapped one through a mapping of their own, which takes its pages with it when it goes.

    Parameters
    ----------
    array : (row, …) ndarray
        As `map_npy` gives it, or in memory.
    first, last : int
        The first row and the one behind the last.

    Returns
    -------
    (row, …) ndarray
        In the array's own byte order.
    """
    if isinstance(array, np.memmap) and array.flags.c_contiguous and array.filename is not None:
        width = array.dtype.itemsize * math.prod(array.shape[1:])
        start = array.offset + first * width
        return np.array(np.memmap(array.filename, array.dtype, "r", start, (last - first, *array.shape[1:])))
    return np.array(array[first:last])


def stream_npz(path: str | os.PathLike[str], member: str, rows: int) -> Iterator[NDArray[Any]]:
    """Read an array of a .npz archive some rows at a time, unpacking it as it goes.

    Parameters
    ----------
    path : path
        Never unpickled.
    member : str
        The array, without ``.npy``.
    rows : int
        How many rows are in memory at a time.

    Yields
    ------
    (row, …) ndarray
        In the machine's byte order. Of a member in Fortran order, which does not lie row by row, all rows at once.

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
    """Name the arrays of a .npz archive with their shapes and types, reading only their headers.

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
    except Exception as error:  # zipfile raises nearly anything on damaged, encrypted and exotic archives
        raise DataError(f"{path}: cannot be read as a .npz archive: {error}") from error


def _exactly(file: IO[bytes], size: int, source: str) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise DataError(f"{source}: is cut off: {size - len(content):,} bytes are missing")
    return content


def read_npz(path: str | os.PathLike[str], members: tuple[str, ...] | None = None) -> dict[str, NDArray[Any]]:
    """Read arrays from a .npz archive.

    Parameters
    ----------
    path : path
        Never unpickled.
    members : tuple of str, optional
        Only these, without ``.npy``; by default all of them.

    Returns
    -------
    dict
        From the member's name to the array, in the archive's order.

    Raises
    ------
    DataError
        The file is no archive, has no such member, or a member cannot be read (see `read_npy`) or is too large.
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
    except Exception as error:  # zipfile raises nearly anything on damaged, encrypted and exotic archives
        raise DataError(f"{path}: cannot be read as a .npz archive: {error}") from error


def member_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Name the arrays of a .npz archive without reading them.

    Raises
    ------
    DataError
        The file is no archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(name[: -len(".npy")] for name in archive.namelist() if name.endswith(".npy"))
    except Exception as error:  # as above
        raise DataError(f"{path}: cannot be read as a .npz archive: {error}") from error


def _read_header(file: IO[bytes], size: int, source: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read and check shape, order and type; what follows in the file are the values."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 has written, which are as good as others
            version = np.lib.format.read_magic(file)
            if version not in _HEADERS:
                raise DataError(f"{source}: .npy version {version[0]}.{version[1]} holds records; save plain numbers")
            shape, fortran, dtype = _HEADERS[version](file)
            _check_header(shape, dtype, size - file.tell(), source)
    except DataError:
        raise
    except Exception as error:  # the header is a Python literal, and what its parser raises is anybody's guess
        raise DataError(f"{source}: is no .npy array: {error}") from error
    return shape, fortran, dtype


def _read_array(file: IO[bytes], size: int, source: str) -> NDArray[Any]:
    _, _, dtype = _read_header(file, size, source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as above
            file.seek(0)
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # the header is a Python literal, and what its parser raises is anybody's guess
        raise DataError(f"{source}: is no .npy array: {error}") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def _check_header(shape: tuple[int, ...], dtype: np.dtype[Any], present: int, source: str) -> None:
    """Refuse what would run code or take memory that the file has no bytes for."""
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
    """Write arrays as a .npz archive, whole or not at all.

    The bytes depend on names, types, shapes and values alone: members are sorted and stored uncompressed, times and
    permissions are fixed, and every array is laid out in C order and little-endian.

    Parameters
    ----------
    path : path
        What stands there is replaced.
    arrays : mapping
        From member name to array. The names must be safe as file names; see `onnxviz.formats.file_names`.

    Raises
    ------
    DataError
        An array holds something else than numbers, booleans or text, or the file cannot be written.
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
            info.create_system = 3  # else it would tell Windows from the rest
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=array.nbytes >= 2**31) as member:
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
