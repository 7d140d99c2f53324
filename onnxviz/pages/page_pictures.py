"""Pictures of samples as a page shows them: small files, whatever the sample's size."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnxviz.drawing.pictures import Picture, picture_bytes

MOST = 320
"""The longest side of a picture on a page, in pixels."""

_EXACT = 96
"""Up to so many pixels a side nothing is lost: digits and icons are looked at pixel by pixel."""

_QUALITY = 90
"""Of JPEG: a photograph of 320 pixels takes some 25 kB, a sixth of what it takes without loss."""


@dataclass(frozen=True)
class PagePicture:
    """A picture file.

    Attributes
    ----------
    content : bytes
        PNG where the picture is small, else JPEG.
    suffix : str
        ``.png`` or ``.jpg``.
    width, height : int
        In pixels.
    """

    content: bytes
    suffix: str
    width: int
    height: int


def page_picture(picture: Picture) -> PagePicture:
    """Make a picture small enough for a page; equal pictures give equal bytes.

    Parameters
    ----------
    picture : (height, width, 3) uint8
        What is longer than 320 pixels on a side is made smaller.

    Examples
    --------
    >>> found = page_picture(np.zeros((1000, 640, 3), np.uint8))
    >>> found.suffix, found.width, found.height
    ('.jpg', 205, 320)
    """
    longest = max(picture.shape[:2])
    if longest <= _EXACT:
        return PagePicture(picture_bytes(picture), ".png", picture.shape[1], picture.shape[0])
    image = Image.fromarray(np.ascontiguousarray(picture))
    if longest > MOST:
        size = [max(1, round(side * MOST / longest)) for side in image.size]
        image = image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=_QUALITY, subsampling=0, optimize=True)
    return PagePicture(stream.getvalue(), ".jpg", image.width, image.height)


def page_chart(picture: Picture) -> PagePicture:
    """Make a chart small enough for a page: lines, letters and paper, in at most 256 colors; equal charts give equal bytes.

    Parameters
    ----------
    picture : (height, width, 3) uint8
        Its size stays what it is.

    Examples
    --------
    >>> page_chart(np.full((40, 60, 3), 250, np.uint8)).width
    60
    """
    image = Image.fromarray(np.ascontiguousarray(picture))
    stream = io.BytesIO()
    # Few colors beside the same paper: what differs is the shade of a letter's rim.
    image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return PagePicture(stream.getvalue(), ".png", image.width, image.height)


def envelope(lines: NDArray[Any], columns: int) -> list[list[list[float]]]:
    """Return what of signals can be seen in so many columns: the lowest and the highest value in each.

    Parameters
    ----------
    lines : (line, sample) ndarray
        The signals.
    columns : int
        At most so many columns; of fewer samples one for each.

    Returns
    -------
    list
        For each line a list of lowest and a list of highest values, to four digits.

    Examples
    --------
    >>> envelope(np.array([[0.0, 3.0, -1.0, 1.0]]), 2)
    [[[0.0, -1.0], [3.0, 1.0]]]
    """
    lines = np.atleast_2d(np.asarray(lines, np.float64))
    starts = np.linspace(0, lines.shape[1], min(columns, lines.shape[1]), endpoint=False).astype(np.intp)
    return [
        [[_short(value) for value in reduce.reduceat(line, starts).tolist()] for reduce in (np.minimum, np.maximum)]
        for line in lines
    ]


def _short(value: float) -> float:
    return float(f"{value:.4g}")
