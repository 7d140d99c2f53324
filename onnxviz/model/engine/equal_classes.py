"""Equal classes: if all filters behind a softmax's scores are the same, its output is constant.

Each kernel rounds identical filters in its own way. If the scores are huge, the last bits are far apart, and the
exponential selects one class. The equal classes of the file would be lost, and the gradient would be only rounding.
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
"""`_ELEMENTWISE` and `_POOLS` treat all channels alike: equal channels stay equal."""


def settle_equal_classes(plan: Plan) -> Plan:
    """Return a plan whose softmaxes over classes equal by construction give exact outputs and an exact zero gradient.

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
    return plan


def _position(step: Step) -> int:
    value = step.arguments[0]
    return value.position if isinstance(value, Slot) else -1


def _axis_of_equals(step: Step) -> int | None:
    """Return the axis along which a layer's output is constant, as all its filters are equal; None if there is none."""
    if step.node.domain not in ("", "com.microsoft") or step.rounded or len(step.arguments) < 2:
        return None
    operator, weight = step.node.operator, step.arguments[1]
    bias = step.arguments[2] if len(step.arguments) > 2 else None
    if not isinstance(weight, Tensor) or not (bias is None or isinstance(bias, Tensor)):
        return None
    # A tensor added to a fused convolution may differ between the classes; its activation cannot make them differ.
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
    # If filters differ, the first two mostly do: a cheap test first. A bias with more axes is left alone.
    if len(filters) < 2 or not torch.equal(filters[0], filters[1]) or not bool((filters == filters[:1]).all()):
        return None
    if bias is not None and (bias.ndim > 1 or not bool((bias == bias.reshape(-1)[:1]).all())):
        return None
    return axis


def _of_equals(function: Callable[..., Tensor], equal: int, single: bool) -> Callable[..., Any]:
    """Return a softmax that reads one of equal classes; `single`: whether `axis` is one axis or the first of many."""

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
        # The added zero stays in the backward pass: the gradient exists, and is zero.
        return function(one.detach().expand_as(values), axis=axis) + torch.zeros_like(one) * one

    return of_equals
