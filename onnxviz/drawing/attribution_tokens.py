"""The chart of an attribution over tokens: the text itself, each token on the color of its value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.drawing.attribution_panels import CURVES_NOTE, Panel, draw_bar, draw_curves, overlay
from onnxviz.drawing.colors import INK, MUTED
from onnxviz.drawing.figures import MARGIN, header_height, house_style, new_figure, panel, render, shorten
from onnxviz.drawing.pictures import Picture
from onnxviz.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _CURVES, _ROW = 12.0, 2.3, 0.26
_MOST_ROWS = 40


def attribution_tokens(names: Sequence[str], panels: Sequence[Panel], title: str = "", subtitle: str = "") -> Picture:
    """Draw all tokens in the order of reading, once for each method, each token on the color of its value.

    Parameters
    ----------
    names : sequence of str
        One per token.
    panels : sequence of Panel
        One for each method, with values of (token,).
    title, subtitle : str
        Two lines above.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    DataError
        If a method has another number of tokens.
    """
    for shown in panels:
        if np.shape(shown.values) != (len(names),):
            raise DataError(f"{shown.title}: {np.shape(shown.values)} values for {len(names)} tokens")
    with house_style():
        columns = 64 if max(len(name) for name in names) <= 2 else 12
        columns = min(columns, len(names))
        rows = -(-len(names) // columns)
        row = _ROW if rows <= _MOST_ROWS else _ROW * _MOST_ROWS / rows
        tall = max(rows * row, 0.5)
        pitch = 0.35 + max(tall, 1.75) + 0.35
        top = header_height(title, subtitle) + 0.05
        height = top + len(panels) * pitch + MARGIN
        figure = new_figure(_WIDTH, height, title, subtitle)
        wide = _WIDTH - 2 * MARGIN - _CURVES - 0.7
        for number, shown in enumerate(panels):
            upper = top + number * pitch + 0.3
            axes = panel(figure, MARGIN, upper, wide, tall)
            _draw_grid(axes, names, shown, columns, rows, wide, written=row == _ROW)
            axes.set_title(shorten(shown.title, 9.5, wide), loc="left", fontsize=9.5, color=INK, pad=4)
            beside = _WIDTH - MARGIN - _CURVES
            if shown.curves is not None:
                draw_curves(figure, beside, upper, _CURVES, 1.0, shown.curves)
            draw_bar(figure, beside, upper + 1.35, _CURVES, shown)
        if any(shown.curves for shown in panels):
            note = shorten(CURVES_NOTE, 7.5, _WIDTH - 2 * MARGIN)
            figure.text(MARGIN / _WIDTH, 0.16 / height, note, fontsize=7.5, color=MUTED)
        return render(figure)


def _draw_grid(
    axes: Axes, names: Sequence[str], shown: Panel, columns: int, rows: int, wide: float, written: bool
) -> None:
    values = np.zeros(rows * columns)
    values[: len(names)] = shown.values
    paper = np.full((rows, columns, 3), 255, np.uint8)
    picture = overlay(paper, values.reshape(rows, columns), shown.signed, shown.limit)
    axes.imshow(picture, aspect="auto", interpolation="nearest", extent=(0, columns, rows, 0))
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if not written:
        return
    for place, name in enumerate(names):
        row, column = divmod(place, columns)
        shade = picture[row, column].astype(np.float64) @ np.array([0.299, 0.587, 0.114])
        text = name if len(name) <= 2 else shorten(name, 8.0, wide / columns - 0.02)
        axes.text(
            column + 0.5, row + 0.54, text, fontsize=8, ha="center", va="center", color="white" if shade < 110 else INK
        )
