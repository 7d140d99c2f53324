"""Reductions over axes: ReduceSum, ReduceMean, ReduceMax and their like."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from onnxviz.model.operators.declaration import Ints, Node, operator
from onnxviz.model.operators.numbers.integer_types import wrapped
from onnxviz.model.operators.numbers.vertical_tangents import flattened

Reduction = Callable[[Tensor, tuple[int, ...], bool], Tensor]
"""Takes values, at least one axis, and whether the reduced axes stay with size 1. Returns the reduced values."""


def _sum(values: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    # Without a type torch would sum small integers as int64.
    return torch.sum(values, axes, keepdim=keep, dtype=values.dtype)


def _mean(values: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    if values.is_floating_point():
        return torch.mean(values, axes, keepdim=keep)
    count = math.prod(values.shape[axis] for axis in axes)
    return torch.div(_sum(values, axes, keep), count, rounding_mode="trunc")


def _product(values: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    for axis in sorted((axis % values.dim() for axis in axes), reverse=True):
        values = torch.prod(values, axis, keepdim=keep, dtype=values.dtype)
    return values


def _extreme(function: Callable[..., Tensor], sign: int) -> Reduction:
    """Return the reduction to the largest value (`sign` 1) or to the smallest (`sign` -1).

    The largest of no values is the smallest number of the type, and the smallest of no values its largest number.
    """

    def of_nothing(dtype: torch.dtype) -> Any:
        if dtype == torch.bool:
            return sign < 0
        if dtype.is_floating_point:
            return -sign * math.inf
        return torch.iinfo(dtype).min if sign > 0 else torch.iinfo(dtype).max

    def reduce(values: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
        if all(values.shape[axis] for axis in axes):
            return function(values, axes, keepdim=keep)
        shape = _sum(values.to(torch.uint8), axes, keep).shape
        return torch.full(shape, of_nothing(values.dtype), dtype=values.dtype, device=values.device)

    return reduce


def _absolute_sum(values: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    return _sum(torch.abs(values), axes, keep)


def _norm(values: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    # At zero torch's norm has the gradient zero, not NaN.
    norm: Tensor = torch.linalg.vector_norm(values, 2, axes, keepdim=keep)
    return norm


def _sum_of_squares(values: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    return _sum(values * values, axes, keep)


def _log_sum(values: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    return torch.log(_sum(values, axes, keep))


def _log_sum_exp(values: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    if not values.requires_grad or 0 in values.shape:
        return torch.logsumexp(values, axes, keepdim=keep)
    # The gradient of torch's own function is NaN where every value is minus infinity, as a mask can make it.
    largest = torch.amax(values.detach(), axes, keepdim=True)
    largest = torch.where(torch.isfinite(largest), largest, 0.0)
    total = _sum(torch.exp(values - largest), axes, True)
    result = flattened(torch.log, total, total == 0, harmless=1.0) + largest
    return result if keep else _sum(result, axes, False)


def _of_floats(reduction: Reduction) -> Reduction:
    """Return a reduction that computes integers in float64 and drops the digits behind the point."""

    def reduce(values: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
        if values.is_floating_point():
            return reduction(values, axes, keep)
        return reduction(values.double(), axes, keep).to(values.dtype)

    return reduce


def _reduced(
    reduction: Reduction, data: Tensor, axes: tuple[int, ...] | None, keepdims: int, noop: int, node: Node
) -> Tensor:
    """Return values reduced over the axes. Without axes all are reduced, or none if `noop`."""
    chosen = axes or (() if noop else tuple(range(data.dim())))
    if not chosen:
        # A reduction over no axis is a reduction over a new axis of size 1. So its square or logarithm is still computed.
        data, chosen, keepdims = data.unsqueeze(-1), (-1,), 0
    return wrapped(reduction(data, chosen, bool(keepdims)), node.output_type())


def _declare(name: str, reduction: Reduction, since: int) -> None:
    """Declare a reduction whose axes are an attribute before opset `since` and an input from then on."""

    @operator(name, since=since)
    def over_input_axes(
        data: Tensor, axes: Ints | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, node: Node
    ) -> Tensor:
        return _reduced(reduction, data, axes, keepdims, noop_with_empty_axes, node)

    @operator(name, until=since - 1)
    def over_attribute_axes(
        data: Tensor, *, axes: tuple[int, ...] | None = None, keepdims: int = 1, node: Node
    ) -> Tensor:
        return _reduced(reduction, data, axes, keepdims, 0, node)


_declare("ReduceSum", _sum, since=13)
for _name, _reduction in {
    "ReduceMean": _mean,
    "ReduceMax": _extreme(torch.amax, 1),
    "ReduceMin": _extreme(torch.amin, -1),
    "ReduceProd": _product,
    "ReduceL1": _absolute_sum,
    "ReduceL2": _of_floats(_norm),
    "ReduceSumSquare": _sum_of_squares,
    "ReduceLogSum": _of_floats(_log_sum),
    "ReduceLogSumExp": _of_floats(_log_sum_exp),
}.items():
    _declare(_name, _reduction, since=18)
