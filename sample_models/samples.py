"""Writes sample inputs; the same values always give the same bytes."""

from __future__ import annotations

import csv
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a (height, width) gray or (height, width, 3) RGB uint8 picture as PNG."""
    Image.fromarray(np.ascontiguousarray(picture)).save(path, optimize=True)


def write_table(path: Path, names: Sequence[str], rows: np.ndarray) -> None:
    """Write a (sample, feature) array as CSV with a header, each float32 number in its shortest exact form."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([str(value) for value in row] for row in np.asarray(rows, dtype=np.float32))


def write_sound(path: Path, samples: np.ndarray, rate: int) -> None:
    """Write a (time,) waveform in -1..1 as a mono 16-bit WAV file of `rate` samples per second."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
