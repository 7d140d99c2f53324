"""Point clouds: three views along the axes, colored by depth or by the value of each point, and a small tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.drawing.attribution_panels import CURVES_NOTE, Panel, draw_bar, draw_curves, overlay
from onnxviz.drawing.colors import HAIRLINE, INK, MUTED
from onnxviz.drawing.figures import MARGIN, header_height, house_style, new_figure, panel, render, shorten
from onnxviz.drawing.pictures import Picture, sequential_colors
from onnxviz.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIDE, _GAP, _CURVES = 3.1, 0.55, 2.3
_TILE = 320
_VIEWS = (("top", 0, 1, 2), ("front", 0, 2, 1), ("side", 1, 2, 0))
"""The name of each view, the axes to the right and up, and the axis along which one looks."""

_NAMES = "xyz"
_PAPER = 110
_TURN, _TILT = np.radians(35.0), np.radians(22.0)


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """Points and how they are colored.

    Attributes
    ----------
    points : (point, number) ndarray
        The place of each point is its first three numbers.
    panel : Panel, optional
        A value for each point, with its name, unit and curves. Without it, points are colored by their depth.
    """

    points: NDArray[Any]
    panel: Panel | None = None


def point_cloud(clouds: Sequence[Cloud], title: str = "", subtitle: str = "") -> Picture:
    """Draw each cloud from above, from the front and from the side, all in one scale.

    Parameters
    ----------
    clouds : sequence of Cloud
        At least one; each is a row of three views.
    title, subtitle : str
        Two lines above.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    DataError
        If a cloud is no array of at least one point of finite numbers.
    """
    for one in clouds:
        places = np.asarray(one.points)
        if places.ndim != 2 or not places.size or places.shape[1] < 3 or not np.isfinite(places).all():
            raise DataError(f"an array of shape {places.shape} is no cloud of finite points; (point, 3 or more) is")
    curved = any(one.panel is not None and one.panel.curves is not None for one in clouds)
    pitch = 0.35 + _SIDE + 0.85
    top = header_height(title, subtitle) + 0.1
    width = 2 * MARGIN + 0.35 + 3 * _SIDE + 2 * _GAP + (_CURVES + 0.7 if curved else 0.2)
    with house_style():
        figure = new_figure(width, top + len(clouds) * pitch + MARGIN, title, subtitle)
        for number, one in enumerate(clouds):
            upper = top + number * pitch + 0.35
            places = np.asarray(one.points, np.float64)[:, :3]
            middle = (places.max(0) + places.min(0)) / 2
            reach = 0.53 * float(np.ptp(places, axis=0).max()) or 1.0
            head = one.panel.title if one.panel is not None else ""
            for column, (view, right, up, along) in enumerate(_VIEWS):
                left = MARGIN + 0.35 + column * (_SIDE + _GAP)
                axes = panel(figure, left, upper, _SIDE, _SIDE)
                name = f"{view}: {_NAMES[right]} and {_NAMES[up]}" + (f"   {head}" if head and column == 0 else "")
                axes.set_title(shorten(name, 9.5, _SIDE), loc="left", fontsize=9.5, color=INK, pad=4)
                _view(axes, places, one.panel, (right, up, along))
                axes.set_xlim(middle[right] - reach, middle[right] + reach)
                axes.set_ylim(middle[up] - reach, middle[up] + reach)
                axes.set_xlabel(_NAMES[right], fontsize=8, labelpad=1)
                axes.set_ylabel(_NAMES[up], fontsize=8, labelpad=1, rotation=0)
            below = upper + _SIDE + 0.42
            if one.panel is None:
                text = f"{len(places)} points; color: depth, from dark (far) to yellow (near)"
                spot = (MARGIN + 0.35) / width, 1 - (below + 0.06) / figure.get_figheight()
                figure.text(*spot, text, fontsize=8.5, color=MUTED, va="center")
                continue
            draw_bar(figure, MARGIN + 0.35, below, _SIDE, one.panel)
            if one.panel.curves is not None:
                draw_curves(figure, width - MARGIN - _CURVES, upper + 0.5, _CURVES, 1.4, one.panel.curves)
        if curved:
            note = shorten(CURVES_NOTE, 7.5, width - 2 * MARGIN)
            figure.text(MARGIN / width, 0.18 / figure.get_figheight(), note, fontsize=7.5, color=MUTED)
        return render(figure)


def cloud_tile(points: NDArray[Any], own: Picture | None = None, side: int = _TILE) -> Picture:
    """Draw a cloud from obliquely above, without text.

    Parameters
    ----------
    points : (point, number) ndarray
        The points.
    own : (point, 3) uint8, optional
        The color of each point. Default: its depth.
    side : int
        The height and width of the tile.

    Returns
    -------
    (side, side, 3) uint8
    """
    places = np.asarray(points, np.float64)[:, :3]
    centered = places - (places.max(0) + places.min(0)) / 2
    radius = float(np.linalg.norm(centered, axis=1).max()) or 1.0
    x = centered[:, 0] * np.cos(_TURN) - centered[:, 1] * np.sin(_TURN)
    deep = centered[:, 0] * np.sin(_TURN) + centered[:, 1] * np.cos(_TURN)
    y = centered[:, 2] * np.cos(_TILT) + deep * np.sin(_TILT)
    near = centered[:, 2] * np.sin(_TILT) - deep * np.cos(_TILT)
    colors, order = _colors(near, None)
    colors = colors if own is None else own
    size = max(2, round(side / 26 * min(1.0, (256 / len(places)) ** 0.4)))
    grid = np.arange(size) - (size - 1) / 2
    disc = np.argwhere(grid[:, None] ** 2 + grid[None] ** 2 <= (size / 2) ** 2) - size // 2
    half = side / 2 - size
    rows = np.rint(side / 2 - y / radius * half).astype(int)
    columns = np.rint(side / 2 + x / radius * half).astype(int)
    picture = np.full((side, side, 3), 255, np.uint8)
    for place in order:
        picture[np.clip(rows[place] + disc[:, 0], 0, side - 1), np.clip(columns[place] + disc[:, 1], 0, side - 1)] = (
            colors[place]
        )
    return picture


def _view(axes: Axes, places: NDArray[np.float64], values: Panel | None, view: tuple[int, int, int]) -> None:
    """Draw the points seen along an axis, the nearest last."""
    right, up, along = view
    # From above and from the side one looks down the axis; from the front one looks along y, so that small y is near.
    near = places[:, along] * (-1 if along == 1 else 1)
    colors, order = _colors(near, values)
    axes.set_facecolor("white")
    axes.set_aspect("equal")
    area = float(np.clip(9000 / len(places), 3, 40))
    axes.scatter(places[order, right], places[order, up], s=area, c=colors[order] / 255, linewidths=0)
    axes.tick_params(labelsize=7.5, length=2, pad=2)
    axes.locator_params(nbins=5)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(HAIRLINE)


def _colors(near: NDArray[np.float64], values: Panel | None) -> tuple[Picture, NDArray[np.intp]]:
    """Return the color of each point, and the order in which points are drawn: strong values and near points last."""
    if values is None:
        span = float(np.ptp(near)) or 1.0
        # The brightest yellow is too pale for white paper.
        scale = sequential_colors()[: int(0.93 * len(sequential_colors()))]
        return scale[np.rint((near - near.min()) / span * (len(scale) - 1)).astype(int)], np.argsort(
            near, kind="stable"
        )
    own = np.nan_to_num(np.asarray(values.values, np.float64).reshape(-1))
    paper = np.full((1, len(own), 3), _PAPER, np.uint8)
    colors = overlay(paper, own[None], values.signed, values.limit)[0]
    return colors, np.argsort(np.abs(own), kind="stable")
