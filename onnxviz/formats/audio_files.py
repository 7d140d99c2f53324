"""Sound in .wav files. Integers of 8 to 32 bits and floats of 32 and 64 bits are read; 32-bit floats are written."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnxviz.errors import DataError
from onnxviz.formats.atomic_file import atomic_file

_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
# Programs that write to a pipe leave this in the header, since they cannot go back and fill in the length of the sound.
_UNTIL_THE_END = 0xFFFFFFFF
# An array of more channels than this is taken for features and not for sound.
_MOST_CHANNELS = 8


def read_wav(path: str | os.PathLike[str]) -> tuple[NDArray[np.float32], int]:
    """Return the sound of a .wav file and its rate.

    The standard library's ``wave`` is not used, since it reads no floating point, and the extensible header only since
    Python 3.12.

    Parameters
    ----------
    path : path
        A RIFF WAVE file, as described in Microsoft's "Multiple channel audio data and WAVE files".

    Returns
    -------
    sound : (channel, sample) float32
        The sound. Integers are divided by the magnitude of the least integer, so that they lie in -1 ≤ x < 1. Floats stay as
        they are.
    rate : int
        Samples per second.

    Raises
    ------
    DataError
        If the file is no RIFF WAVE, is cut off, is compressed, or has a header that contradicts itself.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise DataError(f"{path}: is no RIFF WAVE file; convert the sound to .wav")
    chunks = _chunks(content, path)
    if len(chunks.get(b"fmt ", b"")) < 16 or b"data" not in chunks:
        raise DataError(f"{path}: has no 'fmt ' or no 'data' chunk, which every .wav file needs")
    header = chunks[b"fmt "]
    encoding, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", header[:16])
    if encoding == _EXTENSIBLE and len(header) >= 26:
        (encoding,) = struct.unpack("<H", header[24:26])  # the first bytes of the sub-format's identifier
    if not channels or not rate or frame * 8 != channels * bits:
        raise DataError(f"{path}: {channels} channels of {bits} bits at {rate} Hz do not make frames of {frame} bytes")
    data = chunks[b"data"]
    if len(data) < frame:
        raise DataError(f"{path}: holds no sound: its 'data' chunk has {len(data)} bytes")
    values = _samples(data[: len(data) // frame * frame], encoding, bits, path)
    return np.ascontiguousarray(values.reshape(-1, channels).T, dtype=np.float32), rate


def writes_sound(sound: ArrayLike) -> bool:
    """Return whether an array is a sound that `write_wav` takes: up to eight channels of finite samples."""
    array = np.asarray(sound)
    fits = array.ndim == 1 or (array.ndim == 2 and 0 < len(array) <= _MOST_CHANNELS)
    return bool(fits and array.size and np.isfinite(array).all())


def write_wav(path: str | os.PathLike[str], sound: ArrayLike, rate: float) -> None:
    """Write a .wav file, which is there whole or not at all.

    The samples are written as 32-bit floats. So no sample is rounded, and values beyond -1 to 1, which integers would clip, are
    kept. A player may still clip them.

    Parameters
    ----------
    path : path
        The file to write.
    sound : (sample,) or (channel, sample)
        The sound. The loudest sample that a player plays without clipping has the magnitude 1.
    rate : float
        Samples per second, rounded to a whole number, since the format holds no other.

    Raises
    ------
    DataError
        If the array is no sound, or if the format cannot hold the rate.
    """
    array = np.asarray(sound, dtype="<f4")
    if not writes_sound(array):
        raise DataError(
            f"an array of shape {array.shape} is no sound; up to {_MOST_CHANNELS} channels of finite samples are"
        )
    array = np.atleast_2d(array)
    channels, speed = len(array), round(rate)
    if not 0 < speed < 2**31:
        raise DataError(
            f"a .wav file cannot hold a rate of {rate:g} samples per second; give a number from 1 to {2**31 - 1}"
        )
    data = np.ascontiguousarray(array.T).tobytes()
    frame = 4 * channels
    header = struct.pack("<HHIIHHH", _FLOAT, channels, speed, speed * frame, frame, 32, 0)
    count = struct.pack("<I", array.shape[1])
    chunks = b"".join(
        name + struct.pack("<I", len(body)) + body
        for name, body in ((b"fmt ", header), (b"fact", count), (b"data", data))
    )
    with atomic_file(path) as file:
        file.write(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)


def _chunks(content: bytes, path: str | os.PathLike[str]) -> dict[bytes, bytes]:
    chunks: dict[bytes, bytes] = {}
    place = 12
    while place + 8 <= len(content):
        name, size = struct.unpack("<4sI", content[place : place + 8])
        present = len(content) - place - 8
        if size == _UNTIL_THE_END and name == b"data":
            size = present
        if size > present:
            if name in (b"fmt ", b"data"):
                raise DataError(f"{path}: is cut off: its {name.decode()!r} chunk has {present:,} of {size:,} bytes")
            break  # a damaged chunk of remarks does no harm to the sound
        chunks.setdefault(name, content[place + 8 : place + 8 + size])
        place += 8 + size + size % 2
    return chunks


def _samples(data: bytes, encoding: int, bits: int, path: str | os.PathLike[str]) -> NDArray[Any]:
    if encoding == _FLOAT and bits in (32, 64):
        return np.frombuffer(data, dtype=f"<f{bits // 8}")
    if encoding == _PCM and bits == 8:
        return np.asarray((np.frombuffer(data, dtype=np.uint8) - np.float64(128)) / 128)
    if encoding == _PCM and bits == 24:
        # The three bytes become the upper three of a 32-bit integer, which then has the right sign.
        wide = np.zeros((len(data) // 3, 4), dtype=np.uint8)
        wide[:, 1:] = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)
        return np.asarray(wide.view("<i4")[:, 0] / np.float64(2**31))
    if encoding == _PCM and bits in (16, 32):
        return np.asarray(np.frombuffer(data, dtype=f"<i{bits // 8}") / np.float64(2 ** (bits - 1)))
    raise DataError(f"{path}: has encoding {encoding:#06x} with {bits} bits; convert the sound to 16-bit PCM")
