"""A picture, signal or volume as a spectrum whose large structures are as easy to move as the small ones.

The spectrum of natural pictures falls as 1/f. Moving coefficients that are scaled so keeps an ascent from drowning in
the high frequencies that networks with strides and pooling answer to (Olah, Mordvintsev & Schubert 2017).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from onnxviz.errors import UsageError
from onnxviz.methods.ascent.painting import Frame, Painted, mirrors
from onnxviz.methods.ascent.parameterizations import Values, fit, size
from onnxviz.methods.ascent.runs import Run, normal

IMAGENET_COLORS = ((0.26, 0.09, 0.02), (0.27, 0.0, -0.05), (0.27, -0.09, 0.03))
"""A root of the covariance of ImageNet's colors, a row each for red, green, blue (lucid)."""

# The standard deviation of a coefficient at the start (lucid), and of a pixel before color and range. Lucid's own
# factors give a pixel .019 at 224 × 224 and slope 1; fixing it makes one rate serve all sizes, slopes and dimensions.
COEFFICIENT = 0.01
PIXEL = 0.02
# How many standard deviations from the mean an element may lie where there is no range.
PEAK = 3.0
# How far from the ends of the range an input is taken to stay when its spectrum is looked for, as a share of the range: at
# the ends themselves the sigmoid has no slope that an ascent could follow.
INSIDE = 0.005


@dataclass(frozen=True, slots=True)
class Fourier:
    """The input is an inverse Fourier transform, of decorrelated colors, in a range.

    Attributes
    ----------
    variables : tuple of Tensor
        Real and imaginary parts, (batch, channel, *frequencies, 2).
    filter : Tensor
        What each coefficient is multiplied with, (*frequencies, 2): the same for both parts, so that it is one pass.
    mirrored : Tensor
        The filter times how often a coefficient counts, of the same shape.
    frame : Frame
        The layout, the colors and the range of the input.
    bounded : bool
        Whether there is a range.
    text : str
        One line for a person.
    """

    variables: tuple[Tensor]
    filter: Tensor
    mirrored: Tensor
    frame: Frame
    bounded: bool
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
        slope: float = 1.0,
        device: torch.device | str = "cpu",
    ) -> Fourier:
        """Draw a random spectrum for each run.

        Parameters
        ----------
        runs : sequence of Run
            One per sample.
        shape : sequence of int
            Of one sample, in the model's layout.
        axes : str
            A name for each axis of the shape, such as "height width channel" or "channel length". The axis named
            "channel" is the channel; there may be none. All others are spatial.
        low, high : number or array, optional
            The range, in the model's units: for all, or in an array that broadcasts to the shape. A model that takes
            (pixel - mean) / std of pixels in 0 to 1 has the range (0 - mean) / std to (1 - mean) / std. Without a range
            the input has at most the contrast that `mean` and `std` state, and no element beyond three deviations.
        mean, std : number or array
            Of the data, in the model's units; read only where there is no range.
        colors : "rgb", "bgr", array or None
            How channels vary together. The names stand for the colors of ImageNet; an array is a root of a covariance,
            (channel, channel), of which only ratios matter (`color_root`). None: channels are independent.
        slope : float
            Amplitudes fall as frequency to the power of minus this.
        device : torch.device or str
            Where the variables live.

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
            raise UsageError("runs: is empty, there is nothing to start")
        channel = names.index("channel") if "channel" in names else None
        sizes = tuple(n for axis, n in enumerate(shape) if axis != channel)
        count = 1 if channel is None else shape[channel]
        if min(shape) < 1:
            raise UsageError(f"shape {size(shape)}: has no elements")
        internal = ["channel", *(name for name in names if name != "channel")]
        order = (0, *(1 + internal.index(name) for name in names))
        factors = spectral_filter(sizes, slope).to(device)
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
        return cls(
            (spectrum.requires_grad_(),),
            factors,
            factors * mirrors(sizes, device),
            Frame(sizes, None if colors is None else _matrix(colors, count, device), order, middle, span),
            low is not None,
            f"spectrum of {size(shape)} ({axes}), slope {slope:g}, {describe(colors)}, {extent}",
        )

    @property
    def spatial(self) -> tuple[int, ...]:
        """All axes but the batch and the channel."""
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
        """Three thousandths.

        A network that looks at a smaller picture, say, is blind to the high frequencies. What reaches their
        coefficients, through rounding and through the bend of the sigmoid, would at the full rate become a grain that
        people see and the network does not.
        """
        return 3e-3

    @property
    def momentum(self) -> float:
        """One half.

        Measured on inner channels and classes of image networks, from .9 down: the less, the higher after as many steps,
        until at .5 it no longer mattered.
        """
        return 0.5

    def realize(self) -> Tensor:
        """Return the input, (batch, *shape)."""
        if self.bounded:
            return self._painted(self.variables[0], self.filter, self.mirrored)
        return self.paint(torch.view_as_complex(self.variables[0] * self.filter))

    def paint(self, spectrum: Tensor) -> Tensor:
        """Return the input of a spectrum, (batch, channel, *frequencies) complex: transformed, colored, in its range."""
        frame = self.frame
        if self.bounded:
            mirrored = mirrors(frame.sizes, spectrum.device)
            return self._painted(torch.view_as_real(spectrum), None, mirrored)
        waves = torch.fft.irfftn(spectrum, s=frame.sizes, dim=tuple(range(2, 2 + len(frame.sizes))))
        if frame.colors is not None:
            waves = (frame.colors @ waves.flatten(2)).reshape(waves.shape)
        # Soft ceilings on the contrast of the whole, which is that of the data, and of each element. Without them the
        # score would only tell how many steps were taken, or hang on a few dots that no data have.
        power = waves.flatten(1).square().mean(1).reshape(-1, *[1] * (waves.ndim - 1))
        unit = PEAK * torch.tanh(waves * torch.rsqrt(1 + power) / PEAK)
        unit = unit.permute(frame.order) if frame.channels else unit.squeeze(1)
        return frame.middle + frame.span * unit

    def _painted(self, parts: Tensor, factors: Tensor | None, mirrored: Tensor) -> Tensor:
        """Return the input, in its range, of real and imaginary parts that are multiplied with some factors."""
        painted: Tensor = Painted.apply(parts, factors, mirrored, self.frame)  # type: ignore[no-untyped-call, unused-ignore]  # typed from torch 2.14 on
        return painted

    def standardize(self, inputs: Tensor) -> Tensor:
        """Return (input - middle) / span: -.5 to .5 over a range."""
        return (inputs - self.middle) / self.span

    def spectrum_of(self, inputs: Tensor) -> Tensor:
        """Return the spectrum that `paint` turns into these inputs, or into the nearest that it can make.

        Parameters
        ----------
        inputs : Tensor
            (batch, *shape), in the model's own units. What stands at an end of the range, where the sigmoid never gets
            to, is taken to stand a little inside.

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
        """Move the spectrum, in place, to where it gives these inputs."""
        with torch.no_grad():
            self.variables[0].copy_(torch.view_as_real(self.spectrum_of(inputs)) / self.filter)

    def project(self) -> None:
        """Do nothing: every spectrum is allowed."""

    def tangent(self, directions: Sequence[Tensor]) -> list[Tensor]:
        """Return the directions: every spectrum is allowed."""
        return list(directions)


def _collapsed(values: Tensor) -> Tensor:
    """Return equal numbers as one that is spread out."""
    first = values.flatten()[0]
    return first.expand(values.shape) if bool((values == first).all()) else values


def spectral_filter(sizes: Sequence[int], slope: float) -> Tensor:
    """Return factors that turn white coefficients into a spectrum that falls with the frequency.

    Parameters
    ----------
    sizes : sequence of int
        Of the spatial axes.
    slope : float
        Amplitudes fall as frequency to the power of minus this; the mean counts as the lowest frequency.

    Returns
    -------
    Tensor
        As `torch.fft.rfftn` lays out frequencies: (*sizes[:-1], sizes[-1] // 2 + 1) float32. Coefficients of standard
        deviation `COEFFICIENT` in the real and in the imaginary part give elements of standard deviation `PIXEL`.
    """
    factors = frequencies(sizes).clamp_min(1 / max(sizes)) ** -slope
    # The inverse transform counts an inner coefficient twice, as itself and as its mirror. Where the last frequency is
    # 0 or the highest of an even size, only what is real in the end counts, which is half the power.
    weight = torch.full_like(factors, 4)
    weight[..., 0] = 1
    if sizes[-1] % 2 == 0:
        weight[..., -1] = 1
    deviation = COEFFICIENT * (weight * factors.square()).sum().sqrt() / math.prod(sizes)
    return (factors * (PIXEL / deviation)).to(torch.float32)


def frequencies(sizes: Sequence[int]) -> Tensor:
    """Return the frequency of each coefficient in cycles per element, as `torch.fft.rfftn` lays them out; float64."""
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
        (channel, channel) float32; times its transpose it is the covariance. A column for each principal direction.

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
        raise UsageError(f"colors: a covariance is square, this one is {size(matrix.shape)}")
    values, vectors = torch.linalg.eigh(matrix)
    # Rounding leaves a covariance of few samples slightly negative where it should be 0.
    root: Tensor = vectors * values.clamp_min(0).sqrt()
    return root.to(torch.float32)


def _matrix(colors: Values | str, channels: int, device: torch.device | str) -> Tensor:
    """Read a color root; its longest column is scaled to 1, so that only ratios matter."""
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
        raise UsageError("colors: all are 0, or one is not a finite number")
    return root / longest


def describe(colors: Values | str | None) -> str:
    """Name the colors for a person."""
    if colors is None:
        return "independent channels"
    return f"ImageNet's colors as {colors}" if isinstance(colors, str) else "given colors"
