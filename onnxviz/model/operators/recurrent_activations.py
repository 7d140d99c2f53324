"""The activation functions that the recurrent operators name in their attributes, with the alpha and beta that each consumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators import kinks

Activation = Callable[[Tensor], Tensor]

# (default alpha, default beta): the defaults of the operator of that name. A missing pair is a function without the parameter; None is
# a parameter without a default that all agree on: ONNX has none for Affine and ScaledTanh, where ONNX Runtime multiplies by zero, and
# 1 for ThresholdedRelu, where ONNX Runtime takes 0.
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
    """Return the activations of every direction in small letters.

    Parameters
    ----------
    activations : sequence of str or None
        As the node has them.
    default : sequence of str
        The operator's own, for one direction.
    directions : int
        One or two.

    Raises
    ------
    EvaluationError
        If a name is unknown, or there are fewer names than gates.
    """
    needed = directions * len(default)
    names = tuple(name.lower() for name in activations or tuple(default) * directions)
    for name in names:
        if name not in _PARAMETERS:
            raise EvaluationError(f"activations names {name!r}; a recurrent operator knows {', '.join(_PARAMETERS)}")
    if len(names) < needed:
        raise EvaluationError(f"activations has {len(names)} names; {directions} direction(s) need {needed}")
    # RNN's schema has the default of two directions for one direction too.
    return names[:needed]


def activations_of(
    names: Sequence[str], alphas: Sequence[float] | None, betas: Sequence[float] | None
) -> tuple[Activation, ...]:
    """Return the functions of the names, each with the alpha and the beta that it consumes.

    Parameters
    ----------
    names : sequence of str
        In small letters, in the order of the gates: (f, g, h) of the first direction, then of the second.
    alphas, betas : sequence of float or None
        Consumed from the left by the functions that have such a parameter.

    Raises
    ------
    EvaluationError
        If a parameter without a default is missing.
    """
    remaining = [list(alphas or ()), list(betas or ())]
    functions = []
    for name in names:
        values = []
        for rest, what, default in zip(remaining, ("alpha", "beta"), _PARAMETERS[name]):  # noqa: B905 # defaults may be fewer
            value = rest.pop(0) if rest else default
            if value is None:
                raise EvaluationError(
                    f"the activation {name} has no activation_{what}; no default is agreed on, so give one"
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
