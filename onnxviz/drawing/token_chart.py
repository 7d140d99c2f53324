"""The chart of a sequence of tokens: a cell for each position, with the token's name and what it contributes."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnxviz.drawing.captions import font
from onnxviz.drawing.colors import HAIRLINE, INK, MUTED
from onnxviz.drawing.figures import MARGIN, header_height, house_style, new_figure, panel, render, shorten
from onnxviz.drawing.pictures import Picture, diverging_colors
from onnxviz.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH, _WIDEST_CELL, _NARROWEST_CELL = 12.0, 1.7, 0.36
_TALL, _LOW = 0.62, 0.34
_MOST_LINES = 40


def token_chart(
    names: Sequence[str],
    ids: Sequence[int] = (),
    scores: ArrayLike | None = None,
    kept: Collection[int] = (),
    label: str = "",
    title: str = "",
    subtitle: str = "",
) -> Picture:
    """Draw tokens line by line, as text is read.

    Parameters
    ----------
    names : sequence of str
        One per position.
    ids : sequence of int
        Their numbers, written below; none where the names are the numbers.
    scores : (position,), optional
        What each contributes: the color of its cell, white for 0 and for what is no number.
    kept : collection of int
        Positions that were not free to change; their cells have a dashed edge.
    label : str
        What the colors stand for.
    title, subtitle : str
        Two lines above.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    DataError
        There is no token, or ids or scores do not fit the names.
    """
    with house_style():
        return render(token_figure(names, ids, scores, kept, label, title, subtitle))


def token_figure(
    names: Sequence[str],
    ids: Sequence[int] = (),
    scores: ArrayLike | None = None,
    kept: Collection[int] = (),
    label: str = "",
    title: str = "",
    subtitle: str = "",
) -> Figure:
    """Build what `token_chart` draws, as a matplotlib figure."""
    count = len(names)
    values = np.full(count, np.nan) if scores is None else np.asarray(scores, dtype=np.float64)
    if not count or values.shape != (count,) or (ids and len(ids) != count):
        raise DataError(f"{count} tokens, {len(ids)} ids and scores of shape {values.shape} do not fit one another")
    bar = bool(np.isfinite(values).any())
    wide = _WIDTH - 2 * MARGIN
    widest = max(font(110).getlength(shorten(name, 11.0, _WIDEST_CELL)) for name in names) / 720 + 0.16
    cell = min(max(widest, _NARROWEST_CELL), _WIDEST_CELL)
    columns = min(int((wide - 0.5) // cell), count)
    if columns > 10:  # whole tens are counted faster
        columns -= columns % 10 if columns < count else 0
    lines = math.ceil(count / columns)
    if lines > _MOST_LINES:
        lines = _MOST_LINES
        note = f"the first {lines * columns} of {count} shown"
        subtitle = f"{subtitle} · {note}" if subtitle else note
    height = _TALL if ids else _LOW
    top = header_height(title, subtitle) + 0.1
    below = 0.85 if bar else MARGIN
    with house_style():
        figure = new_figure(_WIDTH, top + lines * height + below, title, subtitle)
        axes = panel(figure, MARGIN + 0.5, top, columns * cell, lines * height)
        axes.set_xlim(0, columns)
        axes.set_ylim(lines, 0)
        limit = float(np.nanmax(np.abs(values))) if bar else 1.0
        from matplotlib.patches import Rectangle

        for place in range(min(count, lines * columns)):
            line, column = divmod(place, columns)
            color = _color(values[place], limit)
            frame = Rectangle(
                (column + 0.04, line + 0.06),
                0.92,
                0.88,
                facecolor=color,
                edgecolor=INK if place in kept else HAIRLINE,
                linewidth=1.4 if place in kept else 0.8,
                linestyle="--" if place in kept else "-",
            )
            axes.add_patch(frame)
            ink = "white" if float(color @ (0.299, 0.587, 0.114)) < 0.5 else INK
            name = shorten(names[place], 11.0, cell - 0.1)
            axes.text(
                column + 0.5, line + (0.38 if ids else 0.5), name, fontsize=11, color=ink, ha="center", va="center"
            )
            if ids:
                axes.text(
                    column + 0.5,
                    line + 0.74,
                    str(ids[place]),
                    fontsize=7.5,
                    color=ink,
                    ha="center",
                    va="center",
                    alpha=0.8,
                )
        axes.set_yticks(np.arange(lines) + 0.5, [str(line * columns) for line in range(lines)])
        axes.set_xticks([])
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if bar:
            _draw_bar(figure, top + lines * height + 0.22, limit, label)
    return figure


def _color(value: float, limit: float) -> NDArray[np.float64]:
    """Return a color of 0 to 1 on the diverging scale, red for what raises the score."""
    scale = diverging_colors() / 255
    share = value / limit if math.isfinite(value) and limit > 0 else 0.0
    return np.asarray(scale[round((share + 1) / 2 * (len(scale) - 1))])


def _draw_bar(figure: Figure, top: float, limit: float, label: str) -> None:
    from matplotlib.colors import ListedColormap, Normalize

    axes = panel(figure, MARGIN + 0.5, top, 2.6, 0.12)
    scale = np.linspace(-1, 1, 128)[None] * limit
    axes.imshow(
        scale,
        aspect="auto",
        cmap=ListedColormap(diverging_colors() / 255),
        norm=Normalize(-limit, limit),
        extent=(-limit, limit, 0, 1),
    )
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=4)
    axes.spines["left"].set_visible(False)
    figure.text(
        (MARGIN + 3.25) / figure.get_figwidth(),
        1 - (top + 0.06) / figure.get_figheight(),
        shorten(label, 9.5, 6.0),
        color=MUTED,
        va="center",
    )
