"""What real pictures, signals or volumes have in common: how their channels vary together and how their spectrum falls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError

_NYQUIST = 0.5
"""Cycles per pixel: no grid holds shorter waves."""

_INTERPOLATED = 0.8
"""Interpolation weakens the last fifth of what a coarser grid holds: a slope of 1 is then found as 1.1, with it as 1.2."""


@dataclass(frozen=True)
class NaturalStatistics:
    """What samples have in common.

    Attributes
    ----------
    count : int
        How many samples there were.
    covariance : (channel, channel) float64
        Of the channels, over all places of all samples.
    slope : float or None
        The spectrum's amplitudes fall as frequency to the power of minus this; None where no axis is long enough to tell.
    band : float
        The highest frequency by which the slope is measured: cycles per pixel, or per sample of a signal.
    """

    count: int
    covariance: NDArray[np.float64]
    slope: float | None
    band: float = 0.5


def natural_statistics(
    samples: Iterable[tuple[NDArray[np.floating], float]],
    axes: Sequence[str],
    span: float | NDArray[np.floating] = 1.0,
) -> NaturalStatistics:
    """Measure samples, one at a time.

    The slope is a straight line through the logarithm of the mean power over that of the frequency, rings of equal width on
    the logarithmic scale, as van der Schaaf & van Hateren, "Modelling the power spectra of natural images" (1996), fit it.
    Each sample is seen through a Hann window, without which its borders alone would make a spectrum of slope 1. What was
    enlarged has no waves shorter than its own grid had; frequencies near and above that are left out.

    Parameters
    ----------
    samples : iterable of (ndarray, float)
        Each of the same shape, without a batch; and the highest frequency that it holds, half a cycle per pixel at most,
        less where it was enlarged.
    axes : sequence of str
        Their axes' names; "channel" is the channel, all others are spatial.
    span : number or array
        Broadcastable to a sample; what values are divided by, so that channels of different ranges compare.

    Raises
    ------
    DataError
        If there are none, or they differ in shape.
    """
    count = 0
    total: NDArray[np.float64] | None = None
    band = 0.0
    for sample, highest in samples:
        values = np.asarray(sample, np.float64) / span
        channels = np.moveaxis(values, list(axes).index("channel"), 0) if "channel" in axes else values[None]
        if total is None:
            sizes = channels.shape[1:]
            total, squares = np.zeros(len(channels)), np.zeros((len(channels), len(channels)))
            window = _hann(sizes)
            radius = _radius(sizes)
            power, seen = np.zeros(radius.shape), np.zeros(radius.shape)
        if channels.shape != (len(total), *sizes):
            raise DataError(f"a sample of shape {values.shape} stands beside others of another shape")
        count += 1
        flat = channels.reshape(len(channels), -1)
        total += flat.mean(1)
        squares += flat @ flat.T / flat.shape[1]
        varying = (channels - channels.mean(tuple(range(1, channels.ndim)), keepdims=True)) * window
        spectra = np.fft.rfftn(varying, axes=tuple(range(1, channels.ndim)))
        limit = _NYQUIST if highest >= _NYQUIST else _INTERPOLATED * highest
        held = radius < limit
        power += np.where(held, (np.abs(spectra) ** 2).sum(0), 0)
        seen += held
        band = max(band, limit)
    if total is None:
        raise DataError("no samples to measure")
    mean = total / count
    slope = _slope(power / np.maximum(seen, 1), radius, 2 / max(sizes), band)
    return NaturalStatistics(count, squares / count - np.outer(mean, mean), slope, band)


def _hann(sizes: Sequence[int]) -> NDArray[np.float64]:
    window = np.ones(())
    for size in sizes:
        window = np.multiply.outer(window, np.hanning(size + 2)[1:-1])
    return window


def _radius(sizes: Sequence[int]) -> NDArray[np.float64]:
    """Return the frequency of each place of a real spectrum, in cycles per pixel."""
    grids = np.meshgrid(*[np.fft.fftfreq(size) for size in sizes[:-1]], np.fft.rfftfreq(sizes[-1]), indexing="ij")
    radius: NDArray[np.float64] = np.sqrt(sum(grid**2 for grid in grids))
    return radius


def _slope(power: NDArray[np.float64], radius: NDArray[np.float64], lowest: float, highest: float) -> float | None:
    """Return half the slope of power over frequency; half, for it is the amplitude's that is asked for."""
    # Below two periods there is the window itself; above half a cycle only the corners are left.
    edges = np.geomspace(lowest, highest, 13) if highest > lowest else np.empty(0)
    places, values = [], []
    for low, high in pairwise(edges):
        ring = (radius >= low) & (radius < high)
        if ring.any() and power[ring].mean() > 0:
            places.append(np.log(radius[ring]).mean())
            values.append(np.log(power[ring].mean()))
    if len(places) < 4:
        return None
    return float(np.clip(-np.polyfit(places, values, 1)[0] / 2, 0.0, 3.0))
