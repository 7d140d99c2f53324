"""The statistics of real pictures, signals or volumes: the covariance of their channels and the slope of their spectrum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError

_NYQUIST = 0.5
"""The highest frequency that a grid can hold, in cycles per pixel."""

_INTERPOLATED = 0.8
"""The share of a coarser grid's frequencies that is used, since interpolation weakens the rest. A slope of 1 is then measured as
1.1; with all frequencies it would be 1.2."""


@dataclass(frozen=True)
class NaturalStatistics:
    """The statistics of samples.

    Attributes
    ----------
    count : int
        The number of samples.
    covariance : (channel, channel) float64
        The covariance of the channels over all positions of all samples.
    slope : float or None
        The amplitudes of the spectrum fall as frequency to the power of minus this number; None where no axis is long enough.
    band : float
        The highest frequency that the slope is measured with, in cycles per pixel, or per sample of a signal.
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
    """Return the statistics of samples, which are read one at a time.

    The slope is that of a straight line through the logarithm of the mean power over the logarithm of the frequency, for rings of
    equal width on the logarithmic scale, as in van der Schaaf & van Hateren, "Modelling the power spectra of natural images" (1996).
    Each sample is multiplied with a Hann window, since its borders alone would make a spectrum of slope 1. A sample that was enlarged
    has no frequencies above those of its own grid, so that these are left out.

    Parameters
    ----------
    samples : iterable of (ndarray, float)
        The samples, all of one shape without a batch axis, each with the highest frequency that it holds: half a cycle per pixel,
        or less where the sample was enlarged.
    axes : sequence of str
        The names of the axes. The axis named "channel" is the channel; all others are spatial.
    span : number or array
        The number that values are divided by, so that channels of different ranges can be compared; broadcastable to a sample.

    Raises
    ------
    DataError
        If there are no samples, or if samples differ in shape.
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
            raise DataError(
                f"a sample has the shape {values.shape}, and others have another shape; give samples of one shape"
            )
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
    """Return the frequency of each coefficient of a real spectrum, in cycles per pixel."""
    grids = np.meshgrid(*[np.fft.fftfreq(size) for size in sizes[:-1]], np.fft.rfftfreq(sizes[-1]), indexing="ij")
    radius: NDArray[np.float64] = np.sqrt(sum(grid**2 for grid in grids))
    return radius


def _slope(power: NDArray[np.float64], radius: NDArray[np.float64], lowest: float, highest: float) -> float | None:
    """Return the slope of the amplitude over frequency, which is half of that of the power."""
    # Below two periods the window itself is measured. Above half a cycle per pixel only the corners of the grid have coefficients.
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
