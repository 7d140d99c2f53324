"""The parameterization of a picture, signal or volume by the phases of its spectrum, with the magnitudes of natural pictures.

Fel et al., "Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained Optimization" (2023). With fixed
magnitudes an ascent cannot amplify high frequencies, however deep the network is.
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

# The published mean magnitude of ImageNet, a row for each decorrelated channel, as factor · f^-slope · exp(-(f / cut)^power) with f in
# cycles per pixel. The fit is within .07 of the logarithm (rms). A formula suits any size, and signals and volumes as well.
MAGNITUDES = ((36.09, 1.273, 0.29, 2.0), (30.83, 1.312, 0.27, 2.0), (22.33, 1.340, 0.34, 3.0))

# The standard deviation of phases that are spread evenly over the circle.
EVEN = math.pi / math.sqrt(3)


@dataclass(frozen=True, slots=True)
class Maco:
    """A parameterization by an inverse Fourier transform of fixed magnitudes and free phases.

    Attributes
    ----------
    variables : tuple of Tensor
        The phases, (batch, channel, *frequencies), which `realize` standardizes.
    magnitudes : Tensor
        The magnitudes, (channel, *frequencies).
    fourier : Fourier
        The transform of a spectrum into the input, with its colors, layout and range.
    transparency : Tensor
        The sum of the gradient's magnitude at each element over all steps so far, (batch, *shape).
    text : str
        A line that describes the parameterization to a person.
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
        """Return a parameterization with random phases for each run.

        Parameters
        ----------
        runs, shape, axes, low, high, mean, std, colors, device
            As in `Fourier.start`.
        slope : float, optional
            For data that are not photographs: magnitudes fall as frequency to the power of minus this number. Default: the
            published magnitudes.

        Raises
        ------
        UsageError
            If axes, range or colors do not fit the shape.
        """
        fourier = Fourier.start(runs, shape, axes, low=low, high=high, mean=mean, std=std, colors=colors, device=device)
        frame, count = fourier.frame, fourier.variables[0].shape[1]
        magnitudes = natural_magnitudes(frame.sizes, count, slope).to(device)
        # By Parseval's theorem the contrast does not depend on the phases. A deviation of 1 before the sigmoid gives about the
        # contrast of photographs.
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
        """The axes of the input besides the batch and the channel."""
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
        """The size of rounding errors: since magnitudes are fixed, small gradients of phases cannot make a grain."""
        return 1e-7

    @property
    def momentum(self) -> float:
        """Adam's usual .9, as published."""
        return 0.9

    def realize(self) -> Tensor:
        """Return the input, (batch, *shape), whose gradient is added to the transparency when it is computed."""
        raw = self.variables[0]
        flat = raw.flatten(1)
        deviation, mean = torch.std_mean(flat, dim=1, correction=0)
        beside = (-1, *[1] * (raw.ndim - 1))
        # All phases are standardized together. Otherwise the steps of an optimizer would add up and turn phases round and round.
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
        """Set the phases, in place, to those of inputs; the magnitudes of the inputs are not used."""
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
        The sizes of the spatial axes.
    channels : int
        The number of channels. Three channels are taken for decorrelated colors. For any other number, all channels have the
        magnitudes of the first of these colors.
    slope : float, optional
        The slope of a power law in place of the published magnitudes.

    Returns
    -------
    Tensor
        (channel, *frequencies) in the layout of `torch.fft.rfftn`. Only ratios have a meaning. The mean counts as the lowest
        frequency.
    """
    frequency = frequencies(sizes).clamp_min(1 / max(sizes))
    if slope is not None:
        return frequency.pow(-slope).to(torch.float32).expand(channels, *frequency.shape).clone()
    rows = MAGNITUDES if channels == 3 else (MAGNITUDES[0],) * channels
    planes = [factor * frequency**-fall * torch.exp(-((frequency / cut) ** power)) for factor, fall, cut, power in rows]
    return torch.stack(planes).to(torch.float32)


def power_of(magnitudes: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return the variance of the elements for coefficients of random phase, one number for each channel, (channel,)."""
    # As in `spectral_filter`, an inner coefficient stands for itself and for its mirror. Of a coefficient that is its own mirror
    # only the real part counts, which on average is half of its power.
    weight = torch.full_like(magnitudes, 2)
    weight[..., 0] = 0.5
    if sizes[-1] % 2 == 0:
        weight[..., -1] = 0.5
    return (weight * magnitudes.square()).flatten(1).sum(1) / math.prod(sizes) ** 2


def faded(
    array: NDArray[np.floating], transparency: NDArray[np.floating], middle: NDArray[np.floating], channel: int | None
) -> NDArray[np.float32]:
    """Return an input that fades to the middle where the gradient was small: the published transparency, on gray.

    Parameters
    ----------
    array, transparency, middle : (*shape) ndarray
        The input, its `Maco.transparency`, and the input that it fades to.
    channel : int or None
        The axis of the channels, which all fade alike at a position.

    Returns
    -------
    (*shape) float32
        The input, unchanged where the transparency is among the largest fifth, and the middle where it is 0.
    """
    alpha = np.asarray(transparency, np.float64)
    alpha = alpha if channel is None else alpha.mean(channel, keepdims=True)
    alpha = _softened(alpha, [axis for axis in range(alpha.ndim) if axis != channel])
    most = float(np.percentile(alpha, 80)) or float(alpha.max())
    alpha = np.clip(alpha / most, 0, 1) if most > 0 else np.ones_like(alpha)
    return (middle + alpha * (array - middle)).astype(np.float32)


def _softened(alpha: NDArray[np.float64], spatial: Sequence[int]) -> NDArray[np.float64]:
    """Return a transparency blurred by a Gaussian of a hundredth of the longest side, since single pixels have noisy gradients."""
    sizes = [alpha.shape[axis] for axis in spatial]
    grids = np.meshgrid(*[np.fft.fftfreq(size) for size in sizes], indexing="ij")
    deviation = max(sizes) / 100
    gain = np.exp(-2 * (np.pi * deviation) ** 2 * np.asarray(sum(grid**2 for grid in grids)))
    shape = [alpha.shape[axis] if axis in spatial else 1 for axis in range(alpha.ndim)]
    blurred = np.fft.ifftn(np.fft.fftn(alpha, axes=spatial) * gain.reshape(shape), axes=spatial).real
    return np.maximum(blurred, 0)
