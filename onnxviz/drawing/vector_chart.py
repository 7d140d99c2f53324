"""The chart of a vector input: for each feature a bar from the mean to the value found, and the feature's contribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onnxviz.drawing.captions import font
from onnxviz.drawing.colors import BLUE, GREEN, HAIRLINE, INK, MUTED, ORANGE, PURPLE, VERMILION
from onnxviz.drawing.feature_vector import FeatureVector
from onnxviz.drawing.figures import MARGIN, header_height, house_style, new_figure, panel, render, shorten
from onnxviz.drawing.pictures import Picture
from onnxviz.wording import number_text

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _NAMES, _NUMBERS, _ROW = 10.5, 2.6, 1.9, 0.27
_BOUNDED_NUMBERS = 2.3
_STRIP = 0.8
_DROPS = 2.3
# The marks of real samples differ in shape and in color.
_ROW_MARKS = (("^", GREEN), ("s", PURPLE), ("v", ORANGE))


def vector_chart(vector: FeatureVector, title: str = "", subtitle: str = "") -> Picture:
    """Draw a vector input as a bar chart.

    Each feature has a row. It shows the feature's name; a bar from the mean to the value; the bounds as a line behind the bar; a
    dot for every restart; a diamond at the start of the search; marks for real samples; the value and the mean in the model's own
    units; and what the feature contributes to the score. Of more than 40 features only 30 have a row: those that contribute most
    or lie farthest from the mean. Below them a strip shows all features.

    Parameters
    ----------
    vector : FeatureVector
        The vector, and what is known of its features.
    title, subtitle : str
        Two lines above.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    DataError
        Raised by `FeatureVector`, if its arrays do not fit one another.
    """
    with house_style():
        return render(vector_figure(vector, title, subtitle))


def vector_figure(vector: FeatureVector, title: str = "", subtitle: str = "") -> Figure:
    """Build the matplotlib figure that `vector_chart` renders."""
    features = vector.shown()
    count, rows = np.size(vector.values), len(features)
    partial = rows < count
    if partial:
        first = f"farthest from {_place(vector)}"
        order = f"{rows} of {count} shown, the {first if vector.drops is None else 'largest contributions'} first"
        subtitle = f"{subtitle} · {order}" if subtitle else order
    names = [shorten(vector.name(int(feature)), 9.0, _NAMES) for feature in features]
    left = MARGIN + 0.1 + max(font(90).getlength(name) for name in names) / 720
    legend_rows = 1 + (vector.rows is not None)
    numbers = _BOUNDED_NUMBERS if vector.scaled else _NUMBERS
    wide = _WIDTH + (_DROPS + 0.25 if vector.drops is not None else 0.0)
    top = header_height(title, subtitle) + 0.28 + 0.24 * legend_rows
    bottom = 0.85 + (_STRIP + 0.75 if partial else 0.0)
    with house_style():
        figure = new_figure(wide, top + rows * _ROW + bottom, title, subtitle)
        axes = panel(figure, left, top, _WIDTH - left - MARGIN - numbers, rows * _ROW)
        _draw_rows(axes, vector, features)
        axes.set_yticks(np.arange(rows), names, color=INK)
        _draw_numbers(axes, vector, features)
        if vector.drops is not None:
            _draw_drops(panel(figure, wide - MARGIN - _DROPS, top, _DROPS, rows * _ROW), vector, features)
        if partial:
            top += rows * _ROW + 1.0
            _draw_strip(panel(figure, MARGIN + 0.4, top, wide - 2 * MARGIN - 0.4, _STRIP), vector, features)
    return figure


def _draw_rows(axes: Axes, vector: FeatureVector, features: NDArray[np.intp]) -> None:
    places = np.arange(len(features))
    origin = vector.origin()[features]
    lengths = vector.standardized(vector.values)[features] - origin
    reach = _reach(vector, features)
    axes.set_xlim(*reach)
    axes.set_ylim(len(features) - 0.5, -0.5)
    axes.grid(axis="x")
    handles = _draw_bounds(axes, vector, features, reach)
    colors = [VERMILION if length >= 0 else BLUE for length in lengths]
    axes.barh(places, lengths, height=0.56, left=origin, color=colors, zorder=2)
    if vector.scaled:
        axes.vlines(origin, places - 0.42, places + 0.42, color=MUTED, linewidth=1.0, zorder=3)
    else:
        axes.axvline(0, color=MUTED, linewidth=1.0, zorder=3)
    if vector.restarts is not None:
        dots = vector.standardized(vector.restarts)[:, features]
        rows = np.broadcast_to(places, dots.shape)
        handles.append(
            axes.scatter(
                dots,
                rows,
                s=13,
                facecolor="white",
                edgecolor=INK,
                linewidth=0.8,
                zorder=4,
                label=f"each of {len(dots)} restarts",
            )
        )
    if vector.start is not None:
        start = np.broadcast_to(vector.standardized(vector.start), np.shape(vector.values))[features]
        handles.append(axes.scatter(start, places, s=22, marker="D", color=INK, linewidth=0, zorder=4, label="start"))
    marks = _draw_real_rows(axes, vector, features, reach)
    for height, shown in ((1.0, handles), (1.0 + 0.24 / (_ROW * len(features)), marks)):
        if shown:
            # `add_artist` keeps the first legend when the second legend is made.
            axes.add_artist(
                axes.legend(
                    handles=shown,
                    numpoints=2 if shown is handles else 1,
                    loc="lower right",
                    bbox_to_anchor=(1.0 if shown is handles else 1.0 + _NUMBERS / 12, height),
                    ncols=len(shown),
                    columnspacing=1.2,
                    handletextpad=0.3 if shown is marks else 0.8,
                    borderaxespad=0.3,
                    frameon=False,
                    fontsize=9,
                )
            )
    if vector.scaled:
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["low", "", "middle", "", "high"])
        axes.set_xlabel("between the bounds of each feature, each on a scale of its own")
    else:
        sigma = "standard deviations from the mean"
        axes.set_xlabel(sigma if vector.std is not None else vector.units or "in the model's own units")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _draw_real_rows(
    axes: Axes, vector: FeatureVector, features: NDArray[np.intp], reach: tuple[float, float]
) -> list[Artist]:
    """Draw the marks of real samples, each sample a little lower than the one before it, so that none is hidden."""
    if vector.rows is None:
        return []
    places = np.arange(len(features))
    handles: list[Artist] = []
    rows = vector.standardized(vector.rows)[: len(_ROW_MARKS)]
    for number, (row, (shape, color)) in enumerate(zip(rows, _ROW_MARKS, strict=False)):
        name = vector.row_names[number] if vector.row_names else f"row {number}"
        height = places + 0.26 * (number - (len(rows) - 1) / 2)
        shown = (row[features] >= reach[0]) & (row[features] <= reach[1])
        handles.append(
            axes.scatter(
                row[features][shown],
                height[shown],
                s=20,
                marker=shape,
                facecolor=color,
                edgecolor="white",
                linewidth=0.6,
                zorder=5,
                label=shorten(name, 9.0, 2.8),
            )
        )
    return handles


def _draw_drops(axes: Axes, vector: FeatureVector, features: NDArray[np.intp]) -> None:
    """Draw each feature's contribution to the score, beside its row."""
    drops = np.asarray(vector.drops, dtype=np.float64)[features]
    measured = np.flatnonzero(np.isfinite(drops))
    colors = [INK if drop >= 0 else HAIRLINE for drop in drops[measured]]
    axes.barh(measured, drops[measured], height=0.4, color=colors, edgecolor=INK, linewidth=0.6, zorder=2)
    axes.axvline(0, color=MUTED, linewidth=1.0, zorder=3)
    axes.set_ylim(len(features) - 0.5, -0.5)
    ends = [float(drops[measured].min(initial=0)), float(drops[measured].max(initial=0))]
    if ends[0] == ends[1]:  # nothing but zeros
        ends[1] = 1.0
    room = 0.28 * (ends[1] - ends[0])
    axes.set_xlim(ends[0] - (room if ends[0] < 0 else 0), ends[1] + (room if ends[1] > 0 else 0))
    for place in measured:
        axes.annotate(
            number_text(float(drops[place]), 3),
            (drops[place], place),
            (4 if drops[place] >= 0 else -4, 0),
            textcoords="offset points",
            color=MUTED,
            fontsize=8.5,
            ha="left" if drops[place] >= 0 else "right",
            va="center",
        )
    axes.grid(axis="x")
    axes.locator_params(axis="x", nbins=4)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_title("contribution", loc="left", fontsize=9, color=MUTED, pad=5)
    axes.set_xlabel(f"score lost when it alone\ngoes back to {_place(vector)}")


def _place(vector: FeatureVector) -> str:
    """Return the name of the value that contributions are measured against."""
    if vector.std is not None:
        return "the mean"
    return "the middle" if vector.reference is not None and np.any(vector.reference) else "zero"


def _reach(vector: FeatureVector, features: NDArray[np.intp]) -> tuple[float, float]:
    """Return the ends of the axis, which hold all values and marks, and the bounds where these are not far away."""
    seen = [vector.origin()[features], vector.standardized(vector.values)[features]]
    if vector.restarts is not None:
        seen.append(vector.standardized(vector.restarts)[:, features].ravel())
    if vector.rows is not None:
        seen.append(vector.standardized(vector.rows)[: len(_ROW_MARKS), features].ravel())
    if vector.start is not None:
        seen.append(np.broadcast_to(vector.standardized(vector.start), np.shape(vector.values))[features])
    # A real sample may lack a value, and is finite elsewhere.
    seen = [part[np.isfinite(part)] for part in seen]
    least = min(float(part.min()) for part in seen if part.size)
    most = max(float(part.max()) for part in seen if part.size)
    if vector.scaled:
        return min(least, 0.0) - 0.03, max(most, 1.0) + 0.03
    if most == least:  # nothing but zeros
        return -1.0, 1.0
    span = most - least
    low, high = _bounds(vector, features)
    near = (low[low >= least - 0.6 * span], high[high <= most + 0.6 * span])
    least, most = min(least, near[0].min(initial=least)), max(most, near[1].max(initial=most))
    return least - 0.03 * span, most + 0.03 * span


def _bounds(vector: FeatureVector, features: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = (vector.standardized(end)[features] for end in vector.ends())
    return low, high


def _draw_bounds(
    axes: Axes, vector: FeatureVector, features: NDArray[np.intp], reach: tuple[float, float]
) -> list[Artist]:
    if vector.low is None and vector.high is None:
        return []
    from matplotlib.lines import Line2D

    places = np.arange(len(features))
    low, high = _bounds(vector, features)
    axes.hlines(places, np.clip(low, *reach), np.clip(high, *reach), color=HAIRLINE, linewidth=3.0, zorder=1)
    for ends in (low, high):
        inside = (ends >= reach[0]) & (ends <= reach[1])
        axes.scatter(ends[inside], places[inside], marker="|", s=60, color=MUTED, linewidth=1.2, zorder=3)
    return [
        Line2D([], [], color=HAIRLINE, linewidth=3.0, marker="|", markeredgecolor=MUTED, markersize=8, label="bounds")
    ]


def _draw_numbers(axes: Axes, vector: FeatureVector, features: NDArray[np.intp]) -> None:
    """Write each feature's value, and its mean, start or bounds, in columns to the right of the bars."""
    if vector.scaled:
        low, high = vector.ends()
        spans = [_bounds_text(vector, int(feature), float(low[feature]), float(high[feature])) for feature in features]
        values = np.asarray(vector.values, dtype=np.float64)
        found = [_value_text(vector, int(feature), float(values[feature])) for feature in features]
        _write_column(axes, 0.75, ["value", *found], INK)
        _write_column(axes, _BOUNDED_NUMBERS - 0.05, ["bounds", *spans], MUTED)
        return
    columns = [("value", np.asarray(vector.values, dtype=np.float64), INK)]
    if vector.std is not None:
        columns.append(
            ("mean", np.broadcast_to(np.asarray(vector.mean, dtype=np.float64), np.shape(vector.values)), MUTED)
        )
    elif vector.start is not None:
        columns.append(
            ("start", np.broadcast_to(np.asarray(vector.start, dtype=np.float64), np.shape(vector.values)), MUTED)
        )
    for number, (heading, values, color) in enumerate(columns):
        texts = [heading, *(_value_text(vector, int(feature), float(values[feature])) for feature in features)]
        _write_column(axes, 0.95 + 0.9 * number, texts, color)


def _value_text(vector: FeatureVector, feature: int, value: float) -> str:
    text = vector.text(feature, value)
    return shorten(text, 9.0, 0.85) if text else number_text(value, 4)


def _bounds_text(vector: FeatureVector, feature: int, low: float, high: float) -> str:
    known = vector.texts[feature] if vector.texts else ()
    return f"{len(known)} text{'s' * (len(known) != 1)}" if known else _span(low, high)


def _span(low: float, high: float) -> str:
    return number_text(low, 3) if low == high else f"{number_text(low, 3)} to {number_text(high, 3)}"


def _write_column(axes: Axes, right: float, texts: Sequence[str], color: str) -> None:
    """Write a heading and a text for each row, which end `right` inches to the right of the bars."""
    for row, text in enumerate(texts, -1):
        axes.annotate(
            text,
            (1, row),
            (right * 72, 0),
            ("axes fraction", "data"),
            "offset points",
            color=MUTED if row < 0 else color,
            fontsize=9,
            ha="right",
            va="center",
            annotation_clip=False,
        )


def _draw_strip(axes: Axes, vector: FeatureVector, features: NDArray[np.intp]) -> None:
    lengths = vector.standardized(vector.values) - vector.origin()
    colors = np.full(lengths.size, MUTED, dtype=object)
    colors[features] = [VERMILION if length >= 0 else BLUE for length in lengths[features]]
    # The strip has one zero line even where features have scales of their own: it shows how far each value moved.
    axes.vlines(np.arange(lengths.size), 0, lengths, colors=list(colors), linewidth=max(0.6, 300 / lengths.size))
    axes.axhline(0, color=MUTED, linewidth=0.6)
    axes.set_xlim(-1, lengths.size)
    axes.set_xlabel(f"all {lengths.size} features in their own order; those shown above in color")
