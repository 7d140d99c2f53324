"""Pictures of arrays; a picture is a (height, width, 3) uint8 array of red, green and blue."""

from __future__ import annotations

import io
import os
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnxviz.errors import DataError
from onnxviz.formats.atomic_file import atomic_file

Picture = NDArray[np.uint8]

# A value that is no number is drawn in a gray that no color scale contains.
NO_NUMBER = (128, 128, 128)
# A scale has this many steps from its middle, or from its low end, to each end.
_STEPS = 255


def to_rgb(array: NDArray[Any], low: float, high: float) -> Picture:
    """Draw values that already are the brightness of gray, or of red, green and blue.

    Parameters
    ----------
    array : (height, width) or (height, width, channel)
        One channel is gray, three are red, green and blue.
    low, high : float
        The values of black and of full brightness, in the array's units. Values outside are clipped.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    DataError
        If the array has another shape, or if low is not smaller than high.
    """
    array = np.asarray(array, dtype=np.float64)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        raise DataError(
            f"an array of shape {array.shape} cannot be drawn in colors; give (height, width) or (height, width, 1 or 3)"
        )
    unit = _unit(array, low, high)
    missing = np.isnan(unit).any(axis=2)
    picture = np.rint(np.nan_to_num(unit) * 255).astype(np.uint8)
    picture = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    picture[missing] = NO_NUMBER
    return picture


def diverging(array: NDArray[Any], limit: float | None = None) -> Picture:
    """Draw signed values from blue through white to red, where zero is white.

    Equal distances from zero are equally dark on both sides. People with every kind of color blindness can tell blue from red.

    Parameters
    ----------
    array : (height, width)
        The values. A value that is no number becomes gray.
    limit : float, optional
        The magnitude that is drawn in full color, in the array's units. Larger magnitudes are clipped. Default: the largest
        magnitude in the array.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    DataError
        If the array is not two-dimensional, or if the limit is negative or no number.
    """
    array = _plane(array)
    if limit is None:
        limit = float(np.abs(array[np.isfinite(array)]).max(initial=0.0))
    if not 0 <= limit < np.inf:
        raise DataError(f"a color scale cannot reach from {-limit} to {limit}; give a finite limit above zero")
    # Where the limit is zero, all values are zero or none is a number, and the picture is white. The inverse of a limit below the
    # least normal number is infinite, and some builds of numpy divide by it, so that both sides are made larger first.
    larger = 2.0**100 if limit < np.finfo(np.float64).tiny else 1.0
    with np.errstate(over="ignore"):
        ratios = array * larger / (limit * larger) if limit > 0 else np.where(np.isnan(array), np.nan, 0.0)
    signed = np.clip(ratios, -1.0, 1.0)
    return _drawn(signed * _STEPS + _STEPS, diverging_colors())


def sequential(array: NDArray[Any], low: float | None = None, high: float | None = None) -> Picture:
    """Draw magnitudes from dark blue through green to yellow.

    The scale is viridis: equal steps look equal, and its lightness rises with the magnitude.

    Parameters
    ----------
    array : (height, width)
        The values. A value that is no number becomes gray.
    low, high : float, optional
        The values of the darkest and the brightest color. Default: the least and the largest value.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    DataError
        If the array is not two-dimensional, or if low is larger than high.
    """
    array = _plane(array)
    finite = array[np.isfinite(array)]
    low = float(finite.min(initial=np.inf)) if low is None and finite.size else float(low or 0.0)
    high = float(finite.max(initial=-np.inf)) if high is None and finite.size else float(high or 0.0)
    unit = np.where(np.isnan(array), np.nan, 0.0) if low == high else _unit(array, low, high)
    return _drawn(unit * _STEPS, sequential_colors())


def enlarge(picture: Picture, factor: int) -> Picture:
    """Return a picture whose every pixel has become a square of `factor` by `factor` pixels, without smoothing.

    Raises
    ------
    DataError
        If the factor is smaller than one.
    """
    if factor < 1:
        raise DataError(f"a picture cannot be enlarged {factor} times; give a factor of 1 or more")
    return np.repeat(np.repeat(picture, factor, axis=0), factor, axis=1)


def stretched(picture: Picture, factor: float) -> Picture:
    """Return a picture with more contrast: the distance of every value from the middle of the range is multiplied.

    Examples
    --------
    >>> stretched(np.array([[[120, 130, 250]]], np.uint8), 4).tolist()
    [[[98, 138, 255]]]
    """
    middle = 255 / 2
    shown: Picture = np.rint(np.clip((picture - middle) * factor + middle, 0, 255)).astype(np.uint8)
    return shown


def trim(picture: Picture, margin: int = 12) -> Picture:
    """Return a picture without the borders that have the color of its first pixel, save for a margin in pixels.

    Examples
    --------
    >>> chart = np.zeros((50, 90, 3), np.uint8)
    >>> chart[20:30, 40:60] = 255
    >>> trim(chart, 5).shape
    (20, 30, 3)
    """
    rows, columns = (np.flatnonzero((picture != picture[0, 0]).any(axis=(other, 2))) for other in (1, 0))
    if not rows.size:
        return picture
    top, left = max(0, int(rows[0]) - margin), max(0, int(columns[0]) - margin)
    return picture[top : int(rows[-1]) + 1 + margin, left : int(columns[-1]) + 1 + margin]


def save_picture(path: str | os.PathLike[str], picture: Picture) -> None:
    """Write a picture as a PNG file, which is there whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    with atomic_file(path) as file:
        file.write(picture_bytes(picture))


def picture_bytes(picture: Picture) -> bytes:
    """Return a picture as the bytes of a PNG file; equal pictures give equal bytes."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, format="PNG")
    return stream.getvalue()


@lru_cache(maxsize=1)
def diverging_colors() -> Picture:
    """Return the colors from blue (-1) through white (0) to red (+1), (511, 3) uint8.

    The scale is a path through Björn Ottosson's Oklab color space. From the middle to both ends lightness falls evenly, and chroma
    rises and then falls.
    """
    distance = np.linspace(0.0, 1.0, _STEPS + 1)
    lightness = 1.0 - 0.64 * distance
    chroma = 0.15 * np.sin(np.pi / 2 * np.minimum(distance / 0.62, 1.0))
    chroma *= 1.0 - 0.35 * np.clip((distance - 0.62) / 0.38, 0.0, 1.0) ** 1.5
    blue, red = (_from_oklab(lightness, chroma, np.radians(hue)) for hue in (252.0, 29.0))
    return np.concatenate([blue[:0:-1], red])


@lru_cache(maxsize=1)
def sequential_colors() -> Picture:
    """Return the colors of viridis, (256, 3) uint8."""
    from matplotlib import colormaps

    return np.asarray(np.rint(colormaps["viridis"](np.arange(_STEPS + 1))[:, :3] * 255), dtype=np.uint8)


def _from_oklab(lightness: NDArray[np.float64], chroma: NDArray[np.float64], hue: float) -> Picture:
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    cones = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    linear = np.clip(
        np.array(
            [
                [4.0767416621, -3.3077115913, 0.2309699292],
                [-1.2684380046, 2.6097574011, -0.3413193965],
                [-0.0041960863, -0.7034186147, 1.7076147010],
            ]
        )
        @ cones**3,
        0.0,
        1.0,
    )
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(encoded.T * 255), dtype=np.uint8)


def _plane(array: NDArray[Any]) -> NDArray[np.float64]:
    array = np.asarray(array, dtype=np.float64)
    if array.ndim != 2:
        raise DataError(f"an array of shape {array.shape} is no plane; give (height, width)")
    return array


def _unit(array: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    if not -np.inf < low < high < np.inf:
        raise DataError(f"a color scale cannot reach from {low} to {high}; the first must be the smaller one")
    return np.clip((array - low) / (high - low), 0.0, 1.0)


def _drawn(steps: NDArray[np.float64], colors: Picture) -> Picture:
    picture = colors[np.rint(np.nan_to_num(steps)).astype(np.intp)]
    picture[np.isnan(steps)] = NO_NUMBER
    return picture
