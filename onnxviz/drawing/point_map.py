"""The map of samples in a plane: points in the colors of their classes, or thumbnails that do not overlap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from onnxviz.drawing.captions import elide_to_width, font
from onnxviz.drawing.colors import BACKGROUND, HAIRLINE, INK, MUTED, PALETTE
from onnxviz.drawing.pictures import Picture
from onnxviz.errors import DataError
from onnxviz.wording import printable

_SIDE = 1800
_MARGIN, _LEGEND = 64, 420
_MOST_CLASSES = 18
"""Six colors in three shapes can be told apart. All further classes are drawn alike, as "other"."""
_FINE = 2
_MOST_COUNTS = 80


def class_order(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the classes, the most frequent first, but no more than can be told apart."""
    counts = Counter(label for label in labels if label)
    return tuple(sorted(counts, key=lambda label: (-counts[label], label))[:_MOST_CLASSES])


def point_map(
    points: ArrayLike,
    labels: Sequence[str],
    thumbnails: Sequence[Picture] = (),
    title: str = "",
    subtitle: str = "",
    note: str = "",
) -> Picture:
    """Draw samples at their places in a plane.

    Parameters
    ----------
    points : (sample, 2)
        The places. The first coordinate points to the right, the second upward, and both have one scale.
    labels : sequence of str
        The class of each sample; "" where a sample has none.
    thumbnails : sequence of pictures
        One for each sample, or none at all. A thumbnail is drawn at its point unless it would cover an earlier thumbnail; then
        the sample stays a point.
    title, subtitle, note : str
        Two lines above and one below.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    DataError
        If there are no points, if some are not finite, or if there are more or fewer labels or thumbnails than points.
    """
    places = np.asarray(points, np.float64)
    if places.ndim != 2 or places.shape[1] != 2 or not len(places) or not np.isfinite(places).all():
        raise DataError(f"an array of shape {places.shape} cannot be drawn as a map; give finite numbers, (sample, 2)")
    if len(labels) != len(places) or (thumbnails and len(thumbnails) != len(places)):
        raise DataError(
            f"{len(labels)} labels and {len(thumbnails)} thumbnails for {len(places)} points; give one label for each point, and "
            "one thumbnail for each or none"
        )
    classes = class_order(labels)
    side = _side(len(places)) if thumbnails else 0
    pixels = _pixels(places, side)
    width = _SIDE + 2 * _MARGIN + (_LEGEND if classes else 0)
    top = _MARGIN + 110
    height = top + _SIDE + _MARGIN + (44 if note else 0)
    canvas = Image.new("RGB", (width, height), BACKGROUND)
    pen = ImageDraw.Draw(canvas)
    for text, size, bold, color, line in ((title, 36, True, INK, 0), (subtitle, 22, False, MUTED, 56)):
        letters = font(size, bold)
        pen.text(
            (_MARGIN, _MARGIN + line), elide_to_width(printable(text), letters, width - 2 * _MARGIN), color, letters
        )
    field = Image.new("RGB", (_SIDE * _FINE, _SIDE * _FINE), "white")
    _draw_points(ImageDraw.Draw(field), pixels, labels, classes, 5 if len(places) > 400 else 8)
    plain = field.reduce(_FINE)
    if not thumbnails:
        _write_counts(ImageDraw.Draw(plain), pixels)
    if thumbnails:
        _draw_thumbnails(plain, pixels, labels, classes, thumbnails, side)
    canvas.paste(plain, (_MARGIN, top))
    pen.rectangle((_MARGIN - 1, top - 1, _MARGIN + _SIDE, top + _SIDE), outline=HAIRLINE)
    if classes:
        _draw_legend(canvas, _MARGIN + _SIDE + 36, top, labels, classes)
    if note:
        pen.text(
            (_MARGIN, top + _SIDE + 24), elide_to_width(printable(note), font(20), width - 2 * _MARGIN), MUTED, font(20)
        )
    return np.asarray(canvas)


def _side(count: int) -> int:
    """Return the side of a thumbnail in pixels: if all were drawn, they would fill about four tenths of the field."""
    return int(np.clip(np.sqrt(0.4 * _SIDE**2 / count), 44, 150))


def _pixels(places: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Return the points in pixels of the field, with one scale for both axes and room for thumbnails at the edges."""
    low, high = places.min(0), places.max(0)
    span = float((high - low).max()) or 1.0
    room = _SIDE - 2 * (side / 2 + 24)
    centered = (places - (low + high) / 2) / span * room
    pixels: NDArray[np.float64] = centered * np.array([1.0, -1.0]) + _SIDE / 2
    return pixels


def _look(label: str, classes: Sequence[str]) -> tuple[str, int]:
    """Return the color and the shape of a class's points."""
    if label not in classes:
        return MUTED, 3
    number = classes.index(label)
    return PALETTE[number % len(PALETTE)], number // len(PALETTE)


def _mark(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, color: str, shape: int) -> None:
    if shape == 1:
        pen.rectangle((x - radius, y - radius, x + radius, y + radius), fill=color)
    elif shape == 2:
        pen.polygon([(x, y - 1.3 * radius), (x + 1.2 * radius, y + radius), (x - 1.2 * radius, y + radius)], fill=color)
    else:
        radius = radius if shape == 0 else 0.7 * radius
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)


def _draw_points(
    pen: ImageDraw.ImageDraw, pixels: NDArray[np.float64], labels: Sequence[str], classes: Sequence[str], radius: int
) -> None:
    for (x, y), label in zip(pixels.tolist(), labels, strict=True):
        color, shape = _look(label, classes)
        _mark(pen, x * _FINE, y * _FINE, radius * _FINE, color, shape)


def _write_counts(pen: ImageDraw.ImageDraw, pixels: NDArray[np.float64]) -> None:
    """Write beside a point how many samples lie there, since fifty equal samples look like one."""
    counts = Counter(map(tuple, np.rint(pixels).astype(int).tolist()))
    shared = {place: count for place, count in counts.items() if count > 1}
    if len(shared) > _MOST_COUNTS:
        return
    for (x, y), count in shared.items():
        pen.text((x + 14, y), f"×{count}", MUTED, font(20), anchor="lm")


def _draw_thumbnails(
    canvas: Image.Image,
    pixels: NDArray[np.float64],
    labels: Sequence[str],
    classes: Sequence[str],
    thumbnails: Sequence[Picture],
    side: int,
) -> None:
    """Paste the thumbnails in the order of the samples, and leave out those that would cover an earlier one."""
    pen = ImageDraw.Draw(canvas)
    taken: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for (x, y), label, picture in zip(pixels.tolist(), labels, thumbnails, strict=True):
        cell = int(x // side), int(y // side)
        near = [
            spot
            for across in (-1, 0, 1)
            for down in (-1, 0, 1)
            for spot in taken.get((cell[0] + across, cell[1] + down), ())
        ]
        if any(abs(x - left) < side + 4 and abs(y - above) < side + 4 for left, above in near):
            continue
        taken.setdefault(cell, []).append((x, y))
        inner = side - 6
        image = Image.fromarray(np.ascontiguousarray(picture))
        scale = inner / max(image.size)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        sharp = scale >= 1 and max(image.size) <= 32
        image = image.resize(size, Image.Resampling.NEAREST if sharp else Image.Resampling.LANCZOS)
        left, above = round(x - size[0] / 2), round(y - size[1] / 2)
        color, shape = _look(label, classes)
        pen.rectangle((left - 3, above - 3, left + size[0] + 2, above + size[1] + 2), fill=color)
        canvas.paste(image, (left, above))
        if label in classes:  # several classes share a color and differ in shape
            _mark(pen, left + size[0] - 9, above + size[1] - 9, 11, "#FFFFFF", shape)
            _mark(pen, left + size[0] - 9, above + size[1] - 9, 8, color, shape)


def _draw_legend(canvas: Image.Image, left: int, top: int, labels: Sequence[str], classes: Sequence[str]) -> None:
    counts = Counter(labels)
    others = sum(count for label, count in counts.items() if label not in classes)
    rows = [(label, counts[label], *_look(label, classes)) for label in classes]
    if others:
        rows.append(("other" if any(counts) else "", others, MUTED, 3))
    letters, small = font(24), font(20)
    big = Image.new("RGB", (40 * _FINE, 40 * _FINE), BACKGROUND)
    pen = ImageDraw.Draw(canvas)
    for number, (label, count, color, shape) in enumerate(rows):
        swatch = big.copy()
        _mark(ImageDraw.Draw(swatch), 20 * _FINE, 20 * _FINE, 11 * _FINE, color, shape)
        y = top + number * 44
        canvas.paste(swatch.reduce(_FINE), (left, y))
        text = elide_to_width(printable(label or "no class"), letters, _LEGEND - 170)
        pen.text((left + 50, y + 20), text, INK, letters, anchor="lm")
        pen.text((left + 62 + letters.getlength(text), y + 20), str(count), MUTED, small, anchor="lm")
