"""Activations that ONNX Runtime's optimizer fuses into convolutions and matrix products."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz import kinks
from onnxviz.errors import EvaluationError


def _elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    return F.elu(x, alpha)


def _hard_sigmoid(x: Tensor, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    return kinks.clamped(alpha * x + beta, 0, 1)


def _leaky_relu(x: Tensor, alpha: float = 0.01) -> Tensor:
    return F.leaky_relu(x, alpha)


def _selu(x: Tensor, alpha: float = 1.67326319217681884765625, gamma: float = 1.05070102214813232421875) -> Tensor:
    return gamma * F.elu(x, alpha)


def _thresholded_relu(x: Tensor, alpha: float = 1.0) -> Tensor:
    return torch.where(x > alpha, x, 0)


def _clip(x: Tensor, alpha: float = -math.inf, beta: float = math.inf) -> Tensor:
    return kinks.clamped(x, alpha, beta)


_ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "Clip": _clip,
    "Elu": _elu,
    "HardSigmoid": _hard_sigmoid,
    "LeakyRelu": _leaky_relu,
    "Relu": torch.relu,
    "Selu": _selu,
    "Sigmoid": torch.sigmoid,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "Tanh": torch.tanh,
    "ThresholdedRelu": _thresholded_relu,
}


def activate(x: Tensor, name: str, *parameters: float, **named: float | None) -> Tensor:
    """Return values after an activation that is given by its ONNX name.

    Parameters
    ----------
    x : Tensor
        Of any shape.
    name : str
        The name of an ONNX operator. An empty name stands for no activation.
    *parameters : float
        The operator's attributes in ONNX Runtime's order: those of alpha, beta and gamma that the operator has.
    **named : float, optional
        The same attributes by name. None stands for ONNX's default.

    Raises
    ------
    EvaluationError
        If ONNX Runtime does not fuse an activation of that name.
    """
    if not name:
        return x
    try:
        function = _ACTIVATIONS[name]
    except KeyError:
        known = ", ".join(_ACTIVATIONS)
        raise EvaluationError(f"the fused activation {name!r} is not supported; {known} are supported") from None
    return function(x, *parameters, **{key: value for key, value in named.items() if value is not None})
