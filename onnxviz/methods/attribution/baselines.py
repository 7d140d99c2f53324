"""Baselines, which stand for the absent parts of an input: its mean and its blur."""

from __future__ import annotations

import numpy as np

from onnxviz.errors import UsageError
from onnxviz.methods.attribution.places import Places

_SPACE = frozenset(("height", "width", "depth", "time", "token"))
_PLACES = _SPACE | {"position", "point"}


def mean_baseline(array: np.ndarray, places: Places) -> np.ndarray:
    """Return an input in which every place has the mean over all places: a picture of one color, or a constant signal.

    Parameters
    ----------
    array : (*shape) ndarray
        One sample.
    places : Places
        The places of the sample. The mean is taken over height, width, depth, time, positions and points, or over all axes where
        there is none of these. The mean of one-hot letters is the share of each letter.
    """
    axes = tuple(place for place, axis in enumerate(places.axes) if axis in _PLACES) or None
    mean = np.asarray(array, np.float64).mean(axis=axes, keepdims=True)
    return np.broadcast_to(mean, array.shape).astype(array.dtype)


def blurred_baseline(array: np.ndarray, places: Places) -> np.ndarray:
    """Return an input blurred by a Gaussian whose deviation is a sixteenth of each axis, with mirrored edges.

    Parameters
    ----------
    array : (*shape) ndarray
        One sample, with an axis of height, width, depth or time.
    places : Places
        The places of the sample.

    Raises
    ------
    UsageError
        If the sample has no such axis.
    """
    axes = [place for place, axis in enumerate(places.axes) if axis in _SPACE and array.shape[place] > 1]
    if not axes:
        raise UsageError(
            "`baseline` blur: the input has no axis along which neighbors are alike; use zero, mean or a file"
        )
    blurred = np.asarray(array, np.float64)
    for axis in axes:
        blurred = _blur(blurred, axis, max(1.0, array.shape[axis] / 16))
    return blurred.astype(array.dtype)


def _blur(array: np.ndarray, axis: int, deviation: float) -> np.ndarray:
    reach = int(np.ceil(3 * deviation))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel /= kernel.sum()
    moved = np.moveaxis(array, axis, -1)
    padded = np.pad(moved, [(0, 0)] * (moved.ndim - 1) + [(reach, reach)], mode="symmetric")
    size = moved.shape[-1]
    summed = np.zeros_like(moved)
    for place, weight in enumerate(kernel):
        summed += weight * padded[..., place : place + size]
    return np.moveaxis(summed, -1, axis)
