"""The chart of traces: the answers of units along time or a sequence, below the signal that they answer to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnxviz.drawing.colors import BLUE, HAIRLINE, INK, VERMILION
from onnxviz.drawing.figures import MARGIN, header_height, house_style, new_figure, panel, render, shorten
from onnxviz.drawing.pictures import Picture
from onnxviz.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 11.0
_MOST_ROWS = 16
_MOST_POINTS = 4000


@dataclass(frozen=True, slots=True, eq=False)
class Traces:
    """The answers of several units along time or along a sequence, and the signal that they answer to.

    Attributes
    ----------
    values : (unit, step)
        The answers of at most 16 units. Zero is drawn as a gray line.
    names : sequence of str
        One per unit.
    signal : (channel, sample), optional
        The signal that the units answer to. Every trace is spread over its whole length.
    rate : float, optional
        The signal's samples per second.
    step : str
        The name of the axis that the traces run along, where there is no signal.

    Raises
    ------
    DataError
        If the arrays have other shapes, or hold values that are not finite.
    """

    values: ArrayLike
    names: Sequence[str]
    signal: ArrayLike | None = None
    rate: float | None = None
    step: str = "step"

    def __post_init__(self) -> None:
        rows, above = self.rows, self.channels
        if rows.ndim != 2 or not 0 < len(rows) <= _MOST_ROWS or not rows.size or len(self.names) != len(rows):
            raise DataError(
                f"{len(self.names)} names for an array of shape {rows.shape}: give 1 to {_MOST_ROWS} traces and a name for each"
            )
        if not np.isfinite(rows).all() or (above is not None and not np.isfinite(above).all()):
            raise DataError("the traces have values that are not finite, so they cannot be drawn")

    @property
    def rows(self) -> NDArray[np.float64]:
        """The values as (unit, step) float64."""
        return np.asarray(self.values, np.float64)

    @property
    def channels(self) -> NDArray[np.float64] | None:
        """The signal as (channel, sample) float64."""
        return None if self.signal is None else np.atleast_2d(np.asarray(self.signal, np.float64))


def trace_chart(traces: Traces, title: str = "", subtitle: str = "") -> Picture:
    """Draw traces beneath one another, each in its own scale, and the signal above them.

    Parameters
    ----------
    traces : Traces
        The answers, and the signal that they answer to.
    title, subtitle : str
        Two lines above.

    Returns
    -------
    (height, width, 3) uint8
    """
    with house_style():
        return render(trace_figure(traces, title, subtitle))


def trace_figure(traces: Traces, title: str = "", subtitle: str = "") -> Figure:
    """Build the matplotlib figure that `trace_chart` renders."""
    rows, above, rate = traces.rows, traces.channels, traces.rate
    length = rows.shape[1] if above is None else above.shape[1]
    unit, label = (1.0, traces.step if above is None else "sample")
    if above is not None and rate is not None:
        unit, label = (1 / rate, "seconds") if length / rate >= 1 else (1e3 / rate, "milliseconds")
    height, gap, high = 0.62, 0.3, 1.25
    top = header_height(title, subtitle) + 0.3
    left = MARGIN + 0.75
    wide = _WIDTH - left - MARGIN
    tall = top + len(rows) * (height + gap) + (high + gap if above is not None else 0) + 0.5
    with house_style():
        figure = new_figure(_WIDTH, tall, title, subtitle)
        if above is not None:
            axes = panel(figure, left, top, wide, high)
            for channel in above[:4]:
                _draw(axes, channel, length, unit, BLUE)
            axes.set_title("input", loc="left", fontsize=9, color=INK, pad=3)
            axes.tick_params(labelbottom=False)
            top += high + gap
        for number, (row, name) in enumerate(zip(rows, traces.names, strict=True)):
            axes = panel(figure, left, top + number * (height + gap), wide, height)
            _draw(axes, row, length, unit, VERMILION)
            axes.set_title(shorten(name, 9.0, wide), loc="left", fontsize=9, color=INK, pad=3)
            axes.tick_params(labelbottom=number == len(rows) - 1)
        axes.set_xlabel(label)
    return figure


def _draw(axes: Axes, values: NDArray[np.float64], length: int, unit: float, color: str) -> None:
    """Draw values spread over `length` samples; each value stands in the middle of the samples that it belongs to."""
    axes.axhline(0, color=HAIRLINE, linewidth=1.0)
    share = length / len(values)
    if len(values) > _MOST_POINTS:
        starts = np.linspace(0, len(values), _MOST_POINTS // 2, endpoint=False).astype(np.intp)
        low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
        axes.fill_between((starts + 0.5) * share * unit, low, high, color=color, linewidth=0.6)
    else:
        places = (np.arange(len(values)) + 0.5) * share * unit
        axes.plot(places, values, color=color, linewidth=1.1, marker="." if len(values) <= 40 else None)
    axes.set_xlim(0, max(length * unit, 1e-12))
    axes.locator_params(axis="y", nbins=3)
    axes.margins(y=0.1)
