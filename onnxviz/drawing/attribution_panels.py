"""The parts that all pictures of attributions share: values laid over the input, a color bar, and the curves of a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.drawing.colors import BLUE, HAIRLINE, VERMILION
from onnxviz.drawing.figures import panel, shorten
from onnxviz.drawing.pictures import Picture, diverging, sequential
from onnxviz.wording import number_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PERCENTILE = 99
"""The color scale ends at this percentile of the magnitudes, so that one large value does not make all others pale."""

_STRONG = 0.72
_PAPER = 236
# The gray that stands for black under the values, so that black is not taken for a color. It is lighter in small pictures, whose
# pixels are seen as squares.
_DARKEST, _DARKEST_OF_SMALL, _SMALL = 140, 178, 64


@dataclass(frozen=True, slots=True)
class Curves:
    """Scores of an input whose places are deleted one after another, and of a baseline into which they are inserted.

    Attributes
    ----------
    shares : sequence of float
        The share of the places that were changed, 0 to 1.
    deletion, insertion : sequence of float
        The scores, in the target's units, where the most important places come first.
    chance_deletion, chance_insertion : sequence of float
        The scores where the places come in a random order.
    texts : (str, str)
        The lines above the curves, for insertion and for deletion.
    """

    shares: Sequence[float]
    deletion: Sequence[float]
    insertion: Sequence[float]
    chance_deletion: Sequence[float]
    chance_insertion: Sequence[float]
    texts: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """The values of one method, and how they are drawn.

    Attributes
    ----------
    title : str
        The name of the method.
    values : ndarray
        One value for each place.
    signed : bool
        Whether the values have a sign. If not, they are magnitudes.
    unit : str
        The unit of the values.
    curves : Curves, optional
        The curves that test the method.
    note : str
        A line below the color bar.
    """

    title: str
    values: NDArray[Any]
    signed: bool
    unit: str
    curves: Curves | None = None
    note: str = ""

    @property
    def limit(self) -> float:
        """The magnitude that is drawn in full color; 0 where all values are 0."""
        sizes = np.abs(np.asarray(self.values, np.float64)).reshape(-1)
        sizes = sizes[np.isfinite(sizes)]
        if not sizes.size or not sizes.max() > 0:
            return 0.0
        limit = float(np.percentile(sizes, PERCENTILE))
        return limit if limit > 0 else float(sizes.max())


def overlay(background: Picture, values: NDArray[Any], signed: bool, limit: float) -> Picture:
    """Lay values over a picture: blue for negative values and red for positive ones; magnitudes grow from dark to yellow.

    Parameters
    ----------
    background : (height, width, 3) uint8
        The picture, which is shown in light gray.
    values : (height, width)
        One value for each pixel. Where it is 0, the picture alone is seen.
    signed : bool
        Whether the values have a sign.
    limit : float
        The magnitude that is drawn in full color.

    Returns
    -------
    (height, width, 3) uint8
    """
    gray = np.asarray(background, np.float64) @ np.array([0.299, 0.587, 0.114])
    darkest = _DARKEST if max(gray.shape) > _SMALL else _DARKEST_OF_SMALL
    light = (darkest + gray * (255 - darkest) / 255)[:, :, None]
    unit = np.clip(np.nan_to_num(np.asarray(values, np.float64)) / limit, -1, 1) if limit > 0 else np.zeros(gray.shape)
    if signed:
        color = diverging(_STRONG * np.sign(unit), 1.0).astype(np.float64)
    else:
        unit = np.abs(unit)
        color = sequential(unit, 0.0, 1.0).astype(np.float64)
    # Weak values stay visible, and so does the picture under strong values.
    strength = 0.92 * np.abs(unit)[:, :, None] ** 0.65
    return np.asarray(np.rint(light * (1 - strength) + color * strength), np.uint8)


def draw_bar(figure: Figure, left: float, top: float, width: float, shown: Panel) -> None:
    """Draw a color bar with its numbers and their unit; places are in inches, and the whole is about half an inch high."""
    axes = panel(figure, left, top, width, 0.11)
    paper = np.full((1, 257, 3), _PAPER, np.uint8)
    ends = (-shown.limit if shown.signed else 0.0, shown.limit)
    bar = overlay(paper, np.linspace(ends[0], ends[1], 257)[None], shown.signed, shown.limit)
    axes.imshow(bar, aspect="auto", extent=(0, 1, 0, 1))
    axes.set_yticks([])
    axes.set_xticks([0, 0.5, 1], [number_text(one, 2) for one in (ends[0], (ends[0] + ends[1]) / 2, ends[1])])
    axes.tick_params(length=0, pad=2, labelsize=7.5)
    first, _, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel(shorten(shown.unit, 7.5, width), fontsize=7.5, labelpad=1)


def draw_curves(figure: Figure, left: float, top: float, width: float, height: float, curves: Curves) -> None:
    """Draw the curves of deletion and insertion, and those of a random order; places are in inches."""
    axes = panel(figure, left, top, width, height)
    shares = 100 * np.asarray(curves.shares)
    axes.axhline(curves.insertion[0], color=HAIRLINE, linewidth=0.8)
    axes.axhline(curves.deletion[0], color=HAIRLINE, linewidth=0.8)
    axes.plot(shares, curves.chance_insertion, color=BLUE, linewidth=0.9, linestyle=(0, (2, 2)), alpha=0.8)
    axes.plot(shares, curves.chance_deletion, color=VERMILION, linewidth=0.9, linestyle=(0, (2, 2)), alpha=0.8)
    axes.plot(shares, curves.insertion, color=BLUE, linewidth=1.5)
    axes.plot(shares, curves.deletion, color=VERMILION, linewidth=1.5)
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 50, 100], ["0", "50", "100 %"])
    axes.locator_params(axis="y", nbins=4)
    axes.tick_params(labelsize=7.5, length=2, pad=2)
    for row, (text, color) in enumerate(zip(curves.texts, (BLUE, VERMILION), strict=True)):
        place = left / figure.get_figwidth(), 1 - (top - 0.21 + 0.14 * row) / figure.get_figheight()
        figure.text(*place, shorten(text, 7.5, width), fontsize=7.5, color=color, va="center")


CURVES_NOTE = (
    f"Colors end at the {PERCENTILE:g}th percentile. Curves: the score by ONNX Runtime as the most important share of places is inserted "
    "(blue) or deleted (red); dashed: the same map laid at random."
)
