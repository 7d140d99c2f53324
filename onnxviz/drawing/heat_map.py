"""The chart of a two-dimensional input that is no picture: time by frequency, channel by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnxviz.drawing.colors import INK, MUTED
from onnxviz.drawing.figures import MARGIN, header_height, house_style, new_figure, panel, render, shorten
from onnxviz.drawing.pictures import Picture, diverging_colors, sequential_colors
from onnxviz.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 11.0
_MOST_NAMES = 40
_UPRIGHT = 0.75  # inches more height for names that are turned upright


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A plane of values, with what its rows, its columns and its colors mean.

    Attributes
    ----------
    values : (row, column)
        In the model's own units. A value that is no number leaves its cell empty.
    rows, columns : str
        What the axes are, with their units: "frequency (Hz)".
    row_range, column_range : (float, float), optional
        The places of the first and the last row or column, in the units of the axis. Default: the numbers of the rows or
        columns.
    row_names, column_names : sequence of str
        Names in place of the numbers of the rows or columns. They are drawn where there are at most 40.
    scale : {"diverging", "sequential"}, optional
        Default: diverging where there are values on both sides of zero.
    limits : (low, high), optional
        The values at the ends of the color scale. A diverging scale uses the larger magnitude on both sides. Default: the
        least and the largest value.
    label : str
        What the colors stand for, with its unit.
    upward : bool
        Whether the first row is at the bottom, as is usual for frequencies.

    Raises
    ------
    DataError
        If the array is no plane or has no finite value, or if names or limits do not fit the array.
    """

    values: ArrayLike
    rows: str = "row"
    columns: str = "column"
    row_range: tuple[float, float] | None = None
    column_range: tuple[float, float] | None = None
    row_names: Sequence[str] = ()
    column_names: Sequence[str] = ()
    scale: Literal["diverging", "sequential"] | None = None
    limits: tuple[float, float] | None = None
    label: str = ""
    upward: bool = False

    def __post_init__(self) -> None:
        cells = self.cells
        if cells.ndim != 2 or not np.isfinite(cells).any():
            raise DataError(
                f"an array of shape {cells.shape} cannot be drawn; (row, column) with some finite values can"
            )
        for names, count, what in (
            (self.row_names, len(cells), "rows"),
            (self.column_names, cells.shape[1], "columns"),
        ):
            if names and len(names) != count:
                raise DataError(f"{len(names)} names were given for {count} {what}")
        low, high = self._ends()
        if not -np.inf < low <= high < np.inf:
            raise DataError(
                f"a color scale cannot reach from {low} to {high}; give finite limits, the smaller one first"
            )

    @property
    def cells(self) -> NDArray[np.float64]:
        """The values as an array of float64."""
        return np.asarray(self.values, dtype=np.float64)

    @property
    def diverging(self) -> bool:
        """Whether the color scale has zero in its middle."""
        low, high = self._ends()
        return low < 0 < high if self.scale is None else self.scale == "diverging"

    def color_range(self) -> tuple[float, float]:
        """Return the values at the ends of the color scale, the lower end first."""
        low, high = self._ends()
        if self.diverging:
            high = max(abs(low), abs(high))
            low = -high
        # A constant is visible on any scale around it.
        return (low - 0.5, high + 0.5) if low == high else (low, high)

    def _ends(self) -> tuple[float, float]:
        """Return the limits, or the least and the largest finite value."""
        if self.limits is not None:
            return self.limits
        finite = self.cells[np.isfinite(self.cells)]
        return float(finite.min()), float(finite.max())


def heat_map(plane: Plane, title: str = "", subtitle: str = "") -> Picture:
    """Draw a plane of values as colors, with axes and a color bar.

    Parameters
    ----------
    plane : Plane
        The values, and what their rows, columns and colors mean.
    title, subtitle : str
        Two lines above.

    Returns
    -------
    (height, width, 3) uint8
    """
    with house_style():
        return render(heat_figure(plane, title, subtitle))


def heat_figure(plane: Plane, title: str = "", subtitle: str = "") -> Figure:
    """Build the matplotlib figure that `heat_map` renders."""
    cells = plane.cells
    low, high = plane.color_range()
    top = header_height(title, subtitle) + 0.2
    height = float(np.clip(len(cells) * 0.25, 2.2, 6.0))
    named = 0 < len(plane.column_names) <= _MOST_NAMES
    left = MARGIN + (1.75 if plane.row_names and len(plane.row_names) <= _MOST_NAMES else 0.75)
    with house_style():
        from matplotlib.colors import ListedColormap, Normalize
        from matplotlib.ticker import MaxNLocator

        figure = new_figure(_WIDTH, top + height + 0.85 + (_UPRIGHT if named else 0.0), title, subtitle)
        wide = _WIDTH - left - MARGIN - 1.25
        axes = panel(figure, left, top, wide, height)
        colors = (diverging_colors() if plane.diverging else sequential_colors()) / 255
        drawn = axes.imshow(
            np.ma.masked_invalid(cells),
            cmap=ListedColormap(colors),
            norm=Normalize(low, high),
            aspect="auto",
            origin="lower" if plane.upward else "upper",
            extent=_extent(plane),
        )
        axes.set_xlabel(shorten(plane.columns, 9.5, wide))
        axes.set_ylabel(shorten(plane.rows, 9.5, height))
        # Where cells are counted, a tick between two cells has no meaning.
        for axis, span in ((axes.xaxis, plane.column_range), (axes.yaxis, plane.row_range)):
            if span is None:
                axis.set_major_locator(MaxNLocator(integer=True, nbins="auto", min_n_ticks=1))
        if plane.row_names and len(plane.row_names) <= _MOST_NAMES:
            first, last = plane.row_range or (0.0, len(cells) - 1.0)
            places = np.linspace(first, last, len(cells))
            axes.set_yticks(places, [shorten(name, 9.0, 1.4) for name in plane.row_names], color=INK)
        if named:
            first, last = plane.column_range or (0.0, cells.shape[1] - 1.0)
            places = np.linspace(first, last, cells.shape[1])
            axes.set_xticks(places, [shorten(name, 9.0, 1.0) for name in plane.column_names], color=INK, rotation=90)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        bar = figure.colorbar(drawn, cax=panel(figure, left + wide + 0.25, top, 0.16, height))
        bar.set_label(shorten(plane.label, 9.5, height), color=MUTED)
        bar.outline.set_visible(False)
    return figure


def _extent(plane: Plane) -> tuple[float, float, float, float]:
    """Return the outer edges of the first and the last cells: left, right, bottom, top."""
    edges = []
    for length, ends in ((plane.cells.shape[1], plane.column_range), (len(plane.cells), plane.row_range)):
        first, last = ends if ends is not None else (0, length - 1)
        half = (last - first) / (length - 1) / 2 if length > 1 else 0.5
        edges.append((first - half, last + half))
    (left, right), (first, last) = edges
    return (left, right, first, last) if plane.upward else (left, right, last, first)
