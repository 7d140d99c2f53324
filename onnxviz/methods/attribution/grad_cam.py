"""Grad-CAM: which places of an inner tensor drive a score, laid over the input."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import UsageError
from onnxviz.methods.attribution.places import Places
from onnxviz.methods.attribution.result import Attribution
from onnxviz.methods.attribution.scores import Score

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def grad_cam(score: Score, activation: Tensor, places: Places) -> Attribution:
    """Return the positive part of the channels' sum, each weighted by its mean gradient (Selvaraju et al. 2017).

    Parameters
    ----------
    score : callable
        Of the inner tensor, differentiable.
    activation : (1, channel, *places) Tensor
        The inner tensor's value; its channels stand first.
    places : Places
        Of the input, with as many axes as the inner tensor has; the map is enlarged to them linearly.

    Returns
    -------
    Attribution
        Not signed: what lowers the score is left out, as in the paper.

    Raises
    ------
    UsageError
        If the inner tensor has other axes than the input.
    """
    inner = tuple(activation.shape[2:])
    if len(inner) != len(places.sizes) or not inner:
        raise UsageError(
            f"Grad-CAM: the layer has {len(inner)} axes of places ({_sizes(inner)}), the input {len(places.sizes)} "
            f"({_sizes(places.sizes)}); name another with `layer`"
        )
    coarse = channel_map(score, activation)
    fine = F.interpolate(coarse[None, None], size=places.sizes, mode=_MODES[len(inner)], align_corners=False)[0, 0]
    message = "" if bool((fine > 0).any()) else "no place of the layer raises the score: the map is empty"
    return Attribution(
        "grad-cam", (places.lift(fine.cpu().numpy()),), False, f"weighted activation, {_sizes(inner)}", 1, None, message
    )


def channel_map(score: Score, activation: Tensor) -> Tensor:
    """Return the map before it is enlarged: (*places), nowhere negative."""
    leaf = activation.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(score(leaf).sum(), leaf)
    weights = slope.flatten(2).mean(-1).reshape(*slope.shape[:2], *[1] * (slope.ndim - 2))
    summed: Tensor = (weights * leaf.detach()).sum(1)[0]
    return summed.clamp_min(0)


def suits(shape: tuple[int, ...], places: Places) -> bool:
    """Tell whether a tensor of this shape has a map to lay over the input: its number of axes, and more than one place."""
    inner = shape[2:]
    return len(inner) == len(places.sizes) and int(np.prod(inner)) > 1


def _sizes(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes)) or "none"
