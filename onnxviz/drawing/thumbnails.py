"""Small pictures of samples and of distributions of scores, for contact sheets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from onnxviz.drawing.captions import font
from onnxviz.drawing.colors import BLUE, HAIRLINE, INK, MUTED, ORANGE, VERMILION
from onnxviz.drawing.pictures import Picture, enlarge
from onnxviz.errors import DataError
from onnxviz.wording import number_text

_SIZE = (448, 280)
_SQUARE = (336, 336)
_FINE = 2
_FRAMED = 224
"""A small picture is enlarged to about this many pixels a side before a frame is drawn on it."""


def framed(picture: Picture, rows: slice | None = None, columns: slice | None = None) -> Picture:
    """Return a picture, enlarged if it is small, with a frame around a part of it.

    Parameters
    ----------
    picture : (height, width, 3) uint8
        The picture.
    rows, columns : slice, optional
        The part inside the frame, in pixels. Default: no frame is drawn.

    Returns
    -------
    (height, width, 3) uint8
        Small pictures are enlarged by a whole factor, so that a frame hides little. Pictures without a frame are enlarged, too,
        so that all tiles of a sheet look alike.
    """
    factor = max(1, _FRAMED // max(picture.shape[:2]))
    image = Image.fromarray(enlarge(np.ascontiguousarray(picture), factor))
    if rows is None or columns is None:
        return np.asarray(image)
    pen = ImageDraw.Draw(image)
    width = max(2, max(image.size) // 110)
    box = [columns.start * factor, rows.start * factor, columns.stop * factor - 1, rows.stop * factor - 1]
    # A dark line runs beside a bright line, since at least one of the two is visible on every picture.
    for grow, color in ((0, "#FFFFFF"), (width, VERMILION)):
        left, top = max(0, box[0] - grow), max(0, box[1] - grow)
        right, bottom = min(image.width - 1, box[2] + grow), min(image.height - 1, box[3] + grow)
        pen.rectangle((left, top, max(left, right), max(top, bottom)), outline=color, width=width)
    return np.asarray(image)


def wave(signal: NDArray[Any], limit: float, window: slice | None = None) -> Picture:
    """Draw a signal as a band between the extremes of neighboring samples.

    Parameters
    ----------
    signal : (channel, sample)
        The signal. Its channels are drawn over one another.
    limit : float
        The magnitude that reaches the upper or the lower edge.
    window : slice, optional
        The samples that are marked.

    Returns
    -------
    (280, 448, 3) uint8

    Raises
    ------
    DataError
        If there is no sample, or if a value is not finite.
    """
    lines = np.atleast_2d(np.asarray(signal, np.float64))
    if lines.ndim != 2 or not lines.size or not np.isfinite(lines).all():
        raise DataError(
            f"an array of shape {np.shape(signal)} cannot be drawn as a signal; give finite numbers, (channel, sample)"
        )
    width, height = _SIZE[0] * _FINE, _SIZE[1] * _FINE
    canvas = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(canvas)
    length = lines.shape[1]
    if window is not None and window.stop > window.start:
        left, right = (round(edge / length * width) for edge in (window.start, window.stop))
        pen.rectangle((left, 0, max(left + 2, right), height), fill="#FBE3D2")
    pen.line((0, height / 2, width, height / 2), fill=HAIRLINE, width=2)
    middle, reach = height / 2, 0.46 * height / (limit or 1.0)
    starts = np.linspace(0, length, min(length, width // 2), endpoint=False).astype(np.intp)
    places = (starts / max(1, length - 1)) * (width - 1)
    for line, color in zip(lines[:4], (BLUE, VERMILION, ORANGE, MUTED), strict=False):
        low, high = np.minimum.reduceat(line, starts), np.maximum.reduceat(line, starts)
        upper = [(x, middle - y * reach) for x, y in zip(places.tolist(), high.tolist(), strict=True)]
        lower = [(x, middle - y * reach) for x, y in zip(places.tolist(), low.tolist(), strict=True)]
        if len(upper) > 1:
            pen.polygon([*upper, *lower[::-1]], fill=color)
            pen.line(upper, fill=color, width=3)
            pen.line(lower, fill=color, width=3)
    return np.asarray(canvas.reduce(_FINE))


def histogram(counts: Sequence[int], low: float, high: float, marks: Sequence[float] = ()) -> Picture:
    """Draw the distribution of values as bars.

    Parameters
    ----------
    counts : sequence of int
        How many values lie in each bin. All bins have equal width.
    low, high : float
        The lower end of the first bin and the upper end of the last bin.
    marks : sequence of float
        Values to mark below the bars: those of the samples shown.

    Returns
    -------
    (336, 336, 3) uint8
    """
    width, height = _SQUARE[0] * _FINE, _SQUARE[1] * _FINE
    canvas = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(canvas)
    left, right, top, base = 16 * _FINE, width - 16 * _FINE, 16 * _FINE, height - 64 * _FINE
    step = (right - left) / len(counts)
    most = max(*counts, 1)
    for number, count in enumerate(counts):
        if count:
            tall = max(2 * _FINE, count / most * (base - top))
            pen.rectangle((left + number * step, base - tall, left + (number + 1) * step - _FINE, base), fill=BLUE)
    pen.line((left, base, right, base), fill=MUTED, width=_FINE)
    span = high - low or 1.0
    for mark in marks:
        x = left + (mark - low) / span * (right - left) if high > low else (left + right) / 2
        pen.line((x, base + 3 * _FINE, x, base + 18 * _FINE), fill=ImageColor.getrgb(VERMILION), width=2 * _FINE)
    letters = font(22 * _FINE)
    pen.text((left, base + 24 * _FINE), number_text(low), fill=INK, font=letters)
    pen.text((right, base + 24 * _FINE), number_text(high), fill=INK, font=letters, anchor="ra")
    return np.asarray(canvas.reduce(_FINE))
