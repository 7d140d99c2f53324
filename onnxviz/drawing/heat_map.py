"""The chart of a two-dimensional input that is no picture: time by frequency, channel by time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from onnxviz.drawing.colors import INK, MUTED
from onnxviz.drawing.figures import MARGIN, header_height, house_style, new_figure, panel, render, shorten
from onnxviz.drawing.pictures import Picture, diverging_colors, sequential_colors
from onnxviz.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 11.0
_MOST_NAMES = 40
_UPRIGHT = 0.75  # inches more, for names that stand on end


def heat_map(
    array: ArrayLike,
    rows: str = "row",
    columns: str = "column",
    row_range: tuple[float, float] | None = None,
    column_range: tuple[float, float] | None = None,
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    scale: Literal["diverging", "sequential"] | None = None,
    limits: tuple[float, float] | None = None,
    label: str = "",
    upward: bool = False,
    title: str = "",
    subtitle: str = "",
) -> Picture:
    """Draw a plane of values as colors, with axes and a color bar.

    Parameters
    ----------
    array : (row, column)
        In the model's own units. What is no number stays empty.
    rows, columns : str
        What the axes are, with their units: "frequency (Hz)".
    row_range, column_range : (float, float), optional
        The places of the first and the last row or column, in those units; by default their numbers.
    row_names, column_names : sequence of str
        Names in place of the rows' or the columns' numbers, where there are at most 40.
    scale : {"diverging", "sequential"}, optional
        By default diverging where there are values on both sides of zero.
    limits : (low, high), optional
        The values at the ends of the scale; of a diverging one the larger magnitude counts on both sides. By default
        the array's own.
    label : str
        What the colors stand for, with its unit.
    upward : bool
        Whether the first row is at the bottom, as frequencies want it.
    title, subtitle : str
        Two lines above.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    DataError
        The array is no plane or has no finite value, or names or limits do not fit it.
    """
    with house_style():
        return render(
            heat_figure(
                array,
                rows,
                columns,
                row_range,
                column_range,
                row_names,
                column_names,
                scale,
                limits,
                label,
                upward,
                title,
                subtitle,
            )
        )


def heat_figure(
    array: ArrayLike,
    rows: str = "row",
    columns: str = "column",
    row_range: tuple[float, float] | None = None,
    column_range: tuple[float, float] | None = None,
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    scale: Literal["diverging", "sequential"] | None = None,
    limits: tuple[float, float] | None = None,
    label: str = "",
    upward: bool = False,
    title: str = "",
    subtitle: str = "",
) -> Figure:
    """Build what `heat_map` draws, as a matplotlib figure."""
    plane = np.asarray(array, dtype=np.float64)
    if plane.ndim != 2 or not np.isfinite(plane).any():
        raise DataError(f"an array of shape {plane.shape} cannot be drawn; (row, column) with some finite values can")
    if row_names and len(row_names) != len(plane):
        raise DataError(f"{len(row_names)} names were given for {len(plane)} rows")
    if column_names and len(column_names) != plane.shape[1]:
        raise DataError(f"{len(column_names)} names were given for {plane.shape[1]} columns")
    finite = plane[np.isfinite(plane)]
    low, high = limits if limits is not None else (float(finite.min()), float(finite.max()))
    if not -np.inf < low <= high < np.inf:
        raise DataError(f"a color scale cannot reach from {low} to {high}; give finite limits, the smaller one first")
    if scale is None:
        scale = "diverging" if low < 0 < high else "sequential"
    if scale == "diverging":
        high = max(abs(low), abs(high))
        low = -high
    if low == high:  # a constant: any scale around it shows it
        low, high = low - 0.5, high + 0.5

    top = header_height(title, subtitle) + 0.2
    height = float(np.clip(len(plane) * 0.25, 2.2, 6.0))
    named = 0 < len(column_names) <= _MOST_NAMES
    left = MARGIN + (1.75 if row_names and len(row_names) <= _MOST_NAMES else 0.75)
    with house_style():
        from matplotlib.colors import ListedColormap, Normalize
        from matplotlib.ticker import MaxNLocator

        figure = new_figure(_WIDTH, top + height + 0.85 + (_UPRIGHT if named else 0.0), title, subtitle)
        wide = _WIDTH - left - MARGIN - 1.25
        axes = panel(figure, left, top, wide, height)
        colors = (diverging_colors() if scale == "diverging" else sequential_colors()) / 255
        drawn = axes.imshow(
            np.ma.masked_invalid(plane),
            cmap=ListedColormap(colors),
            norm=Normalize(low, high),
            aspect="auto",
            origin="lower" if upward else "upper",
            extent=_extent(plane.shape, row_range, column_range, upward),
        )
        axes.set_xlabel(shorten(columns, 9.5, wide))
        axes.set_ylabel(shorten(rows, 9.5, height))
        # Where cells are counted, there is none between two of them.
        for axis, span in ((axes.xaxis, column_range), (axes.yaxis, row_range)):
            if span is None:
                axis.set_major_locator(MaxNLocator(integer=True, nbins="auto", min_n_ticks=1))
        if row_names and len(row_names) <= _MOST_NAMES:
            first, last = row_range or (0.0, len(plane) - 1.0)
            places = np.linspace(first, last, len(plane))
            axes.set_yticks(places, [shorten(name, 9.0, 1.4) for name in row_names], color=INK)
        if named:
            first, last = column_range or (0.0, plane.shape[1] - 1.0)
            places = np.linspace(first, last, plane.shape[1])
            axes.set_xticks(places, [shorten(name, 9.0, 1.0) for name in column_names], color=INK, rotation=90)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        bar = figure.colorbar(drawn, cax=panel(figure, left + wide + 0.25, top, 0.16, height))
        bar.set_label(shorten(label, 9.5, height), color=MUTED)
        bar.outline.set_visible(False)
    return figure


def _extent(
    shape: tuple[int, ...],
    row_range: tuple[float, float] | None,
    column_range: tuple[float, float] | None,
    upward: bool,
) -> tuple[float, float, float, float]:
    """Give the outer edges of the first and the last cells: left, right, bottom, top."""
    edges = []
    for length, ends in ((shape[1], column_range), (shape[0], row_range)):
        first, last = ends if ends is not None else (0, length - 1)
        half = (last - first) / (length - 1) / 2 if length > 1 else 0.5
        edges.append((first - half, last + half))
    (left, right), (first, last) = edges
    return (left, right, first, last) if upward else (left, right, last, first)
