"""What every picture of an attribution shares: its values over the input, their color bar, and the curves that test them."""

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
"""The colors end at this percentile of the magnitudes, so that one bright place does not hide the rest."""

_STRONG = 0.72
_PAPER = 236
# What black beneath becomes, so that it is not taken for a color; lighter where pixels are seen as squares.
_DARKEST, _DARKEST_OF_SMALL, _SMALL = 140, 178, 64


@dataclass(frozen=True, slots=True)
class Curves:
    """Scores as an input is taken apart and built up, place by place.

    Attributes
    ----------
    shares : sequence of float
        Of the places, 0 to 1.
    deletion, insertion : sequence of float
        In the target's units, in the attribution's order.
    chance_deletion, chance_insertion : sequence of float
        In a random order.
    texts : (str, str)
        What is said of insertion and of deletion, above them.
    """

    shares: Sequence[float]
    deletion: Sequence[float]
    insertion: Sequence[float]
    chance_deletion: Sequence[float]
    chance_insertion: Sequence[float]
    texts: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One method's values.

    Attributes
    ----------
    title : str
        The method.
    values : ndarray
        One for each place.
    signed : bool
        Whether they have a sign; if not, they are magnitudes.
    unit : str
        What they are.
    curves : Curves, optional
    note : str
        A line beneath.
    """

    title: str
    values: NDArray[Any]
    signed: bool
    unit: str
    curves: Curves | None = None
    note: str = ""

    @property
    def limit(self) -> float:
        """The magnitude of full color."""
        sizes = np.abs(np.asarray(self.values, np.float64)).reshape(-1)
        sizes = sizes[np.isfinite(sizes)]
        if not sizes.size or not sizes.max() > 0:
            return 0.0
        limit = float(np.percentile(sizes, PERCENTILE))
        return limit if limit > 0 else float(sizes.max())


def overlay(background: Picture, values: NDArray[Any], signed: bool, limit: float) -> Picture:
    """Lay values over a picture: blue below zero, red above, and nothing at zero; magnitudes from nothing to yellow.

    Parameters
    ----------
    background : (height, width, 3) uint8
        Shown in light gray.
    values : (height, width)
        One for each pixel.
    signed : bool
        Whether they have a sign.
    limit : float
        The magnitude of full color.

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
    # Weak values stay visible, and the picture beneath strong ones as well.
    strength = 0.92 * np.abs(unit)[:, :, None] ** 0.65
    return np.asarray(np.rint(light * (1 - strength) + color * strength), np.uint8)


def draw_bar(figure: Figure, left: float, top: float, width: float, shown: Panel) -> None:
    """Draw a color bar with its numbers and what they are, some half an inch high, at a place in inches."""
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
    """Draw deletion and insertion beside chance, at a place in inches."""
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
