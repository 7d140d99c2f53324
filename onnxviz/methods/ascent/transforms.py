"""Small random moves of an input, so that what an ascent finds does not hang on single pixels.

Lucid pads, shifts, scales, rotates and shifts again. All of that is affine: here it is one matrix and one resampling.
What comes in from outside the input is the middle of its range, which stands for lucid's gray padding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from onnxviz.methods.ascent.runs import normal, uniform


class Transform(Protocol):
    """A random move, drawn anew for each sample at each step."""

    def __call__(
        self,
        inputs: Tensor,
        middle: Tensor,
        span: Tensor,
        generators: Sequence[torch.Generator],
        progress: float = 0.0,
    ) -> Tensor:
        """Return moved inputs, (batch, *shape), differentiable in the inputs; the inputs themselves where none moves.

        `progress` is the share of the ascent that is done, from 0 up to 1.
        """
        ...


@dataclass(frozen=True, slots=True)
class Shift:
    """Move by whole elements along some axes; nothing is interpolated, so nothing blurs.

    Attributes
    ----------
    reach : tuple of (int, int)
        Axis, batch counted, and the most elements to move either way.
    gain : float
        The contrast about the middle varies from 1 - gain to 1 + gain.
    noise : float
        Standard deviation of normal noise that is added, in spans: the length of the input's range.
    """

    reach: tuple[tuple[int, int], ...]
    gain: float = 0.0
    noise: float = 0.0

    def __call__(
        self,
        inputs: Tensor,
        middle: Tensor,
        span: Tensor,
        generators: Sequence[torch.Generator],
        progress: float = 0.0,
    ) -> Tensor:
        """Draw a shift and a gain for each sample.

        Parameters
        ----------
        inputs : Tensor
            (batch, *shape).
        middle, span : Tensor
            What lies outside, and the unit of the noise; broadcastable to the shape.
        generators : sequence of torch.Generator
            One per sample.
        progress : float
            How much of the ascent is done; `Fading` is for moves that heed it.
        """
        draws = uniform(generators, (len(self.reach) + 1,))
        reach = torch.tensor([most for _, most in self.reach])
        moved = inputs
        if bool((reach > 0).any()):
            # Each of the 2 reach + 1 shifts is as likely as the others.
            steps = (draws[:, :-1] * (reach + 0.5)).round().clamp(-reach, reach).long()
            moved = shift(inputs, [axis for axis, _ in self.reach], steps, middle)
        if self.gain:
            gains = 1 + self.gain * draws[:, -1].to(inputs.device)
            moved = middle + (moved - middle) * gains.reshape(-1, *[1] * (inputs.ndim - 1))
        return _add_noise(moved, self.noise, span, generators)

    def weakened(self, share: float) -> Shift:
        """Return the same moves, each by a share of its reach."""
        reach = tuple((axis, round(share * steps)) for axis, steps in self.reach)
        return Shift(reach, share * self.gain, share * self.noise)


@dataclass(frozen=True, slots=True)
class Affine:
    """Shift, scale and rotate a picture by one matrix and one bilinear resampling.

    Attributes
    ----------
    axes : (int, int)
        The vertical and the horizontal axis, batch counted.
    jitter : float
        The most pixels to move either way: two thirds before scale and rotation, a third after.
    scale : float
        Sizes vary from 1 - scale to 1 + scale.
    rotation : float
        Degrees, either way.
    noise : float
        Standard deviation of normal noise that is added, in spans: the length of the input's range.
    """

    axes: tuple[int, int]
    jitter: float
    scale: float = 0.1
    rotation: float = 10.0
    noise: float = 0.0

    def __call__(
        self,
        inputs: Tensor,
        middle: Tensor,
        span: Tensor,
        generators: Sequence[torch.Generator],
        progress: float = 0.0,
    ) -> Tensor:
        """Draw a matrix for each sample.

        Parameters
        ----------
        inputs : Tensor
            (batch, *shape).
        middle, span : Tensor
            What lies outside, and the unit of the noise; broadcastable to the shape.
        generators : sequence of torch.Generator
            One per sample.
        progress : float
            How much of the ascent is done; `Fading` is for moves that heed it.
        """
        moved = resample(inputs, self.matrices(uniform(generators, (6,))), self.axes, middle)
        return _add_noise(moved, self.noise, span, generators)

    def weakened(self, share: float) -> Affine:
        """Return the same moves, each by a share of its reach."""
        return Affine(self.axes, share * self.jitter, share * self.scale, share * self.rotation, share * self.noise)

    def matrices(self, draws: Tensor) -> Tensor:
        """Turn random numbers into matrices.

        Parameters
        ----------
        draws : Tensor
            (batch, 6) in -1 to 1.

        Returns
        -------
        Tensor
            (batch, 2, 3) float64, as `resample` reads them.
        """
        draws = draws.to(torch.float64)
        angle = draws[:, 0] * math.radians(self.rotation)
        shrink = 1 / (1 + self.scale * draws[:, 1])
        cosine, sine = angle.cos() * shrink, angle.sin() * shrink
        linear = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
        before, after = draws[:, 2:4] * (self.jitter * 2 / 3), draws[:, 4:6] * (self.jitter / 3)
        offset = (linear @ after[:, :, None]) + before[:, :, None]
        return torch.cat([linear, offset], 2)


@dataclass(frozen=True, slots=True)
class Fading:
    """Moves that grow smaller along the first part of an ascent, and are none after it.

    The first part settles what there is to see, safe from single pixels; the rest sharpens it where it stands. Under
    moves that stay, the score of the still input ends at two thirds of what it reaches so in as many steps.

    Attributes
    ----------
    move : Affine or Shift
        At the start.
    until : float
        The share of the ascent after which the input stands still.
    """

    move: Affine | Shift
    until: float = 0.5

    def __call__(
        self,
        inputs: Tensor,
        middle: Tensor,
        span: Tensor,
        generators: Sequence[torch.Generator],
        progress: float = 0.0,
    ) -> Tensor:
        """Move each sample, by as much as the progress leaves.

        Parameters
        ----------
        inputs, middle, span, generators
            As in `Affine`.
        progress : float
            The share of the ascent that is done.
        """
        if progress >= self.until:
            return inputs
        share = (1 + math.cos(math.pi * progress / self.until)) / 2
        return self.move.weakened(share)(inputs, middle, span, generators)


@dataclass(frozen=True, slots=True)
class Crops:
    """Look at a random part of a picture, enlarged to the picture's size; the parts grow smaller as the ascent goes on.

    Attributes
    ----------
    axes : (int, int)
        The vertical and the horizontal axis, batch counted.
    largest, smallest : float
        The mean side of a part, as a share of the picture's, at the start and at the end.
    spread : float
        The standard deviation of the side, as a share of the picture's.
    noise : float
        Standard deviation of normal noise that is added, in spans: the length of the input's range.
    """

    axes: tuple[int, int]
    largest: float = 0.5
    smallest: float = 0.05
    spread: float = 0.05
    noise: float = 0.08

    def __call__(
        self,
        inputs: Tensor,
        middle: Tensor,
        span: Tensor,
        generators: Sequence[torch.Generator],
        progress: float = 0.0,
    ) -> Tensor:
        """Draw a part for each sample; the parameters are those of `Affine`, and `progress` runs from 0 to 1."""
        draws = normal(generators, (3,)).to(torch.float64)
        mean = self.largest + (self.smallest - self.largest) * progress
        side = (mean + self.spread * draws[:, 0]).clamp(min(0.05, self.smallest), 1.0)
        # Near the middle more often than at the border, as in the published method; never beyond the border.
        extent = torch.tensor([inputs.shape[axis] for axis in reversed(self.axes)], dtype=torch.float64)
        reach = (1 - side[:, None]) / 2
        center = (draws[:, 1:] * 0.15).clamp(-reach, reach) * extent
        matrices = torch.zeros(len(inputs), 2, 3, dtype=torch.float64)
        matrices[:, 0, 0] = matrices[:, 1, 1] = side
        matrices[:, :, 2] = center
        return _add_noise(resample(inputs, matrices, self.axes, middle), self.noise, span, generators)


def shift(inputs: Tensor, axes: Sequence[int], steps: Tensor, middle: Tensor) -> Tensor:
    """Move each sample along some axes by its own numbers of elements.

    Parameters
    ----------
    inputs : Tensor
        (batch, *shape).
    axes : sequence of int
        Batch counted.
    steps : Tensor
        (batch, axis) int64; positive moves towards higher indices.
    middle : Tensor
        What comes in from outside; broadcastable to the shape of a sample.
    """
    moved: Tensor = _Shifted.apply(inputs, tuple(axes), steps.tolist(), middle)  # type: ignore[no-untyped-call, unused-ignore]  # typed from torch 2.14 on
    return moved


class _Shifted(torch.autograd.Function):
    """Samples moved by whole elements: what stays inside is copied once, forward and back."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, axes: tuple[int, ...], steps: list[list[int]], middle: Tensor) -> Tensor:
        """Copy what stays inside, and fill up."""
        ctx.given = axes, steps
        moved = torch.empty_like(inputs)
        for sample, source, own in zip(moved, inputs, steps, strict=True):
            _move(sample, source, axes, own, middle)
        return moved

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Move the gradient back; what came in from outside takes none of it."""
        axes, steps = ctx.given
        back = torch.empty_like(gradients[0])
        nothing = back.new_zeros(())
        for sample, source, own in zip(back, gradients[0], steps, strict=True):
            _move(sample, source, axes, [-step for step in own], nothing)
        return back, None, None, None


def _move(target: Tensor, source: Tensor, axes: Sequence[int], steps: Sequence[int], middle: Tensor) -> None:
    """Copy a sample to where it is moved to, and fill the rest of the target."""
    middle = middle.expand(target.shape)
    for axis, step in zip(axes, steps, strict=True):
        # Batch is not counted here.
        length = target.shape[axis - 1]
        step = max(-length, min(length, step))
        kept, first = length - abs(step), max(0, step)
        for start, count in ((0, first), (first + kept, length - first - kept)):
            target.narrow(axis - 1, start, count).copy_(middle.narrow(axis - 1, start, count))
        target, middle = (one.narrow(axis - 1, first, kept) for one in (target, middle))
        source = source.narrow(axis - 1, max(0, -step), kept)
    target.copy_(source)


def resample(pictures: Tensor, matrices: Tensor, axes: tuple[int, int], middle: Tensor) -> Tensor:
    """Resample pictures bilinearly under affine maps.

    Parameters
    ----------
    pictures : Tensor
        (batch, *shape), any layout.
    matrices : Tensor
        (batch, 2, 3) float64: from (x, y, 1) of an output pixel to (x, y) of the place in the input that it shows, in
        pixels from the center, x to the right and y down.
    axes : (int, int)
        The vertical and the horizontal axis, batch counted.
    middle : Tensor
        What lies outside; broadcastable to the shape of a sample.

    Returns
    -------
    Tensor
        Shape and dtype of the pictures. The unit matrix returns the pictures.
    """
    contrast = (pictures - middle).movedim(axes, (-2, -1))
    height, width = contrast.shape[-2:]
    # Pixel i of n has its center at (2 i + 1) / n - 1, which is align_corners=False: pixels are 2 / n apart.
    half = torch.tensor([width / 2, height / 2], dtype=torch.float64)
    matrices = matrices.to("cpu", torch.float64)
    theta = torch.cat([matrices[:, :, :2] * half / half[:, None], matrices[:, :, 2:] / half[:, None]], 2)
    planes = contrast.flatten(1, -3) if contrast.ndim > 3 else contrast[:, None]
    grid = F.affine_grid(theta.to(planes.device), [len(planes), 1, height, width], align_corners=False)
    # Places are found in float64 and rounded once: off by 1e-5 pixels, a hundredth of what 8 bits of a pixel can show.
    moved = F.grid_sample(planes, grid.to(planes.dtype), mode="bilinear", padding_mode="zeros", align_corners=False)
    return middle + moved.reshape(contrast.shape).movedim((-2, -1), axes)


def standard_transform(shape: Sequence[int], spatial: Sequence[int]) -> Fading | None:
    """Return moves that suit the size of an input.

    Parameters
    ----------
    shape : sequence of int
        Of the input, batch counted.
    spatial : sequence of int
        The axes along which neighbors belong together.

    Returns
    -------
    Fading or None
        Shifts by up to an eighth of a picture's sides, a sixteenth where one is 32 or less and of whatever has not two
        sides, a thirty-second of short signals; for what has no neighbors, nothing. Scales and rotations (`Affine`) cost
        three times as much and were found to add nothing: the score, still or under scales and rotations, ended as high
        without.
    """
    part = EIGHTH if len(spatial) == 2 else SIXTEENTH
    reach = tuple((axis, round(shape[axis] / part / (1 if shape[axis] > SMALL else 2))) for axis in spatial)
    gain = 0.1 if len(spatial) == 1 else 0.0
    if gain == 0 and not any(steps for _, steps in reach):
        return None
    return Fading(Shift(reach, gain))


EIGHTH, SIXTEENTH = 8, 16
SMALL = 32
"""A side of so many elements or fewer is small."""


def _add_noise(inputs: Tensor, deviation: float, span: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Add normal noise, each sample's from its own generator."""
    if not deviation:
        return inputs
    return inputs + deviation * span * normal(generators, inputs.shape[1:]).to(inputs.device)
