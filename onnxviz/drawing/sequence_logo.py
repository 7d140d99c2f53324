"""The logo of a sequence: letters stacked at each position, each as tall as its value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.drawing.attribution_panels import Curves, draw_curves
from onnxviz.drawing.colors import BLUE, GREEN, HAIRLINE, INK, MUTED, ORANGE, PURPLE, VERMILION
from onnxviz.drawing.figures import MARGIN, header_height, house_style, new_figure, panel, render, shorten
from onnxviz.drawing.pictures import Picture
from onnxviz.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.path import Path

_WIDTH = 12.0
_PER_LINE = 60
"""The most positions of a line; the names of single letters are legible at half size."""

_MOST_LINES = 24
_TALL, _GAP, _LETTERS = 0.85, 0.18, 0.24
_CURVES = 2.3

_BASES = {"A": GREEN, "C": BLUE, "G": ORANGE, "T": VERMILION, "U": VERMILION}
_ACIDS = {
    **dict.fromkeys("AVLIMFW", INK),
    **dict.fromkeys("STNQY", GREEN),
    **dict.fromkeys("KRH", BLUE),
    **dict.fromkeys("DE", VERMILION),
    **dict.fromkeys("GP", ORANGE),
    "C": PURPLE,
}
"""The colors of amino acids: hydrophobic ones dark, polar ones green, bases blue, acids red, glycine and proline orange."""


@dataclass(frozen=True, slots=True, eq=False)
class Logo:
    """The values of letters along a sequence.

    Attributes
    ----------
    values : (position, letter) ndarray
        The height of each letter; below 0 it hangs from the line.
    letters : str
        The letters, in the order of their axis.
    text : str
        The letter that stands at each position, written below; "" without such a sequence.
    title : str
        A line above.
    label : str
        What the height stands for, and its unit.
    curves : Curves, optional
        The curves that test a method of attribution.
    """

    values: NDArray[Any]
    letters: str
    text: str = ""
    title: str = ""
    label: str = ""
    curves: Curves | None = None

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and the highest end of the stacks."""
        values = np.nan_to_num(np.asarray(self.values, np.float64))
        low, high = float(np.minimum(values, 0).sum(1).min()), float(np.maximum(values, 0).sum(1).max())
        return low, high if high > low else low + 1.0


def sequence_logo(logos: Sequence[Logo], title: str = "", subtitle: str = "", note: str = "") -> Picture:
    """Draw logos line by line, one logo below the other.

    Parameters
    ----------
    logos : sequence of Logo
        At least one, each with as many positions.
    title, subtitle : str
        Two lines above.
    note : str
        A line below.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    DataError
        If there is no position, or values and letters do not fit one another.
    """
    for one in logos:
        shape = np.shape(one.values)
        if len(shape) != 2 or not shape[0] or shape[1] != len(one.letters) or (one.text and len(one.text) != shape[0]):
            raise DataError(f"values of shape {shape} do not fit {len(one.letters)} letters and {len(one.text)} signs")
    with house_style():
        figure = _figure(logos, title, subtitle)
        if note:
            text = shorten(note, 7.5, _WIDTH - 2 * MARGIN)
            figure.text(MARGIN / _WIDTH, 0.2 / figure.get_figheight(), text, fontsize=7.5, color=MUTED)
        return render(figure)


def logo_tile(values: NDArray[Any], letters: str) -> Picture:
    """Draw the logo of a short sequence, such as a kernel, as a tile without text around it.

    Parameters
    ----------
    values : (position, letter) ndarray
        The height of each letter.
    letters : str
        The letters, in the order of their axis.

    Returns
    -------
    (height, width, 3) uint8
    """
    from matplotlib.figure import Figure

    logo = Logo(np.asarray(values, np.float64), letters)
    with house_style():
        figure = Figure(figsize=(max(0.26 * len(logo.values), 0.8), 1.0))
        figure.set_facecolor("white")
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_facecolor("white")
        _draw(axes, logo, 0, len(logo.values), logo.limits)
        axes.set_axis_off()
        return render(figure)


def _figure(logos: Sequence[Logo], title: str, subtitle: str) -> Figure:
    count = len(logos[0].values)
    lines = math.ceil(count / _PER_LINE)
    columns = min(_PER_LINE, count)
    if lines > _MOST_LINES:
        lines = _MOST_LINES
        note = f"the first {lines * columns} of {count} positions shown"
        subtitle = f"{subtitle} · {note}" if subtitle else note
    curved = any(one.curves is not None for one in logos)
    wide = _WIDTH - 2 * MARGIN - 0.55 - (_CURVES + 0.45 if curved else 0.0)
    wide = min(wide, 0.42 * columns)
    pitch = _TALL + _LETTERS + 0.2 + _GAP
    each = [(0.3 if one.title or one.label else 0.0) + max(lines * pitch, 1.75 if one.curves else 0.0) for one in logos]
    top = header_height(title, subtitle) + 0.1
    figure = new_figure(_WIDTH, top + sum(each) + MARGIN, title, subtitle)
    for one, height in zip(logos, each, strict=True):
        _one(figure, one, top, wide, columns, lines, pitch)
        if one.curves is not None:
            draw_curves(figure, _WIDTH - MARGIN - _CURVES, top + 0.45, _CURVES, 0.95, one.curves)
        top += height
    return figure


def _one(figure: Figure, logo: Logo, top: float, wide: float, columns: int, lines: int, pitch: float) -> None:
    """Draw one logo, its title and its lines."""
    left = MARGIN + 0.55
    whole = figure.get_figwidth(), figure.get_figheight()
    if logo.title or logo.label:
        place = MARGIN / whole[0], 1 - (top + 0.1) / whole[1]
        figure.text(*place, shorten(logo.title, 10.0, 4.0), fontsize=10, color=INK, va="center")
        shift = MARGIN + (len(logo.title) * 0.09 + 0.25 if logo.title else 0.0)
        figure.text(shift / whole[0], place[1], shorten(logo.label, 9.0, 7.0), fontsize=9, color=MUTED, va="center")
        top += 0.3
    limits = logo.limits
    for line in range(lines):
        first, last = line * columns, min((line + 1) * columns, len(logo.values))
        width = wide * (last - first) / columns
        axes = panel(figure, left, top + line * pitch, width, _TALL)
        _draw(axes, logo, first, last, limits)
        axes.set_yticks([0, limits[1]], ["0", f"{limits[1]:.3g}"])
        axes.tick_params(axis="y", labelsize=7.5, length=2, pad=2)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        below = panel(figure, left, top + line * pitch + _TALL + 0.02, width, _LETTERS + 0.16)
        below.set_xlim(first, last)
        below.set_ylim(1, 0)
        below.set_axis_off()
        for spot in range(first, last):
            if logo.text:
                color = _color(logo.text[spot], logo.letters)
                below.text(spot + 0.5, 0.3, logo.text[spot], fontsize=9, color=color, ha="center", va="center")
            if spot % 10 == 0 or spot == first:
                below.text(spot + 0.5, 0.85, str(spot), fontsize=7, color=MUTED, ha="center", va="center")


def _draw(axes: Axes, logo: Logo, first: int, last: int, limits: tuple[float, float]) -> None:
    """Draw the stacks of some positions."""
    from matplotlib.patches import PathPatch
    from matplotlib.transforms import Affine2D

    low, high = limits
    axes.set_xlim(first, last)
    axes.set_ylim(low, high)
    axes.axhline(0, color=HAIRLINE, linewidth=0.8, zorder=0)
    least = 0.01 * (high - low)
    for place in range(first, last):
        row = np.nan_to_num(np.asarray(logo.values[place], np.float64))
        # The tallest letter stands farthest from the line.
        for sign in (1, -1):
            end = 0.0
            for letter in np.argsort(np.abs(row), kind="stable"):
                if row[letter] * sign <= 0:
                    continue
                tall = float(row[letter])
                if abs(tall) > least:
                    bottom = end if sign > 0 else end + tall
                    move = Affine2D().scale(0.92, abs(tall)).translate(place + 0.04, bottom)
                    path = move.transform_path(_glyph(logo.letters[letter]))
                    axes.add_patch(PathPatch(path, facecolor=_color(logo.letters[letter], logo.letters), linewidth=0))
                end += tall


def _color(letter: str, letters: str) -> str:
    known = _BASES if len(letters) <= 5 else _ACIDS
    return known.get(letter, MUTED)


@lru_cache(maxsize=64)
def _glyph(letter: str) -> Path:
    """Return the outline of a letter that fills the unit square."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    outline = TextPath((0, 0), letter, size=1, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    box = outline.get_extents()
    # A narrow letter keeps its width, so that an I is no bar.
    wide = max(box.width, 0.45)
    shift = (wide - box.width) / 2
    place = Affine2D().translate(-box.x0 + shift, -box.y0).scale(1 / wide, 1 / (box.height or 1.0))
    return place.transform_path(outline)
