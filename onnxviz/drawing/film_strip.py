"""The film strip of a clip: its frames side by side in their order, and the clip itself as an animated picture."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from onnxviz.drawing.pictures import Picture, enlarge
from onnxviz.drawing.sheet import Sheet, Tile
from onnxviz.formats.atomic_file import atomic_file

MOST = 24
"""At most so many frames are shown, evenly spaced."""

_GAP = 2
_PAPER = 255
_LARGE = 256
_MILLISECONDS = 120
"""The time that each frame of an animation is shown."""


def shown_frames(count: int, most: int = MOST) -> list[int]:
    """Return the numbers of the frames that are shown: all of a short clip, else some, evenly spaced.

    Examples
    --------
    >>> shown_frames(3), shown_frames(9, 3)
    ([0, 1, 2], [0, 4, 8])
    """
    places = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    return [int(place) for place in places]


def film_strip(frames: Sequence[Picture], title: str = "", subtitle: str = "", note: str = "") -> Picture:
    """Draw the frames of a clip in their order, with their numbers.

    Parameters
    ----------
    frames : sequence of (height, width, 3) uint8
        The frames, all of one size.
    title, subtitle, note : str
        Two lines above, and a line below.

    Returns
    -------
    (height, width, 3) uint8
    """
    places = shown_frames(len(frames))
    tiles = [Tile(np.asarray(frames[place], np.uint8), f"frame {place}") for place in places]
    if len(places) < len(frames):
        some = f"{len(places)} of {len(frames)} frames, evenly spaced"
        note = f"{some}; {note}" if note else some
    return Sheet(tiles, title, subtitle, note).draw()


def strip(frames: Sequence[Picture], most: int = 12) -> Picture:
    """Return frames of a clip side by side, without text: rows of frames, read like text.

    Parameters
    ----------
    frames : sequence of (height, width, 3) uint8
        The frames, all of one size.
    most : int
        The largest number of frames that are shown.
    """
    places = shown_frames(len(frames), most)
    return joined([np.asarray(frames[place]) for place in places], _PAPER).astype(np.uint8)


def joined(planes: Sequence[np.ndarray], paper: float) -> np.ndarray:
    """Return planes or pictures of one size as one, in rows that are read like text, with gaps between them.

    Parameters
    ----------
    planes : sequence of (height, width) or (height, width, channel) ndarray
        The planes.
    paper : float
        The value of the gaps.
    """
    columns = columns_of(len(planes), planes[0].shape[1] / planes[0].shape[0])
    rows = -(-len(planes) // columns)
    height, width = planes[0].shape[:2]
    size = (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, *planes[0].shape[2:])
    whole = np.full(size, paper, np.asarray(planes[0]).dtype)
    for number, plane in enumerate(planes):
        row, column = divmod(number, columns)
        top, left = row * (height + _GAP), column * (width + _GAP)
        whole[top : top + height, left : left + width] = plane
    return whole


def columns_of(count: int, aspect: float) -> int:
    """Return how many frames stand side by side, so that all frames together are about twice as wide as tall."""
    return max(1, min(count, round(math.sqrt(2 * count / max(aspect, 0.1)))))


def save_animation(path: str | os.PathLike[str], frames: Sequence[Picture]) -> None:
    """Write a clip as an animated PNG that repeats; small frames are enlarged.

    Parameters
    ----------
    path : path
        The file.
    frames : sequence of (height, width, 3) uint8
        The frames, all of one size.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    factor = max(1, _LARGE // max(frames[0].shape[:2]))
    first, *rest = (Image.fromarray(enlarge(np.asarray(frame), factor)) for frame in frames)
    with atomic_file(path) as file:
        first.save(file, "PNG", save_all=True, append_images=rest, duration=_MILLISECONDS, loop=0)
