"""The chart of an attribution over features: a row for each feature, a column of bars for each method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.drawing.attribution_panels import CURVES_NOTE, Panel, draw_curves
from onnxviz.drawing.captions import font
from onnxviz.drawing.colors import BLUE, INK, MUTED, VERMILION
from onnxviz.drawing.figures import MARGIN, header_height, house_style, new_figure, panel, render, shorten
from onnxviz.drawing.pictures import Picture
from onnxviz.errors import DataError
from onnxviz.wording import number_text, quoted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_ROWS, _SHOWN_ROWS = 40, 30
_ROW, _NAMES, _VALUES = 0.25, 2.4, 1.5


def attribution_bars(
    values: NDArray[Any],
    baseline: NDArray[Any],
    panels: Sequence[Panel],
    names: Sequence[str] = (),
    title: str = "",
    subtitle: str = "",
    texts: tuple[Sequence[str], Sequence[str]] = ((), ()),
) -> Picture:
    """Draw a row for each feature: its name, its value, its baseline, and a bar for each method.

    Parameters
    ----------
    values, baseline : (feature,)
        The input and the baseline, in the model's own units.
    panels : sequence of Panel
        One for each method, with values of (feature,). The magnitudes of the first panel settle the order. Of more than 40
        features the first 30 are shown.
    names : sequence of str
        One per feature. Default: the features' numbers.
    title, subtitle : str
        Two lines above.
    texts : pair of sequence of str
        For values and for baseline: the text that a feature's number stands for; "" for a number.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    DataError
        If arrays or names do not fit one another.
    """
    if any(np.shape(shown.values) != np.shape(values) for shown in panels) or (names and len(names) != len(values)):
        raise DataError(f"each of the {len(values)} features needs a name and an attribution by each method")
    values, baseline = np.asarray(values), np.asarray(baseline)
    with house_style():
        order = np.argsort(-np.abs(np.asarray(panels[0].values, np.float64)), kind="stable")
        if len(order) > _MOST_ROWS:
            order = order[:_SHOWN_ROWS]
            more = f"{len(order)} of {len(values)} features, the strongest by {panels[0].title} first"
            subtitle = f"{subtitle} · {more}" if subtitle else more
        labels = [shorten(str(names[one]) if names else f"[{one}]", 9.0, _NAMES) for one in order]
        left = MARGIN + 0.1 + max(max(font(90).getlength(label) for label in labels) / 720, 0.4)
        bars = left + _VALUES
        curved = any(shown.curves for shown in panels)
        each = float(np.clip(9.5 / len(panels), 1.9, 5.0))
        whole = max(bars + len(panels) * (each + 0.25) + MARGIN, 7.6)
        top = header_height(title, subtitle) + 0.5
        tall = len(order) * _ROW
        height = top + tall + 0.75 + (1.75 if curved else 0.0)
        figure = new_figure(whole, height, title, subtitle)
        _draw_numbers(
            figure, left, top, whole, height, order, labels, _shown(values, texts[0]), _shown(baseline, texts[1])
        )
        for number, shown in enumerate(panels):
            place = bars + number * (each + 0.25)
            _draw_bars(panel(figure, place, top, each, tall), shown, order, each)
            if shown.curves is not None:
                draw_curves(figure, place + 0.2, top + tall + 0.95, each - 0.25, 1.0, shown.curves)
        if curved:
            note = shorten(CURVES_NOTE.partition(". ")[2], 7.5, whole - 2 * MARGIN)
            figure.text(MARGIN / whole, 0.16 / height, note, fontsize=7.5, color=MUTED)
        return render(figure)


def _draw_bars(axes: Axes, shown: Panel, order: NDArray[np.intp], wide: float) -> None:
    lengths = np.asarray(shown.values, np.float64)[order]
    axes.barh(
        np.arange(len(order)), lengths, height=0.6, color=[VERMILION if one >= 0 else BLUE for one in lengths], zorder=2
    )
    axes.axvline(0, color=MUTED, linewidth=0.8, zorder=3)
    axes.set_ylim(len(order) - 0.5, -0.5)
    reach = float(np.abs(lengths).max()) or 1.0
    axes.set_xlim(min(0.0, float(lengths.min())) - 0.05 * reach, max(0.0, float(lengths.max())) + 0.05 * reach)
    axes.set_yticks([])
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(labelsize=8)
    axes.set_xlabel(shorten(shown.unit, 8.0, wide), fontsize=8)
    axes.set_title(shorten(shown.title, 9.5, wide), loc="left", fontsize=9.5, color=INK, pad=5)


def _draw_numbers(
    figure: Figure,
    left: float,
    top: float,
    whole: float,
    height: float,
    order: NDArray[np.intp],
    labels: Sequence[str],
    values: Sequence[str],
    baseline: Sequence[str],
) -> None:
    columns = (("value", values, left + 0.65, INK), ("baseline", baseline, left + 1.35, MUTED))
    for heading, _, right, _ in columns:
        figure.text(right / whole, 1 - (top - 0.12) / height, heading, fontsize=8, color=MUTED, ha="right", va="center")
    for row, one in enumerate(order):
        middle = 1 - (top + (row + 0.5) * _ROW) / height
        figure.text((left - 0.08) / whole, middle, labels[row], fontsize=9, color=INK, ha="right", va="center")
        for _, shown, right, color in columns:
            text = shorten(shown[one], 8.5, 0.65)
            figure.text(right / whole, middle, text, fontsize=8.5, color=color, ha="right", va="center")


def _shown(numbers: NDArray[Any], texts: Sequence[str]) -> list[str]:
    """Return the words for a feature's values: a text, a number, or that it is missing."""
    words = texts or [""] * len(numbers)
    return [
        quoted(word) if word else "missing" if np.isnan(number) else number_text(float(number), 3)
        for number, word in zip(numbers, words, strict=True)
    ]
