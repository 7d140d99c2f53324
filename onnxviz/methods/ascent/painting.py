"""The inverse Fourier transform of a spectrum into a range of values, with its gradient in few passes over the memory.

An ascent does this work at each step, besides the work of the network itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from onnxviz.methods.ascent.portions import portions


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The layout, the colors and the range of an input that a spectrum is transformed into.

    Attributes
    ----------
    sizes : tuple of int
        The sizes of the spatial axes, in the order of the axes.
    colors : Tensor or None
        (channel, channel), from decorrelated to actual channels. None: channels stay as they are.
    order : tuple of int
        The permutation of (batch, channel, *spatial) to the input's layout.
    middle, span : Tensor
        The middle and the length of the range, in the shape of a sample. Where there is no range, mean and standard deviation.
    """

    sizes: tuple[int, ...]
    colors: Tensor | None
    order: tuple[int, ...]
    middle: Tensor
    span: Tensor

    @property
    def channels(self) -> bool:
        """Whether the input has a channel axis; without one, `order` names the batch and the spatial axes only."""
        return len(self.order) == 2 + len(self.sizes)

    @property
    def inverse(self) -> tuple[int, ...]:
        """The permutation of the input's layout to (batch, channel, *spatial), where there is a channel axis."""
        return tuple(self.order.index(axis) for axis in range(len(self.order)))

    @property
    def spatial(self) -> tuple[int, ...]:
        """The axes of the input besides the batch and the channel."""
        if not self.channels:
            return tuple(range(1, len(self.sizes) + 1))
        return tuple(axis for axis, source in enumerate(self.order) if source > 1)


class Painted(torch.autograd.Function):
    """The transform of a spectrum into a bounded range, and its gradient: torch's own results, in fewer passes over the memory."""

    @staticmethod
    def forward(
        ctx: Any, parts: Tensor, factors: Tensor | None, mirrored: Tensor, frame: Frame, contrast: Tensor | None = None
    ) -> Tensor:
        """Return the inverse transform of the parts times factors, colored, and bent by a sigmoid into the range.

        `mirrored` holds the factors, or 1, times `mirrors` of the frame's sizes. `contrast`, (batch,), is the root mean square that
        the waves of each sample are scaled to before the sigmoid; None leaves them as they are.
        """
        axes = tuple(range(2, 2 + len(frame.sizes)))
        unit = torch.empty((*parts.shape[:2], *frame.sizes), device=parts.device)
        scales = None if contrast is None else torch.empty_like(contrast)
        for some in portions(unit):
            spectrum = torch.view_as_complex(parts[some] if factors is None else parts[some] * factors)
            waves = torch.fft.irfftn(spectrum, s=frame.sizes, dim=axes)
            if frame.colors is not None:
                waves = (frame.colors @ waves.flatten(2)).reshape(waves.shape)
            if contrast is not None and scales is not None:
                scales[some] = contrast[some] / root_mean_square(waves)
                waves.mul_(_along(scales[some], waves))
            torch.sigmoid(waves, out=unit[some])
        ctx.save_for_backward(unit, *(() if contrast is None or scales is None else (scales, contrast)))
        ctx.given = mirrored, frame
        placed = unit.permute(frame.order) if frame.channels else unit.squeeze(1)
        span = _scalar(frame.span)
        return (placed * span).add_(_scalar(frame.middle) - span / 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        """Return the gradient of the parts, by the forward transform, which is the transpose of the inverse one up to factors."""
        (unit, *held), (mirrored, frame), gradient = ctx.saved_tensors, ctx.given, gradients[0]
        mix, scale = None if frame.colors is None else frame.colors.T, _scalar(frame.span)
        if scale.ndim:
            gradient = gradient * scale
        else:
            mix = scale if mix is None else scale * mix
        gradient = gradient.permute(frame.inverse) if frame.channels else gradient[:, None]
        axes = tuple(range(2, 2 + len(frame.sizes)))
        shape = (*unit.shape[:2], *frame.sizes[:-1], frame.sizes[-1] // 2 + 1, 2)
        found = torch.empty(shape, device=unit.device)
        for some in portions(unit):
            # A network may return the gradient in another order of memory.
            waves = torch.ops.aten.sigmoid_backward(gradient[some].contiguous(), unit[some])
            if held:
                # Along the waves themselves nothing changes, since their size is held: that part of the gradient is taken out.
                scales, contrast = held[0][some], held[1][some]
                before = torch.logit(unit[some], eps=torch.finfo(torch.float32).eps)
                share = (waves * before).flatten(1).mean(1) / contrast.square()
                waves.sub_(_along(share, before) * before).mul_(_along(scales, waves))
            if mix is not None:
                waves = (mix @ waves.flatten(2)).reshape(waves.shape) if mix.ndim else waves.mul_(mix)
            spectrum = torch.fft.rfftn(waves, dim=axes, norm="forward")
            torch.mul(torch.view_as_real(spectrum), mirrored, out=found[some])
        return found, None, None, None, None


def mirrors(sizes: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """Return how often each coefficient of a real transform counts, (last frequency, 1): an inner one also for its mirror."""
    counts = torch.full((sizes[-1] // 2 + 1, 1), 2.0, device=device)
    counts[0] = 1
    if sizes[-1] % 2 == 0:
        counts[-1] = 1
    return counts


def root_mean_square(waves: Tensor) -> Tensor:
    """Return the root mean square of each sample, (batch,), above 0."""
    return waves.flatten(1).square().mean(1).sqrt().clamp_min(torch.finfo(waves.dtype).tiny)


def _along(numbers: Tensor, like: Tensor) -> Tensor:
    """Return a number for each sample, (batch,), in a shape that broadcasts over samples."""
    return numbers.reshape(-1, *[1] * (like.ndim - 1))


def _scalar(values: Tensor) -> Tensor:
    """Return a number that was expanded to a shape without its axes, since torch multiplies fastest by it; others as they are."""
    return values if any(values.stride()) else values.flatten()[0]
