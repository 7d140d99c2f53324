"""Clips: the frames of animated pictures, and folders whose pictures are the frames of one clip."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError
from onnxviz.formats.image_files import frame_count, read_frames, read_image

MOVING = (".gif", ".png", ".webp", ".tif", ".tiff")
"""The extensions of pictures that may hold several frames."""

STILL = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
"""The extensions of pictures that may be frames of a clip."""

VIDEOS = (".mp4", ".m4v", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")
"""The extensions of videos, which are not decoded."""

_MOST = 1024
"""Of a folder with more pictures, so many frames are read, evenly spaced."""


def read_clip(path: str | os.PathLike[str]) -> tuple[NDArray[Any], str]:
    """Return the frames of an animated picture, or of a folder of pictures in natural order.

    Parameters
    ----------
    path : path
        The file or folder.

    Returns
    -------
    frames : (frame, height, width, channel) ndarray
        The raw values; of a still picture one frame.
    note : str
        A remark about the clip, or "".

    Raises
    ------
    DataError
        If a picture cannot be read, or the frames have different sizes.
    """
    place = Path(path)
    if not place.is_dir():
        return read_frames(place), ""
    files = frame_files(place)
    if not files:
        raise DataError(f"{path}: holds no pictures that could be the frames of a clip")
    places = np.unique(np.linspace(0, len(files) - 1, min(len(files), _MOST)).round().astype(int))
    frames = [read_image(files[one])[0] for one in places]
    shapes = {frame.shape for frame in frames}
    if len(shapes) > 1:
        listed = " and ".join("x".join(map(str, shape)) for shape in sorted(shapes)[:2])
        raise DataError(f"{path}: its frames have different sizes, {listed}; a clip has one size")
    return np.stack(frames), f"{len(files)} pictures of a folder as frames"


def frame_files(folder: Path) -> list[Path]:
    """Return the pictures directly in a folder, in natural order: the frames of one clip."""
    found = [file for file in folder.iterdir() if file.suffix.lower() in STILL and not file.name.startswith(".")]
    return sorted(found, key=lambda file: _natural(file.name))


def clip_places(folder: Path) -> list[Path]:
    """Return the clips of a folder and its subfolders: animated pictures, arrays, and folders of frames, in natural order.

    The still pictures of one folder are the frames of one clip; the first picture tells whether they are still.
    """
    found: list[Path] = []
    for place, inner, names in os.walk(folder):
        inner[:] = sorted((name for name in inner if not name.startswith(".")), key=_natural)
        here = sorted((Path(place, name) for name in names if not name.startswith(".")), key=lambda file: file.name)
        found += [file for file in here if file.suffix.lower() in (".npy", ".npz", ".gif")]
        pictures = [file for file in here if file.suffix.lower() in STILL]
        if pictures and frame_count(pictures[0]) > 1:
            found += pictures
        elif pictures:
            found.append(Path(place))
    return sorted(found, key=lambda one: _natural(one.relative_to(folder).as_posix()))


def chosen_frames(count: int, wanted: int) -> NDArray[np.int64]:
    """Return which of so many frames are taken for a clip of another length: evenly spaced, or repeated.

    Examples
    --------
    >>> chosen_frames(9, 3).tolist(), chosen_frames(2, 4).tolist()
    ([0, 4, 8], [0, 0, 1, 1])
    """
    return np.floor(np.linspace(0, count - 1, wanted) + 0.5 - 1e-9).astype(np.int64)


def _natural(name: str) -> tuple[Any, ...]:
    parts = re.split(r"(\d+)", name.casefold())
    return (*((int(part), "") if part.isdecimal() else (-1, part) for part in parts), name)
