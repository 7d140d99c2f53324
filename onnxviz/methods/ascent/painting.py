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
        Of the shape of a sample: the middle and the length of the range, or the mean and the standard deviation where there
        is no range.
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
    def forward(ctx: Any, parts: Tensor, factors: Tensor | None, mirrored: Tensor, frame: Frame) -> Tensor:
        """Transform, color, and bend by a sigmoid about 0, half of which lies on either side of the middle.

        `mirrored` is the factors, or 1, times `mirrors` of the frame's sizes.
        """
        axes = tuple(range(2, 2 + len(frame.sizes)))
        unit = torch.empty((*parts.shape[:2], *frame.sizes), device=parts.device)
        for some in portions(unit):
            spectrum = torch.view_as_complex(parts[some] if factors is None else parts[some] * factors)
            waves = torch.fft.irfftn(spectrum, s=frame.sizes, dim=axes)
            if frame.colors is not None:
                waves = (frame.colors @ waves.flatten(2)).reshape(waves.shape)
            torch.sigmoid(waves, out=unit[some])
        ctx.save_for_backward(unit)
        ctx.given = mirrored, frame
        placed = unit.permute(frame.order) if frame.channels else unit.squeeze(1)
        span = _scalar(frame.span)
        return (placed * span).add_(_scalar(frame.middle) - span / 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Return the gradient of the parts: by the forward transform, which is the inverse one's transpose but for factors."""
        (unit,), (mirrored, frame), gradient = ctx.saved_tensors, ctx.given, gradients[0]
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
            # A network may leave it in another order of memory.
            waves = torch.ops.aten.sigmoid_backward(gradient[some].contiguous(), unit[some])
            if mix is not None:
                waves = (mix @ waves.flatten(2)).reshape(waves.shape) if mix.ndim else waves.mul_(mix)
            spectrum = torch.fft.rfftn(waves, dim=axes, norm="forward")
            torch.mul(torch.view_as_real(spectrum), mirrored, out=found[some])
        return found, None, None, None


def mirrors(sizes: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """Return how often each coefficient of a real transform counts, (last frequency, 1): an inner one stands for its mirror, too."""
    counts = torch.full((sizes[-1] // 2 + 1, 1), 2.0, device=device)
    counts[0] = 1
    if sizes[-1] % 2 == 0:
        counts[-1] = 1
    return counts


def _scalar(values: Tensor) -> Tensor:
    """Return one number that is spread out without axes, since torch multiplies fastest by such; others as they are."""
    return values if any(values.stride()) else values.flatten()[0]
