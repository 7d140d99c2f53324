"""The style that all charts share, and the way from a figure to a picture.

matplotlib is imported inside functions and used through its objects alone, without pyplot. So no window opens, and every setting
of matplotlib is after a call what it was before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.drawing.captions import elide_to_width, font
from onnxviz.drawing.colors import BACKGROUND, HAIRLINE, INK, MUTED
from onnxviz.drawing.pictures import Picture
from onnxviz.wording import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
MARGIN = 0.45  # inches, around every figure

_STYLE: dict[Any, Any] = {
    "figure.facecolor": BACKGROUND,
    "figure.dpi": DPI,
    "axes.facecolor": BACKGROUND,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "grid.color": HAIRLINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Set one style for charts, whatever the user's matplotlibrc says, and restore all settings afterwards."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure(width: float, height: float, title: str, subtitle: str) -> Figure:
    """Return a new figure of `width` by `height` inches with two lines at its top; call it within `house_style`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    lines = (
        (title, 14.0, True, INK, MARGIN),
        (subtitle, 9.5, False, MUTED, MARGIN + (0.29 if title else 0.0)),
    )
    for text, size, bold, color, top in lines:
        if text:
            shown = shorten(text, size, width - 2 * MARGIN, bold)
            weight = "bold" if bold else "normal"
            place = MARGIN / width, 1 - top / height
            figure.text(*place, shown, fontsize=size, fontweight=weight, color=color, va="center", ha="left")
    return figure


def header_height(title: str, subtitle: str) -> float:
    """Return how many inches of a figure's top are taken by the margin and the two lines."""
    return MARGIN + (0.3 if title else 0.0) + (0.27 if subtitle else 0.0)


def panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes at a place measured in inches from the figure's upper left corner."""
    whole_width, whole_height = figure.get_size_inches()
    place = (left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height)
    return figure.add_axes(place)


def shorten(text: str, size: float, width: float, bold: bool = False) -> str:
    """Return a text with control characters escaped, and without its middle where it is wider than `width` inches.

    The width is that of letters of `size` points.
    """
    # The text is measured at ten times the size, since the widths of letters are whole pixels.
    return elide_to_width(printable(text), font(round(size * 10), bold), width * 720)


def render(figure: Figure) -> Picture:
    """Draw a figure as a picture of (height, width, 3) uint8, 150 pixels to the inch."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with house_style():
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        return np.array(np.asarray(canvas.buffer_rgba())[:, :, :3])
