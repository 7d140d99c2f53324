"""Activation functions of the recurrent operators: their names in attributes, and the alpha and beta that each takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz import kinks
from onnxviz.errors import EvaluationError

Activation = Callable[[Tensor], Tensor]

# Default alpha and default beta of the operator of that name. A function without a parameter has no entry for it. None stands for a
# parameter whose default is disputed. For Affine and ScaledTanh ONNX has no default, and ONNX Runtime multiplies by zero. For
# ThresholdedRelu the default is 1 in ONNX and 0 in ONNX Runtime.
_Default = tuple[float | None, ...]
_PARAMETERS: dict[str, _Default] = {
    "relu": (),
    "tanh": (),
    "sigmoid": (),
    "softsign": (),
    "softplus": (),
    "leakyrelu": (0.01,),
    "thresholdedrelu": (None,),
    "elu": (1.0,),
    "hardsigmoid": (0.2, 0.5),
    "affine": (None, 0.0),
    "scaledtanh": (None, None),
}


def activation_names(activations: Sequence[str] | None, default: Sequence[str], directions: int) -> tuple[str, ...]:
    """Return the names of the activations of every direction in lowercase.

    Parameters
    ----------
    activations : sequence of str or None
        The attribute of the node.
    default : sequence of str
        The default names of the operator for a single direction.
    directions : int
        1 or 2.

    Raises
    ------
    EvaluationError
        If a name is unknown, or there are fewer names than activations.
    """
    needed = directions * len(default)
    names = tuple(name.lower() for name in activations or tuple(default) * directions)
    for name in names:
        if name not in _PARAMETERS:
            raise EvaluationError(f"activations has {name!r}; a recurrent operator knows {', '.join(_PARAMETERS)}")
    if len(names) < needed:
        raise EvaluationError(f"activations has {len(names)} names; {directions} direction(s) need {needed} names")
    # The schema of RNN has two default names, for one direction as for two.
    return names[:needed]


def activations_of(
    names: Sequence[str], alphas: Sequence[float] | None, betas: Sequence[float] | None
) -> tuple[Activation, ...]:
    """Return the activation functions of names, each with its alpha and its beta.

    Parameters
    ----------
    names : sequence of str
        Names in lowercase, in the order of the gates: (f, g, h) of the first direction, then of the second.
    alphas, betas : sequence of float or None
        Values of the parameters. Each function that has a parameter takes the next value.

    Raises
    ------
    EvaluationError
        If a parameter has neither a value nor a default.
    """
    remaining = [list(alphas or ()), list(betas or ())]
    functions = []
    for name in names:
        values = []
        for rest, what, default in zip(remaining, ("alpha", "beta"), _PARAMETERS[name]):  # noqa: B905 # a function may have fewer parameters
            value = rest.pop(0) if rest else default
            if value is None:
                raise EvaluationError(
                    f"the activation {name} has no activation_{what}; give its value, because ONNX and ONNX Runtime have different defaults"
                )
            values.append(value)
        functions.append(_function(name, *values))
    return tuple(functions)


def _function(name: str, alpha: float = 0.0, beta: float = 0.0) -> Activation:
    table: dict[str, Activation] = {
        "relu": torch.relu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "softsign": F.softsign,
        "softplus": F.softplus,
        "leakyrelu": lambda x: F.leaky_relu(x, alpha),
        "thresholdedrelu": lambda x: torch.where(x >= alpha, x, 0.0),
        "elu": lambda x: F.elu(x, alpha),
        "hardsigmoid": lambda x: kinks.clamped(alpha * x + beta, 0.0, 1.0),
        "affine": lambda x: alpha * x + beta,
        "scaledtanh": lambda x: alpha * torch.tanh(beta * x),
    }
    return table[name]
