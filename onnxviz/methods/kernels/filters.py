"""Describing a first layer's kernels in words: edges, lines, gratings, blobs, colors, what is dead and what is double."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from onnxviz.errors import DataError, UsageError
from onnxviz.methods.kernels.spectra import Shape, measure

Color = Literal["rgb", "bgr", "gray"]

KINDS = (
    "edge",
    "line",
    "grating",
    "color-opponent",
    "Laplacian-like",
    "blob",
    "impulse",
    "difference",
    "band-pass",
    "high-pass",
    "low-pass",
    "weights",
    "mixed",
    "noise",
    "flat",
    "dead",
)
"""Every kind, in drawing order.

With two or three spatial axes: an ``edge`` is oriented and odd, a step from dark to bright; a ``line`` oriented and
even; a ``grating`` oriented with several periods; ``color-opponent`` sets colors against each other more than bright
against dark; ``Laplacian-like`` sets a center against its surround; a ``blob`` averages around a center; ``mixed`` is
none of them, and ``noise`` has no structure at all. With one: a ``difference`` is odd, ``band-pass``, ``high-pass`` and
``low-pass`` say what goes through. An ``impulse`` hands its input through, ``flat`` is a mean, ``weights`` is a row of
a matrix, and ``dead`` does nothing.
"""

DEAD = 1e-3
"""A filter is dead if its norm is below this share of the median norm."""

SAME = 0.999
"""Two filters are the same, up to scale, if the cosine of the angle between them is above this: 2.6 degrees."""

# What follows decides between kinds. Each value lies in the gap between textbook kernels (Sobel, Prewitt and Scharr
# operators, Laplacians, Gaussians and their differences, Gabor functions) on its two sides, and where there are numbers
# below, also between 300 Gabor functions under noise and noise alone.
_IMPULSE = 0.95  # of the energy in one pixel
_FLAT = 0.95  # of the energy constant; a 3x3 binomial kernel has 0.79
_OPPONENT = 0.5  # of the energy off the gray axis: more than half
_CENTERED = 0.8  # of the energy explained by the distance from the center; Gabor functions that pass are `_CLEAR`
_ORIENTED = 0.5  # anisotropy; of noise of 7 pixels 5 % reach it, of noisy Gabor functions 97 %
_ORIENTED_IF_ODD = 0.3  # kernels that odd hardly occur by chance; differences of two pixels have 0.38
_ODD = -0.7  # symmetry
_GRATING = 1.5  # periods
_CLEAR = 0.65  # anisotropy beyond doubt; of noise of 5 pixels, which often has a grating's periods, 5 % reach it
_AVERAGING = 0.5  # gain for a constant, relative to the largest
_ALTERNATING = 0.7  # gain at half a cycle per sample, relative to the largest
_ROUGH = 0.25  # correlation of neighbors; 95 % of white noise of 5 pixels lies within
_WIDE = 0.11  # bandwidth in cycles per sample; white noise has 0.144
_ENOUGH = {1: 9, 2: 25, 3: 27}  # positions below which noise cannot be told from anything

_HUES = ("red", "yellow", "green", "cyan", "blue", "magenta")
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class FilterDescription:
    """One filter of a layer.

    Attributes
    ----------
    index : int
        Its place in the layer.
    norm, mean, std : float
        Of its weights: Euclidean norm, mean and standard deviation, in the model's own units.
    kind : str
        One of `KINDS`.
    orientation : float or None
        Of the lines it responds to, in degrees, at least 0 and below 180: 0 is a horizontal line, and angles grow
        counterclockwise as the picture is seen, its first row on top. None without a direction in the plane.
    frequency : float or None
        Cycles per pixel (per sample, with one spatial axis) that it responds to most; None where none stands out.
    duplicate_of : int or None
        The first filter of which it is a positive multiple.
    dead : bool
        Whether it does nothing.
    text : str
        A few words for people.
    """

    index: int
    norm: float
    mean: float
    std: float
    kind: str
    orientation: float | None
    frequency: float | None
    duplicate_of: int | None
    dead: bool
    text: str


def describe(kernels: np.ndarray, color: Color | None = None) -> list[FilterDescription]:
    """Describe every filter of a layer.

    Parameters
    ----------
    kernels : (filter, channel, *spatial) float
        The weights: without spatial axes rows of a matrix, else one to three of them.
    color : {"rgb", "bgr", "gray"}, optional
        What the channels are, where they are colors.

    Returns
    -------
    list of FilterDescription
        In the layer's order.

    Raises
    ------
    DataError
        If there are too many or too few axes, or weights that are not finite.
    UsageError
        If the color does not fit the channels.

    Examples
    --------
    >>> sobel = np.array([[[[-1, -2, -1], [0, 0, 0], [1, 2, 1]]]])
    >>> describe(sobel)[0].text
    'edge at 0°, 0.27 cycles per pixel'
    """
    weights = _checked(kernels, color)
    if len(weights) == 0:
        return []
    flat = weights.reshape(len(weights), -1)
    norms = np.sqrt((flat**2).sum(1))
    dead = norms <= DEAD * _usual(norms)
    duplicate_of, negative_of = duplicates(np.where(dead[:, None], 0, flat))
    spatial = weights.squeeze(tuple(axis for axis in range(2, weights.ndim) if weights.shape[axis] == 1))
    found = []
    for index, kernel in enumerate(spatial):
        one = FilterDescription(
            index,
            float(norms[index]),
            float(flat[index].mean()),
            float(flat[index].std()),
            "dead",
            None,
            None,
            None,
            True,
            "dead",
        )
        if dead[index]:
            share = norms[index] / _usual(norms) if norms.any() else 0.0
            found.append(
                replace(one, text=f"dead: its norm is {share:.1g} of the usual one" if share else "dead: all zeros")
            )
            continue
        one = replace(_named(one, kernel / norms[index], color), dead=False, duplicate_of=duplicate_of[index])
        copied, negative = duplicate_of[index], negative_of[index]
        if copied is not None:
            one = replace(one, text=f"{one.text}; the same as {copied}")
        elif negative is not None:
            one = replace(one, text=f"{one.text}; the negative of {negative}")
        found.append(one)
    return found


def order(descriptions: Sequence[FilterDescription]) -> list[int]:
    """Return the positions of filters in drawing order: by kind, then orientation, then frequency.

    Parameters
    ----------
    descriptions : sequence of FilterDescription
        What `describe` returns.
    """

    def key(position: int) -> tuple[int, float, float, int]:
        one = descriptions[position]
        return KINDS.index(one.kind), one.orientation or 0.0, one.frequency or 0.0, position

    return sorted(range(len(descriptions)), key=key)


def duplicates(rows: np.ndarray) -> tuple[list[int | None], list[int | None]]:
    """Find rows that are multiples of earlier ones; a row of zeros is none of any.

    Parameters
    ----------
    rows : (row, weight) float
        The filters.

    Returns
    -------
    duplicate_of, negative_of : list of (int or None)
        For each row the first one that it is a positive, or a negative, multiple of.
    """
    norms = np.sqrt((rows**2).sum(1, keepdims=True))
    unit = (rows / np.where(norms == 0, 1, norms)).astype(np.float32)
    same: list[int | None] = [None] * len(rows)
    negative: list[int | None] = [None] * len(rows)
    for start in range(0, len(unit), _BLOCK):
        # Only rows up to the block's end can come first: half of the products are spared.
        cosine = unit[start : start + _BLOCK] @ unit[: start + _BLOCK].T
        for found, close in ((same, cosine > SAME), (negative, cosine < -SAME)):
            for place, first in zip(*_first_before(close, start), strict=True):
                origin = same[first]
                found[place] = first if origin is None else origin
    return same, negative


def _first_before(close: np.ndarray, start: int) -> tuple[list[int], list[int]]:
    """Return the rows of a block that are close to an earlier row, and the first such row of each."""
    earlier = close & (np.arange(close.shape[1]) < start + np.arange(len(close))[:, None])
    rows = np.flatnonzero(earlier.any(1))
    return (start + rows).tolist(), earlier[rows].argmax(1).tolist()


def _checked(kernels: np.ndarray, color: Color | None) -> np.ndarray:
    weights = np.asarray(kernels, np.float64)
    if not 2 <= weights.ndim <= 5 or 0 in weights.shape[1:]:
        raise DataError(
            f"kernels of shape {list(weights.shape)}; (filter, channel) and up to three spatial axes can be described"
        )
    broken = np.flatnonzero(~np.isfinite(weights).all(axis=tuple(range(1, weights.ndim))))
    if len(broken):
        raise DataError(
            f"{len(broken)} of {len(weights)} filters hold weights that are not finite, filter {broken[0]} first; the model is damaged"
        )
    channels = {"rgb": 3, "bgr": 3, "gray": 1}
    if color is not None and channels.get(color) != weights.shape[1]:
        fitting = ", ".join(f"{name} for {count}" for name, count in channels.items())
        raise UsageError(f"color {color!r} for kernels of {weights.shape[1]} channels; {fitting} would do, or none")
    return weights


def _usual(norms: np.ndarray) -> float:
    """Return the median norm of the filters that are there at all.

    Weight decay can shrink most of a layer to nearly nothing: such filters must not set the measure by which they are
    judged.
    """
    there = norms[norms > 1e-6 * norms.max(initial=0)]
    return float(np.median(there)) if len(there) else 0.0


def _named(one: FilterDescription, kernel: np.ndarray, color: Color | None) -> FilterDescription:
    """Add kind, orientation, frequency and text to a filter of norm 1."""
    if kernel.ndim == 1:
        return replace(one, kind="weights", text=_largest(kernel * one.norm))
    shape = measure(kernel)
    if kernel.ndim == 2:
        return _named_in_time(one, kernel, shape)
    kind = _kind_in_space(kernel, shape)
    oriented = kind in ("edge", "line", "grating")
    frequency = {"flat": None, "impulse": None, "noise": None, "blob": shape.passband}.get(kind, shape.frequency)
    # Colors may have a direction and a frequency too.
    if color in ("rgb", "bgr") and _off_gray(kernel) > _OPPONENT:
        words = f"color-opponent {kind}: {_colors(kernel, color)}"
        kind = "color-opponent"
    else:
        words = _words(kind, kernel, shape)
    orientation = _orientation(shape.normal) if oriented and kernel.ndim == 3 else None
    if orientation is not None:
        words += f" at {round(orientation) % 180}°"
    elif oriented:
        words += (
            " across ("
            + ", ".join(f"{part:.2f}" for part in shape.normal * np.sign(shape.normal[np.abs(shape.normal).argmax()]))
            + ")"
        )
    if frequency is not None and kind != "mixed":
        words += f", {frequency:.2f} cycles per pixel"
    return replace(one, kind=kind, orientation=orientation, frequency=frequency, text=words)


def _kind_in_space(kernel: np.ndarray, shape: Shape) -> str:
    if shape.peak >= _IMPULSE:
        return "impulse"
    if shape.constant >= _FLAT:
        return "flat"
    if shape.radial >= _CENTERED and shape.anisotropy < _CLEAR:
        return "blob" if shape.gain_at_zero >= _AVERAGING else "Laplacian-like"
    if shape.cycles >= _GRATING:
        if shape.anisotropy >= _CLEAR:
            return "grating"
    elif shape.anisotropy >= _ORIENTED or (shape.anisotropy >= _ORIENTED_IF_ODD and shape.symmetry <= _ODD):
        return "edge" if shape.symmetry < 0 else "line"
    positions = math.prod(kernel.shape[1:])
    return "noise" if positions >= _ENOUGH[kernel.ndim - 1] and abs(shape.smoothness) < _ROUGH else "mixed"


def _words(kind: str, kernel: np.ndarray, shape: Shape) -> str:
    if kind == "impulse":
        return "impulse: hands its input through"
    if kind == "flat":
        return "flat: a mean over its window"
    if kind == "noise":
        return "noise: no structure"
    if kind == "blob":
        return "positive blob" if kernel.sum() > 0 else "negative blob"
    if kind == "Laplacian-like":
        return f"Laplacian-like, {'positive' if shape.center > 0 else 'negative'} center"
    return kind


def _named_in_time(one: FilterDescription, kernel: np.ndarray, shape: Shape) -> FilterDescription:
    frequency: float | None = shape.frequency
    if shape.peak >= _IMPULSE:
        return replace(one, kind="impulse", text="impulse: hands its input through")
    if shape.constant >= _FLAT:
        return replace(one, kind="flat", text="flat: a mean over its window")
    if kernel.shape[1] >= _ENOUGH[1] and shape.bandwidth >= _WIDE and abs(shape.smoothness) < _ROUGH:
        return replace(one, kind="noise", text="noise: no structure")
    if shape.gain_at_zero >= _AVERAGING:
        kind, frequency = "low-pass", shape.passband
    elif shape.symmetry <= _ODD and shape.cycles < _GRATING:
        kind = "difference"
    elif shape.gain_at_half >= _ALTERNATING:
        kind = "high-pass"
    else:
        kind = "band-pass"
    return replace(one, kind=kind, frequency=frequency, text=f"{kind}, {frequency:.2f} cycles per sample")


def _orientation(normal: np.ndarray) -> float:
    """Return the angle of the lines across which a direction (down, right) points: degrees, below 180."""
    down, right = normal
    # The line runs along (-right, down) in (down, right); seen with up as the second axis, that is (down, right) in
    # (right, up).
    angle = math.degrees(math.atan2(right, down)) % 180
    # The remainder of a tiny negative angle rounds to 180 itself.
    return 0.0 if angle >= 180 - 1e-9 else angle


def _off_gray(kernel: np.ndarray) -> float:
    """Return the share of a kernel's energy that is not the same in all its channels."""
    gray = len(kernel) * float((kernel.mean(0) ** 2).sum())
    return 1 - gray / float((kernel**2).sum())


def _colors(kernel: np.ndarray, color: Color) -> str:
    """Return the two colors that a kernel sets against each other most: the main axis of what is off the gray axis."""
    rgb = kernel if color == "rgb" else kernel[::-1]
    off = (rgb - rgb.mean(0)).reshape(3, -1)
    values = np.linalg.eigh(off @ off.T)[1][:, -1]
    # Which end comes first is open; the one is taken that the strongest place shows.
    strongest = off[:, np.abs(values @ off).argmax()]
    red, green, blue = values * np.sign(values @ strongest)
    hue = math.degrees(math.atan2(math.sqrt(3) * (green - blue), 2 * red - green - blue)) % 360
    place = round(hue / 60) % 6
    return f"{_HUES[place]} against {_HUES[(place + 3) % 6]}"


def _largest(row: np.ndarray) -> str:
    """Return the largest weights of a matrix's row, by the number of the feature."""
    places = np.argsort(-np.abs(row), kind="stable")[:3]
    return "largest: " + ", ".join(f"{place} ({row[place]:+.3g})" for place in places.tolist())
