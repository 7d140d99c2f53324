"""What a kernel's Fourier transform and its symmetry tell: orientation, frequency, odd or even, centered or not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class Shape:
    """Measures of one kernel; none depends on its scale.

    The varying part is the kernel less its mean over space, in each channel.

    Attributes
    ----------
    constant : float
        Share of the energy that does not vary, 0 to 1.
    peak : float
        Share of the energy in the one strongest position, 0 to 1.
    gain_at_zero, gain_at_half : float
        Gain for a constant input, and for one that alternates from pixel to pixel along all axes, relative to the
        largest at any frequency: 0 to 1.
    passband : float
        Mean radius of the kernel's spectrum, weighted by squared power: cycles per pixel.
    frequency : float
        The same for the varying part.
    bandwidth : float
        Standard deviation of the radius of the varying part's spectrum, weighted by power: cycles per pixel.
    anisotropy : float
        How much of the varying part's spectrum lies along one direction: 0 for none, 1 for a line.
    normal : (axis,) float
        That direction, across the lines: of unit length, in the order of the kernel's axes, its sign without meaning.
    cycles : float
        How many periods of `frequency` lie within the varying part's extent along `normal`.
    symmetry : float
        Even less odd share of the varying part's energy about its center, -1 to 1.
    radial : float
        Share of the energy that the distance from its center explains, less what chance would: at most 1.
    center : float
        What the distance explains at the center, summed over the channels.
    smoothness : float
        Correlation of neighbors, near 0 for noise.
    """

    constant: float
    peak: float
    gain_at_zero: float
    gain_at_half: float
    passband: float
    frequency: float
    bandwidth: float
    anisotropy: float
    normal: np.ndarray
    cycles: float
    symmetry: float
    radial: float
    center: float
    smoothness: float


def measure(kernel: np.ndarray) -> Shape:
    """Measure a kernel that is not zero.

    Parameters
    ----------
    kernel : (channel, *spatial) float64
        One to three spatial axes, each of more than one pixel.

    Notes
    -----
    The direction is the main axis of the spectrum's structure tensor (Bigün and Granlund, "Optimal orientation
    detection of linear symmetry", 1987), over unit vectors, so that a frequency counts by its power alone. The usual
    window is left out: of three pixels it would leave one. Instead powers are squared, so that the spectrum's peak
    outweighs the skirts that the kernel's sharp border gives it.

    The even less the odd energy about a point is the kernel's convolution with itself, there. As a sum over the
    spectrum it can be had at points between the pixels.
    """
    axes = tuple(range(1, kernel.ndim))
    energy = float((kernel**2).sum())
    varying = kernel - kernel.mean(axis=axes, keepdims=True)
    constant = 1 - float((varying**2).sum()) / energy
    if constant > 1 - 1e-12:
        varying = kernel  # what is left is rounding: the other measures are those of a box
    frequencies, radius, unit = _grid(kernel.shape[1:])
    whole = (np.abs(np.fft.fftn(kernel, radius.shape, axes=axes)) ** 2).sum(0)
    spectrum = np.fft.fftn(varying, radius.shape, axes=axes)
    power = (np.abs(spectrum) ** 2).sum(0)
    values, vectors = np.linalg.eigh(_structure(unit, power**2))
    normal = vectors[:, -1]
    frequency = _mean(radius, power**2)
    center, extent = _extent((varying**2).sum(0), normal)
    turn = np.exp(4j * np.pi * np.tensordot(center, frequencies, 1))
    radial, middle = _radial(kernel)
    alternating = np.sqrt(sum(_alternating_sum(channel) ** 2 for channel in kernel))
    largest = max(float(np.sqrt(whole.max())), alternating)
    return Shape(
        constant=constant,
        peak=float((kernel**2).sum(0).max()) / energy,
        gain_at_zero=float(np.sqrt(whole.flat[0])) / largest,
        gain_at_half=alternating / largest,
        passband=_mean(radius, whole**2),
        frequency=frequency,
        bandwidth=float(np.sqrt(max(_mean(radius**2, power) - _mean(radius, power) ** 2, 0))),
        anisotropy=float(values[-1] - values[:-1].mean()) if len(values) > 1 else 1.0,
        normal=normal,
        cycles=frequency * extent,
        symmetry=float((spectrum**2 * turn).sum().real / power.sum()),
        radial=radial,
        center=middle,
        smoothness=_smoothness(varying),
    )


@lru_cache(maxsize=8)
def _grid(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the frequencies of a zero-padded transform, their radii and their directions.

    Frequencies and directions are (axis, *sizes), radii (*sizes), in cycles per pixel; zero has no direction. The sizes are odd: such
    a grid is its own mirror image, and has no frequency 1/2, whose sign would be open.
    """
    least, factor = (33, 4) if len(shape) < 3 else (9, 2)
    sizes = [max(least, factor * size + 1) for size in shape]
    frequencies = np.stack(np.meshgrid(*[np.fft.fftfreq(size) for size in sizes], indexing="ij"))
    radius = np.sqrt((frequencies**2).sum(0))
    return frequencies, radius, frequencies / np.where(radius == 0, 1, radius)


def _mean(values: np.ndarray, weight: np.ndarray) -> float:
    return float((values * weight).sum() / weight.sum())


def _structure(unit: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the weighted mean of the outer products of directions: (axis, axis); zero counts for no direction."""
    flat = unit.reshape(len(unit), -1)
    tensor = (flat * weight.reshape(-1)) @ flat.T
    return np.asarray(tensor / np.trace(tensor))


@lru_cache(maxsize=8)
def _places(shape: tuple[int, ...]) -> np.ndarray:
    return np.stack(np.meshgrid(*[np.arange(size, dtype=np.float64) for size in shape], indexing="ij"))


def _extent(energy: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the centroid of an energy, and its width along a direction in pixels: that of a box of the same variance."""
    places = _places(energy.shape)
    share = energy / energy.sum()
    center = (places * share).reshape(len(places), -1).sum(1)
    across = np.tensordot(normal, places, 1) - normal @ center
    # The variance of a box of width w is w²/12, and a pixel is itself a box of width 1.
    return center, float(np.sqrt(12 * (across**2 * share).sum() + 1))


def _radial(kernel: np.ndarray) -> tuple[float, float]:
    """Return how much of a kernel the distance from its center explains, and what it explains at the center."""
    center, _ = _extent((kernel**2).sum(0), np.zeros(kernel.ndim - 1))
    near = np.round(2 * center) / 2  # on a pixel or halfway between two: there many pixels share a distance
    offsets = _places(kernel.shape[1:]) - near.reshape(-1, *[1] * len(near))
    # Four times a squared distance from such a point is a whole number.
    squares = np.round(4 * (offsets**2).sum(0)).astype(np.int64)
    ring = np.unique(squares, return_inverse=True)[1].reshape(-1)
    count = np.bincount(ring)
    means = np.stack([np.bincount(ring, channel.reshape(-1)) / count for channel in kernel])
    free = len(ring) - len(count)
    unexplained = 1 - float((means**2 * count).sum() / (kernel**2).sum())
    # Rings of few pixels fit anything: the share is corrected as statistics corrects R².
    return (1 - unexplained * len(ring) / free if free else 0.0), float(means[:, 0].sum())


def _alternating_sum(channel: np.ndarray) -> float:
    """Return the gain for an input whose sign changes from pixel to pixel along all axes."""
    return float((channel * np.where(_places(channel.shape).sum(0) % 2, -1.0, 1.0)).sum())


def _smoothness(varying: np.ndarray) -> float:
    """Return the mean correlation of neighbors along the axes."""
    energy = (varying**2).sum()
    correlations = []
    for axis, size in enumerate(varying.shape[1:], 1):
        ahead, behind = varying.take(range(1, size), axis), varying.take(range(size - 1), axis)
        correlations.append(float((ahead * behind).sum() / energy) * size / (size - 1))
    return float(np.mean(correlations))
