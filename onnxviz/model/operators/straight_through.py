"""The straight-through estimator: a forward pass that rounds, a backward pass that acts as if it had not."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor


class _StraightThrough(torch.autograd.Function):
    """Give the rounded values forward, hand the gradient to the values before rounding backward."""

    generate_vmap_rule = True

    @staticmethod
    def forward(smooth: Tensor, exact: Tensor) -> Tensor:
        return exact.view_as(exact)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def straight_through(smooth: Tensor, exact: Tensor) -> Tensor:
    """Return `exact`, whose gradient flows to `smooth` unchanged.

    Parameters
    ----------
    smooth : Tensor
        Values that can carry a gradient. Clamp them first: torch's clamp passes no gradient outside its bounds.
    exact : Tensor
        The values after rounding, same shape and type.

    Notes
    -----
    Bengio, Léonard and Courville 2013, "Estimating or propagating gradients through stochastic neurons for conditional
    computation".
    """
    if not smooth.requires_grad:
        return exact
    return cast(Tensor, _StraightThrough.apply(smooth, exact.detach()))  # type: ignore[no-untyped-call, unused-ignore]  # typed from torch 2.14 on


def rounded(values: Tensor) -> Tensor:
    """Return the nearest whole numbers, ties to even; the gradient passes as if they had not been rounded."""
    return straight_through(values, torch.round(values))
