"""Small random moves of an input, so that the result of an ascent does not depend on single pixels.

Lucid pads, shifts, scales, rotates and shifts again. All of these are affine, so that here they are one matrix and one resampling.
Values from outside the input are the middle of its range, in place of lucid's gray padding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from onnxviz.methods.ascent.runs import normal, uniform


class Transform(Protocol):
    """A random move, drawn anew for each sample at each step."""

    @property
    def lasts(self) -> bool:
        """Whether inputs are moved up to the last step of an ascent."""
        ...

    def __call__(
        self,
        inputs: Tensor,
        middle: Tensor,
        span: Tensor,
        generators: Sequence[torch.Generator],
        progress: float = 0.0,
    ) -> Tensor:
        """Return moved inputs, (batch, *shape), differentiable in the inputs; the same tensor where no sample moves.

        `progress` is the share of the ascent that is done, from 0 to 1.
        """
        ...


@dataclass(frozen=True, slots=True)
class Shift:
    """Moves by whole elements along some axes, without interpolation and so without blur.

    Attributes
    ----------
    reach : tuple of (int, int)
        Pairs of an axis, where the batch is axis 0, and the most elements to move in both directions.
    gain : float
        The contrast about the middle varies from 1 - gain to 1 + gain.
    noise : float
        Standard deviation of the normal noise that is added, in lengths of the input's range.
    """

    reach: tuple[tuple[int, int], ...]
    gain: float = 0.0
    noise: float = 0.0
    lasts: ClassVar[bool] = True

    def __call__(
        self,
        inputs: Tensor,
        middle: Tensor,
        span: Tensor,
        generators: Sequence[torch.Generator],
        progress: float = 0.0,
    ) -> Tensor:
        """Return the samples, each moved by a random shift and gain.

        Parameters
        ----------
        inputs : Tensor
            The samples, (batch, *shape).
        middle, span : Tensor
            The values outside of the input, and the unit of the noise; broadcastable to the shape.
        generators : sequence of torch.Generator
            One per sample.
        progress : float
            The share of the ascent that is done. It is not read here; `Fading` reads it.
        """
        draws = uniform(generators, (len(self.reach) + 1,))
        reach = torch.tensor([most for _, most in self.reach])
        moved = inputs
        if bool((reach > 0).any()):
            # All of the 2 reach + 1 shifts are equally likely.
            steps = (draws[:, :-1] * (reach + 0.5)).round().clamp(-reach, reach).long()
            moved = shift(inputs, [axis for axis, _ in self.reach], steps, middle)
        if self.gain:
            gains = 1 + self.gain * draws[:, -1].to(inputs.device)
            moved = middle + (moved - middle) * gains.reshape(-1, *[1] * (inputs.ndim - 1))
        return _add_noise(moved, self.noise, span, generators)

    def weakened(self, share: float) -> Shift:
        """Return the same moves with a share of their reach."""
        reach = tuple((axis, round(share * steps)) for axis, steps in self.reach)
        return Shift(reach, share * self.gain, share * self.noise)


@dataclass(frozen=True, slots=True)
class Affine:
    """Shifts, scales and rotates a picture by one matrix and one bilinear resampling.

    Attributes
    ----------
    axes : (int, int)
        The vertical and the horizontal axis, where the batch is axis 0.
    jitter : float
        The most pixels to move in both directions: two thirds before scale and rotation, a third after them.
    scale : float
        Sizes vary from 1 - scale to 1 + scale.
    rotation : float
        The most degrees to rotate in both directions.
    noise : float
        Standard deviation of the normal noise that is added, in lengths of the input's range.
    """

    axes: tuple[int, int]
    jitter: float
    scale: float = 0.1
    rotation: float = 10.0
    noise: float = 0.0
    lasts: ClassVar[bool] = True

    def __call__(
        self,
        inputs: Tensor,
        middle: Tensor,
        span: Tensor,
        generators: Sequence[torch.Generator],
        progress: float = 0.0,
    ) -> Tensor:
        """Return the samples, each moved by a random matrix.

        Parameters
        ----------
        inputs : Tensor
            The samples, (batch, *shape).
        middle, span : Tensor
            The values outside of the input, and the unit of the noise; broadcastable to the shape.
        generators : sequence of torch.Generator
            One per sample.
        progress : float
            The share of the ascent that is done. It is not read here; `Fading` reads it.
        """
        moved = resample(inputs, self.matrices(uniform(generators, (6,))), self.axes, middle)
        return _add_noise(moved, self.noise, span, generators)

    def weakened(self, share: float) -> Affine:
        """Return the same moves with a share of their reach."""
        return Affine(self.axes, share * self.jitter, share * self.scale, share * self.rotation, share * self.noise)

    def matrices(self, draws: Tensor) -> Tensor:
        """Return matrices for random numbers.

        Parameters
        ----------
        draws : Tensor
            The numbers, (batch, 6) in -1 to 1.

        Returns
        -------
        Tensor
            The matrices, (batch, 2, 3) float64, in the form that `resample` takes.
        """
        draws = draws.to(torch.float64)
        angle = draws[:, 0] * math.radians(self.rotation)
        shrink = 1 / (1 + self.scale * draws[:, 1])
        linear = _turned(angle, shrink)
        before, after = draws[:, 2:4] * (self.jitter * 2 / 3), draws[:, 4:6] * (self.jitter / 3)
        offset = (linear @ after[:, :, None]) + before[:, :, None]
        return torch.cat([linear, offset], 2)


@dataclass(frozen=True, slots=True)
class Views:
    """Random views of a picture, from the first to the last step: nearer or farther, turned and shifted.

    What holds under such views is what other networks, and people, recognize too. Beyond its border the picture goes on as its mirror
    image, since an even border would be a pattern of its own.

    Attributes
    ----------
    axes : (int, int)
        The vertical and the horizontal axis, where the batch is axis 0.
    farthest, nearest : float
        The least and the most enlargement. Its logarithm is drawn uniformly.
    shift : float
        The most shift in both directions, as a share of the picture's sides.
    rotation : float
        The most degrees to rotate in both directions.
    """

    axes: tuple[int, int]
    farthest: float = 0.6
    nearest: float = 2.5
    shift: float = 0.3
    rotation: float = 15.0
    lasts: ClassVar[bool] = True

    def __call__(
        self,
        inputs: Tensor,
        middle: Tensor,
        span: Tensor,
        generators: Sequence[torch.Generator],
        progress: float = 0.0,
    ) -> Tensor:
        """Return a random view of each sample; the parameters are those of `Affine`."""
        sides = [inputs.shape[axis] for axis in reversed(self.axes)]
        return resample(inputs, self.matrices(uniform(generators, (4,)), sides), self.axes, None)

    def matrices(self, draws: Tensor, sides: Sequence[int]) -> Tensor:
        """Return matrices for random numbers.

        Parameters
        ----------
        draws : Tensor
            The numbers, (batch, 4) in -1 to 1.
        sides : (int, int)
            The width and the height.

        Returns
        -------
        Tensor
            The matrices, (batch, 2, 3) float64, in the form that `resample` takes.
        """
        draws = draws.to(torch.float64)
        angle = draws[:, 0] * math.radians(self.rotation)
        middle, reach = math.log(self.nearest * self.farthest) / 2, math.log(self.nearest / self.farthest) / 2
        shrink = torch.exp(-(middle + reach * draws[:, 1]))
        linear = _turned(angle, shrink)
        offset = draws[:, 2:, None] * self.shift * torch.tensor(sides, dtype=torch.float64)[:, None]
        return torch.cat([linear, offset], 2)


@dataclass(frozen=True, slots=True)
class Fading:
    """Moves that become smaller during the first part of an ascent, and end with it.

    The first part finds the structures, which moves keep from depending on single pixels. The second part sharpens them. If moves
    stayed, the score of the input itself would end at two thirds of that score after the same number of steps.

    Attributes
    ----------
    move : Affine or Shift
        The moves at the start.
    until : float
        The share of the ascent after which the input is not moved.
    """

    move: Affine | Shift
    until: float = 0.5

    @property
    def lasts(self) -> bool:
        """Whether there is no part of the ascent without moves."""
        return self.until >= 1

    def __call__(
        self,
        inputs: Tensor,
        middle: Tensor,
        span: Tensor,
        generators: Sequence[torch.Generator],
        progress: float = 0.0,
    ) -> Tensor:
        """Return the samples, moved as far as the progress allows.

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
    """Shows a random part of a picture, enlarged to the picture's size; the parts become smaller during the ascent.

    Attributes
    ----------
    axes : (int, int)
        The vertical and the horizontal axis, where the batch is axis 0.
    largest, smallest : float
        The mean side of a part at the start and at the end of the ascent, as a share of the picture's side.
    spread : float
        The standard deviation of the side, as a share of the picture's side.
    noise : float
        Standard deviation of the normal noise that is added, in lengths of the input's range.
    """

    axes: tuple[int, int]
    largest: float = 0.5
    smallest: float = 0.05
    spread: float = 0.05
    noise: float = 0.08
    lasts: ClassVar[bool] = True

    def __call__(
        self,
        inputs: Tensor,
        middle: Tensor,
        span: Tensor,
        generators: Sequence[torch.Generator],
        progress: float = 0.0,
    ) -> Tensor:
        """Return a random part of each sample, enlarged; the parameters are those of `Affine`."""
        draws = normal(generators, (3,)).to(torch.float64)
        mean = self.largest + (self.smallest - self.largest) * progress
        side = (mean + self.spread * draws[:, 0]).clamp(min(0.05, self.smallest), 1.0)
        # As in the published method, parts lie near the middle more often than near the border, and never beyond the border.
        extent = torch.tensor([inputs.shape[axis] for axis in reversed(self.axes)], dtype=torch.float64)
        reach = (1 - side[:, None]) / 2
        center = (draws[:, 1:] * 0.15).clamp(-reach, reach) * extent
        matrices = torch.zeros(len(inputs), 2, 3, dtype=torch.float64)
        matrices[:, 0, 0] = matrices[:, 1, 1] = side
        matrices[:, :, 2] = center
        return _add_noise(resample(inputs, matrices, self.axes, middle), self.noise, span, generators)


def shift(inputs: Tensor, axes: Sequence[int], steps: Tensor, middle: Tensor) -> Tensor:
    """Return samples, each moved along some axes by its own numbers of elements.

    Parameters
    ----------
    inputs : Tensor
        The samples, (batch, *shape).
    axes : sequence of int
        The axes, where the batch is axis 0.
    steps : Tensor
        The number of elements for each sample and axis, (batch, axis) int64. Positive numbers move to higher indices.
    middle : Tensor
        The values from outside of the input, broadcastable to the shape of a sample.
    """
    moved: Tensor = _Shifted.apply(inputs, tuple(axes), steps.tolist(), middle)  # type: ignore[no-untyped-call, unused-ignore]  # typed from torch 2.14 on
    return moved


class _Shifted(torch.autograd.Function):
    """Moves samples by whole elements, with a single copy forward and a single copy backward."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, axes: tuple[int, ...], steps: list[list[int]], middle: Tensor) -> Tensor:
        """Return the moved samples, filled with the middle."""
        ctx.given = axes, steps
        moved = torch.empty_like(inputs)
        for sample, source, own in zip(moved, inputs, steps, strict=True):
            _move(sample, source, axes, own, middle)
        return moved

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Return the gradient moved back; values from outside have no gradient."""
        axes, steps = ctx.given
        back = torch.empty_like(gradients[0])
        nothing = back.new_zeros(())
        for sample, source, own in zip(back, gradients[0], steps, strict=True):
            _move(sample, source, axes, [-step for step in own], nothing)
        return back, None, None, None


def _move(target: Tensor, source: Tensor, axes: Sequence[int], steps: Sequence[int], middle: Tensor) -> None:
    """Copy a sample into a target at its moved place, and fill the rest of the target with the middle."""
    middle = middle.expand(target.shape)
    for axis, step in zip(axes, steps, strict=True):
        # A sample has no batch axis.
        length = target.shape[axis - 1]
        step = max(-length, min(length, step))
        kept, first = length - abs(step), max(0, step)
        for start, count in ((0, first), (first + kept, length - first - kept)):
            target.narrow(axis - 1, start, count).copy_(middle.narrow(axis - 1, start, count))
        target, middle = (one.narrow(axis - 1, first, kept) for one in (target, middle))
        source = source.narrow(axis - 1, max(0, -step), kept)
    target.copy_(source)


def resample(pictures: Tensor, matrices: Tensor, axes: tuple[int, int], middle: Tensor | None) -> Tensor:
    """Return pictures resampled bilinearly under affine maps.

    Parameters
    ----------
    pictures : Tensor
        The pictures, (batch, *shape), in any layout.
    matrices : Tensor
        (batch, 2, 3) float64, which map (x, y, 1) of a pixel of the result to (x, y) of a place in the picture. Both are in pixels
        from the center, with x to the right and y down.
    axes : (int, int)
        The vertical and the horizontal axis, where the batch is axis 0.
    middle : Tensor or None
        The values outside of the pictures, broadcastable to the shape of a sample. None: the mirror images of the pictures.

    Returns
    -------
    Tensor
        The resampled pictures, of the same shape and type. The identity matrix returns the pictures themselves.
    """
    contrast = (pictures if middle is None else pictures - middle).movedim(axes, (-2, -1))
    height, width = contrast.shape[-2:]
    # Pixel i of n has its center at (2 i + 1) / n - 1, as with align_corners=False. Pixels are 2 / n apart.
    half = torch.tensor([width / 2, height / 2], dtype=torch.float64)
    matrices = matrices.to("cpu", torch.float64)
    theta = torch.cat([matrices[:, :, :2] * half / half[:, None], matrices[:, :, 2:] / half[:, None]], 2)
    planes = contrast.flatten(1, -3) if contrast.ndim > 3 else contrast[:, None]
    grid = F.affine_grid(theta.to(planes.device), [len(planes), 1, height, width], align_corners=False)
    # Places are computed in float64 and rounded once. The error is 1e-5 pixels, a hundredth of the least change in 8 bits.
    beyond = "reflection" if middle is None else "zeros"
    moved = F.grid_sample(planes, grid.to(planes.dtype), mode="bilinear", padding_mode=beyond, align_corners=False)
    moved = moved.reshape(contrast.shape).movedim((-2, -1), axes)
    return moved if middle is None else middle + moved


def standard_transform(shape: Sequence[int], spatial: Sequence[int]) -> Fading | None:
    """Return random moves that suit the size of an input.

    Parameters
    ----------
    shape : sequence of int
        The shape of the inputs, with the batch as axis 0.
    spatial : sequence of int
        The axes along which neighbors belong together.

    Returns
    -------
    Fading or None
        Shifts by up to an eighth of a picture's sides; a sixteenth where a side is 32 or less, and for signals and volumes; a
        thirty-second for short signals. None for inputs without neighbors. Scales and rotations (`Affine`) are not used, since they
        take three times as long and did not raise the score, neither of the input itself nor under scales and rotations.
    """
    part = EIGHTH if len(spatial) == 2 else SIXTEENTH
    reach = tuple((axis, round(shape[axis] / part / (1 if shape[axis] > SMALL else 2))) for axis in spatial)
    gain = 0.1 if len(spatial) == 1 else 0.0
    if gain == 0 and not any(steps for _, steps in reach):
        return None
    return Fading(Shift(reach, gain))


EIGHTH, SIXTEENTH = 8, 16
SMALL = 32
"""A side of at most this many elements is small."""


def _turned(angle: Tensor, shrink: Tensor) -> Tensor:
    """Return the linear parts of matrices that turn and scale, (batch, 2, 2), from angles in radians and factors, (batch,)."""
    cosine, sine = angle.cos() * shrink, angle.sin() * shrink
    return torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)


def _add_noise(inputs: Tensor, deviation: float, span: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Return inputs with normal noise, drawn for each sample from its own generator."""
    if not deviation:
        return inputs
    return inputs + deviation * span * normal(generators, inputs.shape[1:]).to(inputs.device)
