"""A rectifier that does not leave an ascent without a direction where a unit is dead at the start."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def passing_clip(values: Tensor, low: float = 0.0, high: float = torch.inf) -> Tensor:
    """Clip, and let the gradient pass for samples whose whole gradient the clip would block.

    Lucid's redirected ReLU, and with ``high=6`` its redirected ReLU6. A sample of which any element gets a gradient
    has the ordinary one. For the others the gradient passes, save where it pushes further out of the range.

    Parameters
    ----------
    values : Tensor
        (batch, *shape).
    low, high : float
        The range. The default is ReLU.

    Returns
    -------
    Tensor
        The clipped values. Their gradient is that of an ascent: its positive direction raises what is maximized.

    Examples
    --------
    >>> x = torch.tensor([[-1.0, -2.0]], requires_grad=True)
    >>> passing_clip(x).sum().backward()
    >>> x.grad
    tensor([[1., 1.]])
    """
    clipped: Tensor = _PassingClip.apply(values, low, high)  # type: ignore[no-untyped-call]  # torch has no types here
    return clipped


class _PassingClip(torch.autograd.Function):
    """The clip and its two gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, low: float, high: float) -> Tensor:
        """Clip."""
        ctx.save_for_backward(values)
        ctx.range = low, high
        return values.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Choose between the gradients, sample by sample."""
        (values,), (low, high), gradient = ctx.saved_tensors, ctx.range, gradients[0]
        below, above = values <= low, values >= high
        ordinary = gradient.masked_fill(below | above, 0)
        passing = gradient.masked_fill((below & (gradient < 0)) | (above & (gradient > 0)), 0)
        alive = (ordinary.reshape(len(ordinary), -1) != 0).any(1).reshape(-1, *[1] * (values.ndim - 1))
        return torch.where(alive, ordinary, passing), None, None
