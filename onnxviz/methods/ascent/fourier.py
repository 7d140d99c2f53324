"""The parameterization of a picture, signal or volume by its spectrum, in which large structures move as easily as small ones.

The spectrum of natural pictures falls as 1/f. An ascent moves coefficients that are scaled in this way. Otherwise high frequencies,
to which networks with strides and pooling respond, would dominate the result (Olah, Mordvintsev & Schubert 2017).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from onnxviz.errors import UsageError
from onnxviz.methods.ascent.painting import Frame, Painted, mirrors, root_mean_square
from onnxviz.methods.ascent.parameterizations import Values, fit, size
from onnxviz.methods.ascent.runs import Run, normal

IMAGENET_COLORS = ((0.26, 0.09, 0.02), (0.27, 0.0, -0.05), (0.27, -0.09, 0.03))
"""A root of the covariance of ImageNet's colors, a row each for red, green, blue (lucid)."""

# The standard deviation of a coefficient at the start (lucid), and of a pixel before color and range. Lucid's own factors give a
# pixel .019 at 224 × 224 and slope 1. With a fixed deviation, one rate suits all sizes, slopes and dimensions.
COEFFICIENT = 0.01
PIXEL = 0.02
# The most standard deviations from the mean of an element, where there is no range.
PEAK = 3.0
# When the spectrum of an input is computed, values at the ends of the range are moved inside by this share of the range, since the
# sigmoid has no slope at the ends.
INSIDE = 0.005
# A picture whose norm before the sigmoid is below this number is an even gray.
EVEN_GRAY = 1e-3
# The least share of a frequency's amplitude that a cutoff leaves.
LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Fourier:
    """A parameterization by an inverse Fourier transform, with decorrelated colors, into a range.

    Attributes
    ----------
    variables : tuple of Tensor
        Real and imaginary parts, (batch, channel, *frequencies, 2).
    filter : Tensor
        The factor of each coefficient, (*frequencies, 2), equal for both parts, so that one product suffices.
    mirrored : Tensor
        The filter times the number of times that a coefficient counts, of the same shape.
    frame : Frame
        The layout, the colors and the range of the input.
    bounded : bool
        Whether there is a range.
    text : str
        A line that describes the parameterization to a person.
    contrast : Tensor or None
        (batch,): the norm of each picture before the sigmoid, as a root mean square, which no step changes. None: free.
    """

    variables: tuple[Tensor]
    filter: Tensor
    mirrored: Tensor
    frame: Frame
    bounded: bool
    text: str
    contrast: Tensor | None = None

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
        slope: float = 1.0,
        cutoff: float | None = None,
        contrast: float | None = None,
        device: torch.device | str = "cpu",
    ) -> Fourier:
        """Return a parameterization with a random spectrum for each run.

        Parameters
        ----------
        runs : sequence of Run
            One per sample.
        shape : sequence of int
            The shape of one sample, in the model's layout.
        axes : str
            A name for each axis of the shape, such as "height width channel" or "channel length". The axis named
            "channel" is the channel, which may be missing. All others are spatial.
        low, high : number or array, optional
            The range in the model's units: a number, or an array that broadcasts to the shape. A model that takes
            (pixel - mean) / std of pixels in 0 to 1 has the range (0 - mean) / std to (1 - mean) / std. Without a range the
            contrast of the input is at most that of `mean` and `std`, and no element is beyond three deviations.
        mean, std : number or array
            Mean and standard deviation of the data, in the model's units. They are used only where there is no range.
        colors : "rgb", "bgr", array or None
            How channels vary together. The names stand for the colors of ImageNet. An array is a root of a covariance,
            (channel, channel), of which only ratios matter (`color_root`). None: channels are independent.
        slope : float
            Amplitudes fall as frequency to the power of minus this number.
        cutoff : float, optional
            Amplitudes also fall as exp(-(f / cutoff)^2), with f in cycles per element. Default: they do not.
        contrast : float, optional
            The norm that every picture has before the sigmoid, as a root mean square over its elements, as Erhan et al. (2009) hold
            the norm of their inputs. Default: the norm is free. It is used only where there is a range.
        device : torch.device or str
            The device of the variables.

        Raises
        ------
        UsageError
            If axes, range or colors do not fit the shape.
        """
        names = axes.split()
        shape = tuple(shape)
        if len(names) != len(shape) or len(set(names)) != len(names) or set(names) <= {"channel"}:
            raise UsageError(
                f"axes '{axes}': an input of {size(shape)} needs {len(shape)} names, all different, not 'channel' alone"
            )
        if (low is None) != (high is None):
            raise UsageError("range: give both ends, or neither")
        if not runs:
            raise UsageError("runs: is empty; give at least one run")
        channel = names.index("channel") if "channel" in names else None
        sizes = tuple(n for axis, n in enumerate(shape) if axis != channel)
        count = 1 if channel is None else shape[channel]
        if min(shape) < 1:
            raise UsageError(f"shape {size(shape)}: has no elements")
        internal = ["channel", *(name for name in names if name != "channel")]
        order = (0, *(1 + internal.index(name) for name in names))
        factors = spectral_filter(sizes, slope, cutoff).to(device)
        coefficients = (count, *factors.shape, 2)
        factors = factors.unsqueeze(-1).expand(coefficients[1:]).contiguous()
        spectrum = COEFFICIENT * normal([run.generator("start") for run in runs], coefficients).to(device)
        if low is not None and high is not None:
            lower, upper = fit(low, "range", shape, device), fit(high, "range", shape, device)
            if not bool((torch.isfinite(upper - lower) & (lower < upper)).all()):
                raise UsageError("range: the lower end must be a finite number below the upper end")
            middle, span = _collapsed((lower + upper) / 2), _collapsed(upper - lower)
            extent = f"values {float(lower.min()):.4g} to {float(upper.max()):.4g}"
        else:
            middle, span = fit(mean, "mean", shape, device), fit(std, "std", shape, device)
            if not bool((torch.isfinite(middle) & torch.isfinite(span) & (span > 0)).all()):
                raise UsageError("mean and std: must be finite numbers, std above 0")
            extent = "standardized, of the data's contrast at most"
        held = None if contrast is None or low is None else torch.full((len(runs),), contrast, device=device)
        fall = f"slope {slope:g}" + ("" if cutoff is None else f" up to {cutoff:g} cycles per element")
        norm = "" if held is None else f", of norm {contrast:g}"
        return cls(
            (spectrum.requires_grad_(),),
            factors,
            factors * mirrors(sizes, device),
            Frame(sizes, None if colors is None else _matrix(colors, count, device), order, middle, span),
            low is not None,
            f"spectrum of {size(shape)} ({axes}), {fall}, {describe(colors)}, {extent}{norm}",
            held,
        )

    @property
    def spatial(self) -> tuple[int, ...]:
        """The axes of the input besides the batch and the channel."""
        return self.frame.spatial

    @property
    def middle(self) -> Tensor:
        """The middle of the range, or the mean where there is no range."""
        return self.frame.middle

    @property
    def span(self) -> Tensor:
        """The length of the range, or the standard deviation where there is no range."""
        return self.frame.span

    @property
    def floor(self) -> float:
        """Three thousandths: variables with smaller gradients, relative to the largest, move at less than the full rate.

        A network that sees a smaller picture, for instance, does not respond to high frequencies. Their coefficients still have
        small gradients, by rounding and by the sigmoid. At the full rate these would become a grain that people see and the network
        does not.
        """
        return 3e-3

    @property
    def momentum(self) -> float:
        """One half.

        This was measured on inner channels and classes of image networks. From .9 down to .5, less momentum gave higher scores after
        the same number of steps; below .5 there was no difference.
        """
        return 0.5

    def realize(self) -> Tensor:
        """Return the input, (batch, *shape)."""
        if self.bounded:
            return self._painted(self.variables[0], self.filter, self.mirrored, self.contrast)
        return self.paint(torch.view_as_complex(self.variables[0] * self.filter))

    def paint(self, spectrum: Tensor) -> Tensor:
        """Return the input of a spectrum, (batch, channel, *frequencies) complex, with its colors and in its range."""
        frame = self.frame
        if self.bounded:
            mirrored = mirrors(frame.sizes, spectrum.device)
            return self._painted(torch.view_as_real(spectrum), None, mirrored)
        waves = torch.fft.irfftn(spectrum, s=frame.sizes, dim=tuple(range(2, 2 + len(frame.sizes))))
        if frame.colors is not None:
            waves = (frame.colors @ waves.flatten(2)).reshape(waves.shape)
        # Soft limits on the contrast of the whole input, which is that of the data, and on each element. Without them the score
        # would grow with the number of steps, or depend on a few dots that no data have.
        power = waves.flatten(1).square().mean(1).reshape(-1, *[1] * (waves.ndim - 1))
        unit = PEAK * torch.tanh(waves * torch.rsqrt(1 + power) / PEAK)
        unit = unit.permute(frame.order) if frame.channels else unit.squeeze(1)
        return frame.middle + frame.span * unit

    def _painted(
        self, parts: Tensor, factors: Tensor | None, mirrored: Tensor, contrast: Tensor | None = None
    ) -> Tensor:
        """Return the input, in its range, of real and imaginary parts times factors."""
        painted: Tensor = Painted.apply(parts, factors, mirrored, self.frame, contrast)  # type: ignore[no-untyped-call, unused-ignore]  # typed from torch 2.14 on
        return painted

    def standardize(self, inputs: Tensor) -> Tensor:
        """Return (input - middle) / span: -.5 to .5 over a range."""
        return (inputs - self.middle) / self.span

    def held(self, inputs: Tensor) -> Tensor:
        """Return inputs, (batch, *shape), with the norm that is held for the first sample; the same inputs where none is held."""
        if self.contrast is None:
            return inputs
        waves = torch.logit((self.standardize(inputs) + 0.5).clamp(INSIDE, 1 - INSIDE))
        waves = waves * (self.contrast[0] / root_mean_square(waves)).reshape(-1, *[1] * (waves.ndim - 1))
        return self.middle + self.span * (torch.sigmoid(waves) - 0.5)

    def spectrum_of(self, inputs: Tensor) -> Tensor:
        """Return the spectrum that `paint` turns into these inputs, or into the nearest inputs that it can make.

        Parameters
        ----------
        inputs : Tensor
            (batch, *shape) inputs in the model's own units. Values at an end of the range, which the sigmoid never reaches, are moved a
            little inside.

        Returns
        -------
        Tensor
            (batch, channel, *frequencies) complex64.
        """
        frame = self.frame
        unit = self.standardize(inputs)
        unit = unit.permute(frame.inverse) if frame.channels else unit[:, None]
        if self.bounded:
            waves = torch.logit((unit + 0.5).clamp(INSIDE, 1 - INSIDE))
        else:
            soft = PEAK * torch.atanh((unit / PEAK).clamp(INSIDE - 1, 1 - INSIDE))
            power = soft.flatten(1).square().mean(1).clamp_max(1 - INSIDE).reshape(-1, *[1] * (soft.ndim - 1))
            waves = soft * torch.rsqrt(1 - power)
        if frame.colors is not None:
            waves = torch.einsum("cd,bd...->bc...", torch.linalg.pinv(frame.colors), waves)
        spectrum: Tensor = torch.fft.rfftn(waves, dim=tuple(range(2, 2 + len(frame.sizes))))
        return spectrum

    def place(self, inputs: Tensor) -> None:
        """Set the spectrum, in place, so that it gives these inputs; from then on the norm that is held is theirs."""
        with torch.no_grad():
            spectrum = self.spectrum_of(inputs)
            self.variables[0].copy_(torch.view_as_real(spectrum) / self.filter)
            if self.contrast is not None:
                frame = self.frame
                waves = torch.fft.irfftn(spectrum, s=frame.sizes, dim=tuple(range(2, 2 + len(frame.sizes))))
                if frame.colors is not None:
                    waves = (frame.colors @ waves.flatten(2)).reshape(waves.shape)
                norms = root_mean_square(waves)
                # An even gray has no contrast that could be held.
                self.contrast.copy_(torch.where(norms > EVEN_GRAY, norms, self.contrast))

    def project(self) -> None:
        """Do nothing: every spectrum is allowed."""

    def tangent(self, directions: Sequence[Tensor]) -> list[Tensor]:
        """Return the directions: every spectrum is allowed."""
        return list(directions)


def _collapsed(values: Tensor) -> Tensor:
    """Return a tensor of equal numbers as one number that is expanded to the shape; other tensors as they are."""
    first = values.flatten()[0]
    return first.expand(values.shape) if bool((values == first).all()) else values


def spectral_filter(sizes: Sequence[int], slope: float, cutoff: float | None = None) -> Tensor:
    """Return factors that turn white coefficients into a spectrum that falls with the frequency.

    Parameters
    ----------
    sizes : sequence of int
        The sizes of the spatial axes.
    slope : float
        Amplitudes fall as frequency to the power of minus this number. The mean counts as the lowest frequency.
    cutoff : float, optional
        Amplitudes also fall as exp(-(f / cutoff)^2), with f in cycles per element.

    Returns
    -------
    Tensor
        (*sizes[:-1], sizes[-1] // 2 + 1) float32, in the layout of `torch.fft.rfftn`. Coefficients of standard deviation
        `COEFFICIENT` in the real and in the imaginary part give elements of standard deviation `PIXEL`.
    """
    frequency = frequencies(sizes)
    factors = frequency.clamp_min(1 / max(sizes)) ** -slope
    if cutoff is not None:
        # No factor is 0, so that the spectrum of any picture can be divided by the factors.
        factors = factors * torch.exp(-((frequency / cutoff) ** 2)).clamp_min(LEAST)
    # The inverse transform counts an inner coefficient twice, as itself and as its mirror. Where the last frequency is 0 or the
    # highest of an even size, only the real part counts, which is half of the power.
    weight = torch.full_like(factors, 4)
    weight[..., 0] = 1
    if sizes[-1] % 2 == 0:
        weight[..., -1] = 1
    deviation = COEFFICIENT * (weight * factors.square()).sum().sqrt() / math.prod(sizes)
    return (factors * (PIXEL / deviation)).to(torch.float32)


def frequencies(sizes: Sequence[int]) -> Tensor:
    """Return the frequency of each coefficient in cycles per element, in the layout of `torch.fft.rfftn`; float64."""
    axes = [torch.fft.fftfreq(n, dtype=torch.float64) for n in sizes[:-1]]
    axes.append(torch.fft.rfftfreq(sizes[-1], dtype=torch.float64))
    grids = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([grid.square() for grid in grids]).sum(0).sqrt()


def color_root(covariance: Values) -> Tensor:
    """Return a root of a covariance, for the colors of data that are not photographs.

    Parameters
    ----------
    covariance : array
        (channel, channel), symmetric; for instance ``numpy.cov`` of all pixels of a data set.

    Returns
    -------
    Tensor
        (channel, channel) float32, with a column for each principal direction. Its product with its transpose is the covariance.

    Raises
    ------
    UsageError
        If the array is not square.

    Examples
    --------
    >>> root = color_root([[4.0, 0.0], [0.0, 1.0]])
    >>> root @ root.T
    tensor([[4., 0.],
            [0., 1.]])
    """
    matrix = torch.as_tensor(covariance, dtype=torch.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise UsageError(f"colors: the covariance is {size(matrix.shape)}; give a square matrix")
    values, vectors = torch.linalg.eigh(matrix)
    # By rounding, a covariance of few samples may have slightly negative values that should be 0.
    root: Tensor = vectors * values.clamp_min(0).sqrt()
    return root.to(torch.float32)


def _matrix(colors: Values | str, channels: int, device: torch.device | str) -> Tensor:
    """Return a color root as a matrix whose longest column has the length 1, so that only ratios matter."""
    if isinstance(colors, str):
        if colors not in ("rgb", "bgr"):
            raise UsageError(f"colors '{colors}': must be rgb, bgr, an array or None")
        root = torch.tensor(IMAGENET_COLORS, device=device)
        root = root if colors == "rgb" else root.flip(0)
    else:
        root = torch.as_tensor(colors, dtype=torch.float32, device=device)
    if tuple(root.shape) != (channels, channels):
        raise UsageError(f"colors: {size(root.shape)} do not fit {channels} channels")
    longest: Tensor = torch.linalg.vector_norm(root, dim=0).max()
    if not bool(torch.isfinite(longest) & (longest > 0)):
        raise UsageError("colors: all values are 0, or a value is not a finite number")
    return root / longest


def describe(colors: Values | str | None) -> str:
    """Return a few words that describe the colors to a person."""
    if colors is None:
        return "independent channels"
    return f"ImageNet's colors as {colors}" if isinstance(colors, str) else "given colors"
