"""Classes that cannot differ: where a softmax's scores come from filters that are all the same, its answer is constant.

Each kernel rounds identical filters in its own way. Where the scores are huge those last bits are far apart, and an exponential makes one
class of them: what the file says, equal classes, would be lost, and the gradient would be rounding alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from onnxviz.model.engine.plan import Plan, Slot, Step

_ELEMENTWISE = frozenset(
    {
        "Cast",
        "Celu",
        "Clip",
        "Elu",
        "Erf",
        "Exp",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "LeakyRelu",
        "Mish",
        "Neg",
        "Relu",
        "Selu",
        "Sigmoid",
        "Softplus",
        "Softsign",
        "Sqrt",
        "Tanh",
    }
)
_POOLS = frozenset({"AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"})
"""Both treat every channel alike: equal ones stay equal."""


def settle_equal_classes(plan: Plan) -> None:
    """Give every softmax over classes that are equal by construction its exact answer and its exact gradient, zero.

    Parameters
    ----------
    plan : Plan
        Complete except for `Plan.finish`; changed in place.
    """
    makers = {position: step for step in plan.steps for position in step.outputs[:1]}
    for step in plan.steps:
        if step.node.domain or step.node.operator not in ("Softmax", "LogSoftmax"):
            continue
        source, pooled = makers.get(_position(step)), False
        while source is not None and not source.node.domain and source.node.operator in _ELEMENTWISE | _POOLS:
            pooled |= source.node.operator in _POOLS
            source = makers.get(_position(source))
        axis = _axis_of_equals(source) if source is not None else None
        if pooled and axis != 1:
            continue  # a pool runs along the classes themselves
        if axis is not None:
            function = _of_equals(step.declaration.function, axis, step.node.version >= 13)
            step.declaration = replace(step.declaration, function=function)


def _position(step: Step) -> int:
    value = step.arguments[0]
    return value.position if isinstance(value, Slot) else -1


def _axis_of_equals(step: Step) -> int | None:
    """Return the axis along which a layer's output cannot differ, as all of its filters are the same; None if there is none."""
    if step.node.domain not in ("", "com.microsoft") or step.rounded or len(step.arguments) < 2:
        return None
    operator, weight = step.node.operator, step.arguments[1]
    bias = step.arguments[2] if len(step.arguments) > 2 else None
    if not isinstance(weight, Tensor) or not (bias is None or isinstance(bias, Tensor)):
        return None
    # What is added to a fused convolution may differ between the classes; its activation cannot make them differ.
    if operator in ("Conv", "FusedConv") and step.keywords.get("group", 1) == 1 and len(step.arguments) < 4:
        filters, axis = weight, 1
    elif operator in ("Gemm", "FusedGemm") and weight.ndim == 2:
        filters, axis = weight if step.keywords.get("transB") else weight.t(), 1
    elif operator == "Linear":
        filters, axis = weight, -1
    elif operator == "MatMul" and weight.ndim == 2:
        filters, axis = weight.t(), -1
    else:
        return None
    # Of two filters that differ the first pair tells, mostly; a bias of other axes than the classes' is left alone.
    if len(filters) < 2 or not torch.equal(filters[0], filters[1]) or not bool((filters == filters[:1]).all()):
        return None
    if bias is not None and (bias.ndim > 1 or not bool((bias == bias.reshape(-1)[:1]).all())):
        return None
    return axis


def _of_equals(function: Callable[..., Tensor], equal: int, single: bool) -> Callable[..., Any]:
    """Return a softmax that reads one class where all are equal; `single` tells whether `axis` is one axis or the first of many."""

    def of_equals(values: Tensor, *, axis: int) -> Tensor:
        along = equal % values.ndim
        start = axis % values.ndim
        taken = (start,) if single else tuple(range(start, values.ndim))
        if (
            along not in taken
            or any(values.shape[other] != 1 for other in taken if other != along)
            or not values.numel()
        ):
            return function(values, axis=axis)
        one = values.narrow(along, 0, 1)
        # The zero keeps a place in the backward pass: the gradient is there, and it is nothing.
        return function(one.detach().expand_as(values), axis=axis) + torch.zeros_like(one) * one

    return of_equals
