"""Seeded pictures with the statistics of photographs, to find the range that a model was trained in."""

from __future__ import annotations

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
    drawn = np.fft.irfft2(spectrum[0] + 1j * spectrum[1], s=(height, width))
    pictures = np.sqrt(1 - shared) * drawn[:, :channels] + np.sqrt(shared) * drawn[:, channels:]
    deviation = pictures.std(axis=(1, 2, 3), keepdims=True)
    centered = (pictures - pictures.mean(axis=(1, 2, 3), keepdims=True)) / np.where(deviation > 0, deviation, 1)
    bounded: np.ndarray = np.clip(_BRIGHTNESS + _CONTRAST * centered, 0, 1)
    return bounded
