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
"""Pictures with up to this many pixels a side are stored without loss: digits and icons are viewed pixel by pixel."""

_QUALITY = 90
"""The quality of JPEG files. A photograph of 320 pixels takes about 25 kB, a sixth of its size without loss."""


@dataclass(frozen=True)
class PagePicture:
    """A picture file.

    Attributes
    ----------
    content : bytes
        The bytes of the file: PNG for charts and small pictures, else JPEG.
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
    """Return a picture as a small file for a page; equal pictures give equal bytes.

    Parameters
    ----------
    picture : (height, width, 3) uint8
        The picture. It is made smaller if a side is longer than 320 pixels.

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
    """Return a chart as a small file of at most 256 colors; equal charts give equal bytes.

    Parameters
    ----------
    picture : (height, width, 3) uint8
        The chart. Its size does not change.

    Examples
    --------
    >>> page_chart(np.full((40, 60, 3), 250, np.uint8)).width
    60
    """
    image = Image.fromarray(np.ascontiguousarray(picture))
    stream = io.BytesIO()
    # A chart has few colors on a plain background: only the shades at the edges of letters change.
    image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return PagePicture(stream.getvalue(), ".png", image.width, image.height)


def envelope(lines: NDArray[Any], columns: int) -> list[list[list[float]]]:
    """Return the lowest and the highest value of signals in each column of a drawing.

    Parameters
    ----------
    lines : (line, sample) ndarray
        The signals.
    columns : int
        The largest number of columns. A signal with fewer samples has a column for each.

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
