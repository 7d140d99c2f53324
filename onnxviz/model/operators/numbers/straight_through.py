"""The straight-through estimator: the forward pass rounds, the backward pass acts as if nothing had been rounded."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor


class _StraightThrough(torch.autograd.Function):
    """Returns the rounded values forward. Backward it passes the gradient to the values before rounding."""

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
        Values that can carry a gradient. If they are clamped first by `kinks.clamped`, no gradient passes outside the bounds.
    exact : Tensor
        The values after rounding, in the same shape and type.

    Notes
    -----
    The source is Bengio, Léonard and Courville, "Estimating or propagating gradients through stochastic neurons for conditional
    computation", 2013.
    """
    if not smooth.requires_grad:
        return exact
    return cast(Tensor, _StraightThrough.apply(smooth, exact.detach()))  # type: ignore[no-untyped-call, unused-ignore]  # typed from torch 2.14 on


def rounded(values: Tensor) -> Tensor:
    """Return the nearest whole numbers, with ties to even. The gradient passes as if nothing had been rounded."""
    return straight_through(values, torch.round(values))
