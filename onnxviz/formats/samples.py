"""Samples of input data: pictures, arrays, tables and sounds, read from files of many formats."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError, UsageError
from onnxviz.formats.array_files import member_names, read_npy, read_npz
from onnxviz.formats.audio_files import read_wav
from onnxviz.formats.clips import VIDEOS, read_clip
from onnxviz.formats.image_files import read_image
from onnxviz.formats.json_documents import read_numbers
from onnxviz.formats.letters import FASTA, read_sequences
from onnxviz.formats.point_clouds import CLOUDS, read_points
from onnxviz.formats.sample_address import SampleAddress
from onnxviz.formats.tables import read_table

Kind = Literal["image", "clip", "points", "letters", "array", "table", "audio"]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A sample of input data with the values of its file, not yet in the units of a model.

    Attributes
    ----------
    array : ndarray
        Finite numbers. An image is (height, width, channel) uint8, uint16 or floating; a clip (frame, height, width, channel);
        points (point, coordinate) float64; letters (position,) uint8, the ASCII codes of a sequence; a table (row, column) float64;
        audio (channel, sample) float32 within -1 to 1; an array has any shape and type.
    names : tuple of str
        The names of an image's channels, a table's columns or a sound's channels; empty where the file has no names.
    source : str
        The file, and the array of an archive, as a person types them.
    kind : {"image", "clip", "points", "letters", "array", "table", "audio"}
        The kind of the sample, which says what its axes mean.
    rate : int or None
        The samples per second of a sound.
    note : str
        A remark about the way the file was read, or "".
    """

    array: NDArray[Any]
    names: tuple[str, ...]
    source: str
    kind: Kind
    rate: int | None = None
    note: str = ""


def read_sample(path: str | os.PathLike[str], *, missing: bool = False, frames: bool = False) -> Sample:
    """Return the sample in a file, whose extension says how it is read.

    Parameters
    ----------
    path : path
        .png, .jpg, .bmp, .tif, .webp, .gif; .npy; .npz, as ``data.npz[member]`` where it holds several; .csv, .tsv;
        .json; .wav; .fasta; .ply, .xyz, .pts. Nothing is unpickled.
    missing : bool
        Whether NaN in a .npy or .npz file is a missing value.
    frames : bool
        Whether a picture is read with all of its frames, and a folder of pictures as a clip.

    Returns
    -------
    Sample
        The sample, with at least one number, all of them finite, or NaN where missing values are allowed.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If the file is empty or damaged, if its content is not what its extension says, or if it holds values that are no finite
        numbers.
    """
    source = os.fspath(path)
    address = SampleAddress.parse(source)
    if address.rows is not None:
        raise DataError(f"{source}: rows are picked from tables and arrays of samples; name the file alone")
    file, member = address.path, address.member
    if not file.exists():
        raise UsageError(f"{source}: no such file")
    if frames and (file.is_dir() or file.suffix.lower() in PICTURES):
        if not file.is_dir():
            _check_content(file, source)
        array, note = read_clip(file)
        return Sample(array, (), source, "clip", note=note)
    if file.is_dir():
        raise DataError(f"{source}: is a folder; give one file")
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise DataError(f"{source}: {_advice(file.suffix.lower())}")
    _check_content(file, source)
    if missing and reader in (_npy, _npz):
        return reader(file, source, member, missing)
    return reader(file, source, member)


def _advice(suffix: str) -> str:
    if suffix in (".pkl", ".pickle", ".pt", ".pth", ".joblib"):
        return "pickles are never opened, since they can run code; save the numbers as .npy"
    if suffix in VIDEOS:
        return "videos are not decoded; write its frames into a folder, as in: ffmpeg -i VIDEO frames/%05d.png"
    known = " ".join(sorted(_READERS))
    return (
        f"no reader for {suffix!r}; known are {known}"
        if suffix
        else f"has no extension to tell what it is; known are {known}"
    )


def _image(file: Path, source: str, member: str | None) -> Sample:
    array, names, note = read_image(file)
    return Sample(_finite(array, source), names, source, "image", note=note)


def _npy(file: Path, source: str, member: str | None, missing: bool = False) -> Sample:
    return Sample(_numbers(read_npy(file), source, missing), (), source, "array")


def _npz(file: Path, source: str, member: str | None, missing: bool = False) -> Sample:
    members = member_names(file)
    if not members:
        raise DataError(f"{source}: holds no arrays")
    if member is None and len(members) > 1:
        some = ", ".join(members[:8]) + (", …" if len(members) > 8 else "")
        raise DataError(f"{source}: holds {len(members)} arrays; name one as {source}[{members[0]}]. There are: {some}")
    member = members[0] if member is None else member
    return Sample(_numbers(read_npz(file, (member,))[member], source, missing), (), f"{file}[{member}]", "array")


def _table(file: Path, source: str, member: str | None) -> Sample:
    array, names = read_table(file)
    # pandas writes the numbers of rows into the first column, unless it is told index=False.
    index = bool(names) and names[0] == "column 1" and bool(np.array_equal(array[:, 0], np.arange(len(array))))
    return Sample(array, names, source, "table", note="the first column looks like a row number" if index else "")


def _json(file: Path, source: str, member: str | None) -> Sample:
    array, names = read_numbers(file)
    return Sample(_numbers(array, source), names, source, "table" if names else "array")


def _points(file: Path, source: str, member: str | None) -> Sample:
    array, names = read_points(file)
    return Sample(_finite(array, source), names, source, "points")


def _letters(file: Path, source: str, member: str | None) -> Sample:
    found = [text for _, text in read_sequences(file)]
    if not found or not found[0]:
        raise DataError(f"{source}: holds no sequence")
    note = f"the first of {len(found)} sequences in the file" if len(found) > 1 else ""
    return letters_sample(found[0], source, note)


def letters_sample(text: str, source: str, note: str = "") -> Sample:
    """Return a sequence as a sample.

    Raises
    ------
    DataError
        If the text holds other signs than those of ASCII.
    """
    if not text.isascii():
        raise DataError(f"{source}: holds signs that are no letters of DNA, RNA or proteins")
    return Sample(np.frombuffer(text.encode("ascii"), np.uint8), (), source, "letters", note=note)


def _wav(file: Path, source: str, member: str | None) -> Sample:
    array, rate = read_wav(file)
    few = {1: ("mono",), 2: ("left", "right")}
    names = few.get(len(array), tuple(f"channel {number}" for number in range(1, len(array) + 1)))
    return Sample(_finite(array, source), names, source, "audio", rate=rate)


PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")
"""The extensions of pictures."""

_READERS: dict[str, Callable[..., Sample]] = {
    **dict.fromkeys(PICTURES, _image),
    ".npy": _npy,
    ".npz": _npz,
    ".csv": _table,
    ".tsv": _table,
    ".json": _json,
    ".wav": _wav,
    **dict.fromkeys(FASTA, _letters),
    **dict.fromkeys(CLOUDS, _points),
}

SUFFIXES = frozenset(_READERS)
"""The extensions of the files that can be read."""


def _numbers(array: NDArray[Any], source: str, missing: bool = False) -> NDArray[Any]:
    if array.dtype.kind == "b":
        return _finite(array.astype(np.uint8), source)
    if array.dtype.kind not in "iuf":
        kind = {"c": "complex numbers", "S": "text", "U": "text"}.get(array.dtype.kind, str(array.dtype))
        raise DataError(f"{source}: holds {kind}; real numbers are needed, float32 for instance")
    # Extended precision is a different type on each platform, and no model takes it.
    return _finite(array.astype(np.float64) if array.dtype.itemsize > 8 else array, source, missing)


def _finite(array: NDArray[Any], source: str, missing: bool = False) -> NDArray[Any]:
    if not array.size:
        raise DataError(f"{source}: holds no values, its shape is {array.shape}")
    if array.dtype.kind == "f":
        finite = np.isfinite(array) | (np.isnan(array) & missing)
        if not finite.all():
            place = tuple(int(index) for index in np.unravel_index(int(np.argmin(finite)), array.shape))
            raise DataError(
                f"{source}: {int((~finite).sum()):,} of {array.size:,} values are not finite, the first is "
                f"{array[place]} at {list(place)}; fill them in"
            )
    return array


# The first bytes of files that often have a wrong extension: (offset, bytes, what the file is, its right extensions).
_SIGNATURES: tuple[tuple[int, bytes, str, tuple[str, ...]], ...] = (
    (0, b"\x89PNG\r\n", "a PNG picture", (".png",)),
    (0, b"\xff\xd8\xff", "a JPEG picture", (".jpg", ".jpeg")),
    (0, b"GIF8", "a GIF picture", (".gif",)),
    (0, b"II*\x00", "a TIFF picture", (".tif", ".tiff")),
    (0, b"MM\x00*", "a TIFF picture", (".tif", ".tiff")),
    (8, b"WEBPVP8", "a WebP picture", (".webp",)),
    (8, b"WAVEfmt ", "WAVE sound", (".wav",)),
    (0, b"\x93NUMPY", "a NumPy array", (".npy",)),
    (0, b"PK\x03\x04", "a ZIP archive", (".npz",)),
    (0, b"\x80\x04\x95", "a pickle, which is never opened", ()),
    (0, b"version https://git-lfs.github.com", "a Git LFS pointer; fetch the file itself with git lfs pull", ()),
    (0, b"<!DOCTYPE html", "a web page, not the file it shows", ()),
    (0, b"<html", "a web page, not the file it shows", ()),
)


def _check_content(file: Path, source: str) -> None:
    """Refuse a file that is empty, or whose content is not what its extension says.

    A picture with the extension of another format of pictures is not refused, since pictures are read by their content.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(64)
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror or error}") from error
    if not head:
        raise DataError(f"{source}: is empty")
    for offset, mark, what, right in _SIGNATURES:
        if head[offset : offset + len(mark)].lower() != mark.lower():
            continue
        readers = {_READERS[suffix] for suffix in right}
        if _READERS[file.suffix.lower()] not in readers:
            advice = f"; rename it to {right[0]}" if right else ""
            raise DataError(f"{source}: is named {file.suffix} but is {what}{advice}")
