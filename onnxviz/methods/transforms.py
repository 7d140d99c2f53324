"""Small random moves of an input, so that what an ascent finds does not hang on single pixels.

Lucid pads, shifts, scales, rotates and shifts again. All of that is affine: here it is one matrix and one resampling.
What comes in from outside the input is the middle of its range, which stands for lucid's gray padding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.methods.runs import normal, uniform


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
        """Return moved inputs, (batch, *shape), differentiable in the inputs; `progress` runs from 0 to 1."""
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
            How far the ascent is; it does not matter here.
        """
        draws = uniform(generators, (len(self.reach) + 1,))
        contrast = inputs - middle
        for place, (axis, reach) in enumerate(self.reach):
            # Each of the 2 reach + 1 shifts is as likely as the others.
            steps = (draws[:, place] * (reach + 0.5)).round().clamp(-reach, reach).long()
            contrast = shift(contrast, axis, steps.to(inputs.device))
        if self.gain:
            gains = 1 + self.gain * draws[:, -1].to(inputs.device)
            contrast = contrast * gains.reshape(-1, *[1] * (inputs.ndim - 1))
        return _add_noise(middle + contrast, self.noise, span, generators)


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
    scale: float = 0.2
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
            How far the ascent is; it does not matter here.
        """
        moved = resample(inputs, self.matrices(uniform(generators, (6,))), self.axes, middle)
        return _add_noise(moved, self.noise, span, generators)

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


def shift(contrast: Tensor, axis: int, steps: Tensor) -> Tensor:
    """Move each sample along an axis by its own number of elements; zeros come in.

    Parameters
    ----------
    contrast : Tensor
        (batch, *shape).
    axis : int
        Batch counted.
    steps : Tensor
        (batch,) int64; positive moves towards higher indices.
    """
    length = contrast.shape[axis]
    source = torch.arange(length, device=contrast.device) - steps[:, None]
    beside = [len(steps), *(length if dim == axis else 1 for dim in range(1, contrast.ndim))]
    inside = ((source >= 0) & (source < length)).reshape(beside)
    index = source.clamp(0, length - 1).reshape(beside).expand(contrast.shape)
    return torch.gather(contrast, axis, index) * inside


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
    # In float32 a place 200 pixels from the center is off by 1e-5 pixels, and a still picture would not stay as it is.
    planes = contrast.flatten(1, -3) if contrast.ndim > 3 else contrast[:, None]
    grid = F.affine_grid(theta.to(planes.device), [len(planes), 1, height, width], align_corners=False)
    moved = F.grid_sample(planes.double(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return middle + moved.to(pictures.dtype).reshape(contrast.shape).movedim((-2, -1), axes)


def standard_transform(shape: Sequence[int], spatial: Sequence[int], *, noise: float | None = None) -> Transform | None:
    """Return moves that suit the size of an input.

    Parameters
    ----------
    shape : sequence of int
        Of the input, batch counted.
    spatial : sequence of int
        The axes along which neighbors belong together.
    noise : float, optional
        Standard deviation of normal noise that is added, in spans. Default: .06, which keeps the fine grain down that
        only networks see; nothing for what has no neighbors.

    Returns
    -------
    Transform or None
        For a picture above 32 pixels, shifts of a sixteenth of its shorter side, scales and rotations; for smaller
        pictures, signals and volumes, shifts by whole elements; for what has no neighbors, nothing, unless there is
        noise.
    """
    noise = (NOISE if spatial else 0.0) if noise is None else noise
    if len(spatial) == 2 and min(shape[axis] for axis in spatial) > SMALL:
        vertical, horizontal = spatial
        return Affine((vertical, horizontal), min(shape[axis] for axis in spatial) / SIXTEENTH, noise=noise)
    reach = tuple((axis, round(shape[axis] / SIXTEENTH / 2)) for axis in spatial)
    gain = 0.1 if len(spatial) == 1 else 0.0
    if noise == 0 and gain == 0 and not any(steps for _, steps in reach):
        return None
    return Shift(reach, gain, noise)


# A picture up to this side is only shifted: a turn by 10 degrees moves its corners by less than a kernel is wide, and
# what interpolation blurs is then a large part of what there is to see.
SMALL = 32
SIXTEENTH = 16
NOISE = 0.06


def _add_noise(inputs: Tensor, deviation: float, span: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Add normal noise, each sample's from its own generator."""
    if not deviation:
        return inputs
    return inputs + deviation * span * normal(generators, inputs.shape[1:]).to(inputs.device)
