"""The picture of an attribution over pixels, or over a plane with two axes: the input, and a map for each method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.drawing.attribution_panels import CURVES_NOTE, Panel, draw_bar, draw_curves, overlay
from onnxviz.drawing.colors import HAIRLINE, INK, MUTED
from onnxviz.drawing.figures import MARGIN, header_height, house_style, new_figure, panel, render, shorten
from onnxviz.drawing.pictures import Picture, sequential
from onnxviz.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL, _GAP, _COLUMNS = 3.1, 0.42, 5
_BAR, _CURVES = 0.55, 1.25
_PAPER = 236


def attribution_maps(
    background: Picture,
    panels: Sequence[Panel],
    title: str = "",
    subtitle: str = "",
    axes: tuple[str, str] | None = None,
    caption: str = "the input",
) -> Picture:
    """Draw the input and, beside it, a map for each method: the input in light gray under the method's values.

    Parameters
    ----------
    background : (height, width, 3) uint8
        The input, in colors.
    panels : sequence of Panel
        One for each method, with values of (height, width).
    title, subtitle : str
        Two lines above.
    axes : (str, str), optional
        The names of the rows and of the columns, where the input is no picture. The maps are then drawn on white.
    caption : str
        The line above the input.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    DataError
        If a map has another size than the input.
    """
    for given in panels:
        if np.shape(given.values) != background.shape[:2]:
            raise DataError(
                f"{given.title}: a map of shape {np.shape(given.values)} does not fit a picture of {background.shape[:2]}"
            )
    with house_style():
        height, width = background.shape[:2]
        tall = _CELL * height / width
        wide = _CELL
        if axes is not None:
            tall = float(np.clip(tall, 1.6, 3.1))
        elif tall > 1.3 * _CELL:
            tall, wide = 1.3 * _CELL, 1.3 * _CELL * width / height
        columns = min(_COLUMNS, 1 + len(panels))
        rows = -(-(1 + len(panels)) // columns)
        curved = any(shown.curves for shown in panels)
        pitch = 0.3 + tall + _BAR + (_CURVES + 0.15 if curved else 0.0) + (0.2 if axes else 0.0)
        # The name of the rows and their numbers need room on the left.
        beside = 0.4 if axes else 0.0
        cell = max(wide, 2.2) + beside
        whole = max(2 * MARGIN + columns * cell + (columns - 1) * _GAP + 0.1, 7.6)
        top = header_height(title, subtitle) + 0.1
        figure = new_figure(whole, top + rows * pitch + MARGIN + (0.2 if curved else 0.0), title, subtitle)
        paper = np.full(background.shape, 255, np.uint8)
        for number in range(1 + len(panels)):
            row, column = divmod(number, columns)
            left, upper = MARGIN + beside + column * (cell + _GAP), top + row * pitch + 0.3
            place = panel(figure, left, upper, wide, tall)
            shown = panels[number - 1] if number else None
            picture = background
            if shown is not None:
                picture = overlay(paper if axes else background, shown.values, shown.signed, shown.limit)
            _show(place, picture, shown.title if shown else caption, axes, wide)
            if shown is None:
                continue
            below = upper + tall + (0.32 if axes else 0.08)
            draw_bar(figure, left, below, wide, shown)
            if shown.curves is not None:
                draw_curves(figure, left + 0.25, below + _BAR + 0.12, cell - beside - 0.3, _CURVES - 0.35, shown.curves)
        if curved:
            note = shorten(CURVES_NOTE, 7.5, whole - 2 * MARGIN)
            figure.text(MARGIN / whole, 0.18 / figure.get_figheight(), note, fontsize=7.5, color=MUTED)
        return render(figure)


def plane_picture(plane: NDArray[Any]) -> Picture:
    """Draw a plane of values in the colors of viridis; the lowest and the highest half percent are clipped."""
    low, high = (float(one) for one in np.percentile(plane, [0.5, 99.5]))
    return sequential(plane, low, high)


def _show(place: Axes, picture: Picture, title: str, axes: tuple[str, str] | None, wide: float) -> None:
    place.imshow(picture, aspect="auto", interpolation="nearest" if max(picture.shape[:2]) <= 400 else "antialiased")
    place.set_title(shorten(title, 9.0, wide), loc="left", fontsize=9, color=INK, pad=4)
    for spine in place.spines.values():
        spine.set_visible(True)
        spine.set_color(HAIRLINE)
    if axes is None:
        place.set_xticks([])
        place.set_yticks([])
        return
    place.tick_params(labelsize=7.5, length=2, pad=2)
    place.locator_params(nbins=5)
    place.set_ylabel(shorten(axes[0], 7.5, 2.0), fontsize=7.5, labelpad=1)
    place.set_xlabel(shorten(axes[1], 7.5, wide), fontsize=7.5, labelpad=1)
