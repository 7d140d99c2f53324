"""Seeded pictures with the statistics of photographs, to find the range that a model was trained in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_BRIGHTNESS, _CONTRAST = 0.45, 0.24
"""Mean and standard deviation of a photograph's pixels, from 0 to 1."""


def natural_pictures(count: int, channels: int, height: int, width: int, shared: float = 0.0) -> np.ndarray:
    """Return pictures whose amplitudes fall as 1/f (Field 1987).

    Parameters
    ----------
    count, channels, height, width : int
        Number and size of the pictures.
    shared : float
        The correlation between channels, 0 to 1; that of photographs is about .9.

    Returns
    -------
    (count, channel, height, width) float64 ndarray
        Values in 0 to 1.
    """
    generator = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    spectrum = generator.standard_normal((2, count, channels + 1, *frequency.shape)) / np.maximum(
        frequency, 1 / max(height, width)
    )
    # The last channel is the part that all channels share.
    used = spectrum if shared else spectrum[:, :, :channels]
    drawn = np.fft.irfft2(used[0] + 1j * used[1], s=(height, width))
    pictures = np.sqrt(1 - shared) * drawn[:, :channels]
    if shared:
        pictures += np.sqrt(shared) * drawn[:, channels:]
    deviation = pictures.std(axis=(1, 2, 3), keepdims=True)
    centered = (pictures - pictures.mean(axis=(1, 2, 3), keepdims=True)) / np.where(deviation > 0, deviation, 1)
    bounded: np.ndarray = np.clip(_BRIGHTNESS + _CONTRAST * centered, 0, 1)
    return bounded


def laid_out(pictures: np.ndarray, axes: Sequence[str], sizes: Sequence[int]) -> np.ndarray:
    """Return pictures with the axes of an input; a clip shows a still picture.

    Parameters
    ----------
    pictures : (sample, channel, height, width) ndarray
        The pictures.
    axes : sequence of str
        The input's axes after the batch: "height", "width", and maybe "channel" and "time".
    sizes : sequence of int
        Their sizes.

    Returns
    -------
    (sample, *sizes) ndarray
    """
    order = {"channel": 1, "height": 2, "width": 3}
    own = [order[axis] for axis in axes if axis != "time"]
    still = (
        pictures.transpose(0, *own) if "channel" in axes else pictures[:, 0].transpose(0, *(axis - 1 for axis in own))
    )
    once = [1 if axis == "time" else size for axis, size in zip(axes, sizes, strict=True)]
    return np.broadcast_to(still.reshape(len(pictures), *once), (len(pictures), *sizes))
