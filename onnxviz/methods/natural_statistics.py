"""What real pictures, signals or volumes have in common: how their channels vary together and how their spectrum falls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError


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
    """

    count: int
    covariance: NDArray[np.float64]
    slope: float | None


def natural_statistics(
    samples: Iterable[NDArray[np.floating]], axes: Sequence[str], span: float | NDArray[np.floating] = 1.0
) -> NaturalStatistics:
    """Measure samples, one at a time.

    The slope is a straight line through the logarithm of the mean power over that of the frequency, rings of equal width on
    the logarithmic scale, as van der Schaaf & van Hateren, "Modelling the power spectra of natural images" (1996), fit it.
    Each sample is seen through a Hann window, without which its borders alone would make a spectrum of slope 1.

    Parameters
    ----------
    samples : iterable of ndarray
        Each of the same shape, without a batch.
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
    for sample in samples:
        values = np.asarray(sample, np.float64) / span
        channels = np.moveaxis(values, list(axes).index("channel"), 0) if "channel" in axes else values[None]
        if total is None:
            sizes = channels.shape[1:]
            total, squares = np.zeros(len(channels)), np.zeros((len(channels), len(channels)))
            window = _hann(sizes)
            power = np.zeros(np.fft.rfftn(window).shape)
        if channels.shape != (len(total), *sizes):
            raise DataError(f"a sample of shape {values.shape} stands beside others of another shape")
        count += 1
        flat = channels.reshape(len(channels), -1)
        total += flat.mean(1)
        squares += flat @ flat.T / flat.shape[1]
        varying = (channels - channels.mean(tuple(range(1, channels.ndim)), keepdims=True)) * window
        spectra = np.fft.rfftn(varying, axes=tuple(range(1, channels.ndim)))
        power += (np.abs(spectra) ** 2).sum(0)
    if total is None:
        raise DataError("no samples to measure")
    mean = total / count
    return NaturalStatistics(count, squares / count - np.outer(mean, mean), _slope(power, sizes))


def _hann(sizes: Sequence[int]) -> NDArray[np.float64]:
    window = np.ones(())
    for size in sizes:
        window = np.multiply.outer(window, np.hanning(size + 2)[1:-1])
    return window


def _slope(power: NDArray[np.float64], sizes: Sequence[int]) -> float | None:
    """Return half the slope of power over frequency; half, for it is the amplitude's that is asked for."""
    grids = np.meshgrid(*[np.fft.fftfreq(size) for size in sizes[:-1]], np.fft.rfftfreq(sizes[-1]), indexing="ij")
    radius = np.sqrt(sum(grid**2 for grid in grids))
    # Below two periods there is the window itself; above half a cycle only the corners are left.
    edges = np.geomspace(2 / max(sizes), 0.5, 13)
    places, values = [], []
    for low, high in pairwise(edges):
        ring = (radius >= low) & (radius < high)
        if ring.any() and power[ring].mean() > 0:
            places.append(np.log(radius[ring]).mean())
            values.append(np.log(power[ring].mean()))
    if len(places) < 4:
        return None
    return float(np.clip(-np.polyfit(places, values, 1)[0] / 2, 0.0, 3.0))
