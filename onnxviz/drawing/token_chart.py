"""The chart of a sequence of tokens: a cell for each position, with the token's name and what it contributes."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, eq=False)
class TokenSequence:
    """A sequence of tokens, and what each of them contributes.

    Attributes
    ----------
    names : sequence of str
        One per position.
    ids : sequence of int
        The ids of the tokens, written below the names. Empty where the names are the ids.
    scores : (position,), optional
        What each token contributes: the color of its cell, white for 0 and for a score that is no number.
    kept : collection of int
        Positions that were not free to change. Their cells have a dashed edge.
    label : str
        What the colors stand for.

    Raises
    ------
    DataError
        If there is no token, or if ids or scores do not fit the names.
    """

    names: Sequence[str]
    ids: Sequence[int] = ()
    scores: ArrayLike | None = None
    kept: Collection[int] = ()
    label: str = ""

    def __post_init__(self) -> None:
        count, shape = len(self.names), self.contributions.shape
        if not count or shape != (count,) or (self.ids and len(self.ids) != count):
            raise DataError(f"{count} tokens, {len(self.ids)} ids and scores of shape {shape} do not fit one another")

    @property
    def contributions(self) -> NDArray[np.float64]:
        """The scores as (position,) float64; no numbers where none are given."""
        return np.full(len(self.names), np.nan) if self.scores is None else np.asarray(self.scores, dtype=np.float64)


def token_chart(tokens: TokenSequence, title: str = "", subtitle: str = "") -> Picture:
    """Draw tokens line by line, as text is read.

    Parameters
    ----------
    tokens : TokenSequence
        The tokens, and what each contributes.
    title, subtitle : str
        Two lines above.

    Returns
    -------
    (height, width, 3) uint8
    """
    with house_style():
        return render(token_figure(tokens, title, subtitle))


def token_figure(tokens: TokenSequence, title: str = "", subtitle: str = "") -> Figure:
    """Build the matplotlib figure that `token_chart` renders."""
    count, values = len(tokens.names), tokens.contributions
    bar = bool(np.isfinite(values).any())
    wide = _WIDTH - 2 * MARGIN
    widest = max(font(110).getlength(shorten(name, 11.0, _WIDEST_CELL)) for name in tokens.names) / 720 + 0.16
    cell = min(max(widest, _NARROWEST_CELL), _WIDEST_CELL)
    columns = min(int((wide - 0.5) // cell), count)
    if columns > 10:  # a reader counts whole tens more easily
        columns -= columns % 10 if columns < count else 0
    lines = math.ceil(count / columns)
    if lines > _MOST_LINES:
        lines = _MOST_LINES
        note = f"the first {lines * columns} of {count} shown"
        subtitle = f"{subtitle} · {note}" if subtitle else note
    height = _TALL if tokens.ids else _LOW
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
                edgecolor=INK if place in tokens.kept else HAIRLINE,
                linewidth=1.4 if place in tokens.kept else 0.8,
                linestyle="--" if place in tokens.kept else "-",
            )
            axes.add_patch(frame)
            ink = "white" if float(color @ (0.299, 0.587, 0.114)) < 0.5 else INK
            name = shorten(tokens.names[place], 11.0, cell - 0.1)
            axes.text(
                column + 0.5,
                line + (0.38 if tokens.ids else 0.5),
                name,
                fontsize=11,
                color=ink,
                ha="center",
                va="center",
            )
            if tokens.ids:
                axes.text(
                    column + 0.5,
                    line + 0.74,
                    str(tokens.ids[place]),
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
            _draw_bar(figure, top + lines * height + 0.22, limit, tokens.label)
    return figure


def _color(value: float, limit: float) -> NDArray[np.float64]:
    """Return the color of a contribution as three numbers of 0 to 1: red for a contribution that raises the score."""
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
