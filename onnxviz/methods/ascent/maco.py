"""A picture, signal or volume whose magnitudes are those of natural pictures, so that only its phases move.

Fel et al., "Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained Optimization" (2023): with the
spectrum's magnitude held fixed an ascent cannot pile up high frequencies, however deep the network is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onnxviz.methods.ascent.fourier import Fourier, describe, frequencies
from onnxviz.methods.ascent.parameterizations import Values, size
from onnxviz.methods.ascent.runs import Run, uniform

# The published mean magnitude of ImageNet, a row for each decorrelated channel, as factor · f^-slope · exp(-(f / cut)^power)
# with f in cycles per pixel; fitted to within .07 of its logarithm (rms). A formula serves any size, and 1-D and 3-D too.
MAGNITUDES = ((36.09, 1.273, 0.29, 2.0), (30.83, 1.312, 0.27, 2.0), (22.33, 1.340, 0.34, 3.0))

# The standard deviation of phases that are spread evenly over the circle.
EVEN = math.pi / math.sqrt(3)


@dataclass(frozen=True, slots=True)
class Maco:
    """The input is an inverse Fourier transform of fixed magnitudes and free phases.

    Attributes
    ----------
    variables : tuple of Tensor
        Phases, (batch, channel, *frequencies), standardized when they are realized.
    magnitudes : Tensor
        (channel, *frequencies).
    fourier : Fourier
        The transform of a spectrum into the input, with its colors, layout and range.
    transparency : Tensor
        (batch, *shape): the sum of the gradient's magnitude at each element, over all steps so far.
    text : str
        One line for a person.
    """

    variables: tuple[Tensor]
    magnitudes: Tensor
    fourier: Fourier
    transparency: Tensor
    text: str

    @classmethod
    def start(
        cls,
        runs: Sequence[Run],
        shape: Sequence[int],
        axes: str = "channel height width",
        *,
        low: Values | None = None,
        high: Values | None = None,
        mean: Values = 0.0,
        std: Values = 1.0,
        colors: Values | str | None = None,
        slope: float | None = None,
        device: torch.device | str = "cpu",
    ) -> Maco:
        """Draw random phases for each run.

        Parameters
        ----------
        runs, shape, axes, low, high, mean, std, colors, device
            As `Fourier.start` takes them.
        slope : float, optional
            Magnitudes fall as frequency to the power of minus this, for data that are not photographs. Default: the
            published magnitudes.

        Raises
        ------
        UsageError
            If axes, range or colors do not fit the shape.
        """
        fourier = Fourier.start(runs, shape, axes, low=low, high=high, mean=mean, std=std, colors=colors, device=device)
        frame, count = fourier.frame, fourier.variables[0].shape[1]
        magnitudes = natural_magnitudes(frame.sizes, count, slope).to(device)
        # By Parseval the contrast does not depend on the phases. A deviation of 1 before the sigmoid is about that of photographs.
        power = power_of(magnitudes, frame.sizes)
        mixed = power if frame.colors is None else frame.colors.square() @ power
        magnitudes = magnitudes / mixed.mean().sqrt()
        phases = math.pi * uniform([run.generator("start") for run in runs], magnitudes.shape).to(device)
        kind = "the published magnitudes" if slope is None else f"magnitudes of slope {slope:g}"
        return cls(
            (phases.requires_grad_(),),
            magnitudes,
            fourier,
            torch.zeros((len(runs), *shape), device=device),
            f"phases of {size(shape)} ({axes}), {kind}, {describe(colors)}",
        )

    @property
    def spatial(self) -> tuple[int, ...]:
        """All axes but the batch and the channel."""
        return self.fourier.spatial

    @property
    def middle(self) -> Tensor:
        """The middle of the range, or the mean."""
        return self.fourier.middle

    @property
    def span(self) -> Tensor:
        """The length of the range, or the standard deviation."""
        return self.fourier.span

    @property
    def floor(self) -> float:
        """What rounding leaves: the magnitudes are fixed, so that no phase can become a grain of its own."""
        return 1e-7

    @property
    def momentum(self) -> float:
        """Adam's usual .9, as published."""
        return 0.9

    def realize(self) -> Tensor:
        """Return the input, (batch, *shape); what its gradient is later counts towards the transparency."""
        raw = self.variables[0]
        flat = raw.flatten(1)
        deviation, mean = torch.std_mean(flat, dim=1, correction=0)
        beside = (-1, *[1] * (raw.ndim - 1))
        # Standardized as a whole: an optimizer whose steps add up would otherwise turn phases round and round.
        phases = (raw - mean.reshape(beside)) * (EVEN / deviation.clamp_min(1e-12).reshape(beside))
        spectrum = torch.polar(self.magnitudes.expand_as(phases), phases)
        inputs = self.fourier.paint(spectrum)
        if inputs.requires_grad:
            inputs.register_hook(self._note)  # type: ignore[no-untyped-call]  # torch leaves it without types
        return inputs

    def _note(self, gradient: Tensor) -> None:
        self.transparency.add_(torch.nan_to_num(gradient.detach()).abs())

    def standardize(self, inputs: Tensor) -> Tensor:
        """Return (input - middle) / span: -.5 to .5 over a range."""
        return self.fourier.standardize(inputs)

    def place(self, inputs: Tensor) -> None:
        """Take over the phases of inputs, in place; their magnitudes are not kept."""
        with torch.no_grad():
            phases = torch.angle(self.fourier.spectrum_of(inputs))
            self.variables[0].copy_(phases)

    def project(self) -> None:
        """Do nothing: every phase is allowed."""

    def tangent(self, directions: Sequence[Tensor]) -> list[Tensor]:
        """Return the directions: every phase is allowed."""
        return list(directions)


def natural_magnitudes(sizes: Sequence[int], channels: int, slope: float | None = None) -> Tensor:
    """Return the magnitudes of a natural picture's Fourier coefficients.

    Parameters
    ----------
    sizes : sequence of int
        Of the spatial axes.
    channels : int
        Three are taken to be decorrelated colors; any other number of channels are alike, as the first of the colors.
    slope : float, optional
        A plain power law in place of the published magnitudes.

    Returns
    -------
    Tensor
        (channel, *frequencies) as `torch.fft.rfftn` lays them out; only ratios have a meaning. The mean counts as the
        lowest frequency.
    """
    frequency = frequencies(sizes).clamp_min(1 / max(sizes))
    if slope is not None:
        return frequency.pow(-slope).to(torch.float32).expand(channels, *frequency.shape).clone()
    rows = MAGNITUDES if channels == 3 else (MAGNITUDES[0],) * channels
    planes = [factor * frequency**-fall * torch.exp(-((frequency / cut) ** power)) for factor, fall, cut, power in rows]
    return torch.stack(planes).to(torch.float32)


def power_of(magnitudes: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return the variance of the elements that coefficients of random phase make, for each channel: (channel,)."""
    # As in `spectral_filter`, by expectation: an inner coefficient stands for itself and for its mirror; of one that is its
    # own mirror only the real part counts, which is half of its power.
    weight = torch.full_like(magnitudes, 2)
    weight[..., 0] = 0.5
    if sizes[-1] % 2 == 0:
        weight[..., -1] = 0.5
    return (weight * magnitudes.square()).flatten(1).sum(1) / math.prod(sizes) ** 2


def faded(
    array: NDArray[np.floating], transparency: NDArray[np.floating], middle: NDArray[np.floating], channel: int | None
) -> NDArray[np.float32]:
    """Return an input that fades to the middle where the target cared little: the published transparency, on gray.

    Parameters
    ----------
    array, transparency, middle : (*shape) ndarray
        The input, `Maco.transparency` of it, and what to fade to.
    channel : int or None
        Which of the axes is the channel: all channels of a place fade alike.

    Returns
    -------
    (*shape) float32
        Untouched where the transparency is among the largest fifth; the middle where it is 0.
    """
    alpha = np.asarray(transparency, np.float64)
    alpha = alpha if channel is None else alpha.mean(channel, keepdims=True)
    alpha = _softened(alpha, [axis for axis in range(alpha.ndim) if axis != channel])
    most = float(np.percentile(alpha, 80)) or float(alpha.max())
    alpha = np.clip(alpha / most, 0, 1) if most > 0 else np.ones_like(alpha)
    return (middle + alpha * (array - middle)).astype(np.float32)


def _softened(alpha: NDArray[np.float64], spatial: Sequence[int]) -> NDArray[np.float64]:
    """Blur by a Gaussian of a hundredth of the longest side: the gradient of single pixels is grain."""
    sizes = [alpha.shape[axis] for axis in spatial]
    grids = np.meshgrid(*[np.fft.fftfreq(size) for size in sizes], indexing="ij")
    deviation = max(sizes) / 100
    gain = np.exp(-2 * (np.pi * deviation) ** 2 * np.asarray(sum(grid**2 for grid in grids)))
    shape = [alpha.shape[axis] if axis in spatial else 1 for axis in range(alpha.ndim)]
    blurred = np.fft.ifftn(np.fft.fftn(alpha, axes=spatial) * gain.reshape(shape), axes=spatial).real
    return np.maximum(blurred, 0)
