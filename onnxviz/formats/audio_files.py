"""Sound in .wav files: integers of 8, 16, 24 and 32 bits, and floating point of 32 and 64; written as 32-bit floats."""

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
# Programs that write to a pipe cannot go back and fill in how long the sound became.
_UNTIL_THE_END = 0xFFFFFFFF
# More channels than this are features, and no sound.
_MOST_CHANNELS = 8


def read_wav(path: str | os.PathLike[str]) -> tuple[NDArray[np.float32], int]:
    """Read a .wav file.

    Parsed here and not by the standard library's ``wave``, which knows no floating point, and the extensible header
    only since Python 3.12.

    Parameters
    ----------
    path : path
        RIFF WAVE, as of Microsoft's "Multiple channel audio data and WAVE files".

    Returns
    -------
    sound : (channel, sample) float32
        Integers are divided by the magnitude of the smallest one, so they lie in -1 ≤ x < 1; floating point is as it
        is.
    rate : int
        Samples per second.

    Raises
    ------
    DataError
        The file is no RIFF WAVE, is cut off, is compressed, or says impossible things about itself.
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
    """Tell whether an array is a sound that `write_wav` takes: up to eight channels of finite samples."""
    array = np.asarray(sound)
    fits = array.ndim == 1 or (array.ndim == 2 and 0 < len(array) <= _MOST_CHANNELS)
    return bool(fits and array.size and np.isfinite(array).all())


def write_wav(path: str | os.PathLike[str], sound: ArrayLike, rate: float) -> None:
    """Write a .wav file, whole or not at all.

    As 32-bit floating point, so that nothing is rounded and a value beyond -1 to 1 is kept, where integers would clip it;
    a player may still clip it, or play it as loud as it goes.

    Parameters
    ----------
    path : path
    sound : (sample,) or (channel, sample)
        Full scale is 1.
    rate : float
        Samples per second; rounded to a whole number, as the format wants it.

    Raises
    ------
    DataError
        The array is no sound, or the rate none that the format can hold.
    """
    array = np.asarray(sound, dtype="<f4")
    if not writes_sound(array):
        raise DataError(
            f"an array of shape {array.shape} is no sound; up to {_MOST_CHANNELS} channels of finite samples are"
        )
    array = np.atleast_2d(array)
    channels, speed = len(array), round(rate)
    if not 0 < speed < 2**31:
        raise DataError(f"a rate of {rate:g} samples per second is none that a .wav file holds")
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
            break  # a damaged chunk of remarks takes nothing from the sound
        chunks.setdefault(name, content[place + 8 : place + 8 + size])
        place += 8 + size + size % 2
    return chunks


def _samples(data: bytes, encoding: int, bits: int, path: str | os.PathLike[str]) -> NDArray[Any]:
    if encoding == _FLOAT and bits in (32, 64):
        return np.frombuffer(data, dtype=f"<f{bits // 8}")
    if encoding == _PCM and bits == 8:
        return np.asarray((np.frombuffer(data, dtype=np.uint8) - np.float64(128)) / 128)
    if encoding == _PCM and bits == 24:
        # As the upper three bytes of 32-bit integers: the sign comes out right by itself.
        wide = np.zeros((len(data) // 3, 4), dtype=np.uint8)
        wide[:, 1:] = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)
        return np.asarray(wide.view("<i4")[:, 0] / np.float64(2**31))
    if encoding == _PCM and bits in (16, 32):
        return np.asarray(np.frombuffer(data, dtype=f"<i{bits // 8}") / np.float64(2 ** (bits - 1)))
    raise DataError(f"{path}: has encoding {encoding:#06x} with {bits} bits; convert the sound to 16-bit PCM")
