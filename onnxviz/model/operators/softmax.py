"""Softmax, LogSoftmax and Hardmax: over a single axis, and until opset 12 over all axes from a given axis on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, operator


def over_trailing_axes(function: Callable[[Tensor, int], Tensor], values: Tensor, axis: int) -> Tensor:
    """Return the result of a function of (values, axis) over all axes from a given axis on, as if they were a single axis.

    Parameters
    ----------
    function : callable
        Takes values and an axis. Returns a tensor of the same shape.
    values : Tensor
        Any shape.
    axis : int
        The first of the axes that are taken together. A negative axis counts from the last axis.

    Raises
    ------
    EvaluationError
        If the tensor has no such axis.
    """
    rank = values.dim()
    if not -rank <= axis <= rank:
        raise EvaluationError(f"axis={axis} lies outside a tensor of {rank} axes; it must be from {-rank} to {rank}")
    start = axis + rank if axis < 0 else axis
    if start == rank - 1:
        return function(values, -1)
    rows = values.reshape(*values.shape[:start], -1) if start < rank else values.unsqueeze(-1)
    return function(rows, -1).reshape(values.shape)


def hardmax_along(values: Tensor, axis: int) -> Tensor:
    """Return 1 at the first of the largest values along an axis, and 0 elsewhere."""
    return torch.zeros_like(values).scatter(axis, values.argmax(axis, keepdim=True), 1.0)


@operator("Softmax", since=13)
def softmax(input: Tensor, *, axis: int = -1) -> Tensor:
    """Return exponentials divided by their sum along an axis (ONNX Softmax 13)."""
    return torch.softmax(input, axis)


@operator("Softmax", until=12)
def softmax_of_rows(input: Tensor, *, axis: int = 1) -> Tensor:
    """Return exponentials divided by their sum over all axes from `axis` on (ONNX Softmax 1 and 11)."""
    return over_trailing_axes(torch.softmax, input, axis)


@operator("LogSoftmax", since=13)
def log_softmax(input: Tensor, *, axis: int = -1) -> Tensor:
    """Return the logarithm of Softmax along an axis (ONNX LogSoftmax 13)."""
    return torch.log_softmax(input, axis)


@operator("LogSoftmax", until=12)
def log_softmax_of_rows(input: Tensor, *, axis: int = 1) -> Tensor:
    """Return the logarithm of Softmax over all axes from `axis` on (ONNX LogSoftmax 1 and 11)."""
    return over_trailing_axes(torch.log_softmax, input, axis)


@operator("Hardmax", since=13, gradient=Gradient.ZERO)
def hardmax(input: Tensor, *, axis: int = -1) -> Tensor:
    """Return 1 at the first of the largest values along an axis, and 0 elsewhere (ONNX Hardmax 13)."""
    return hardmax_along(input, axis)


@operator("Hardmax", until=12, gradient=Gradient.ZERO)
def hardmax_of_rows(input: Tensor, *, axis: int = 1) -> Tensor:
    """Return 1 at the first of the largest values, and 0 elsewhere (ONNX Hardmax 1 and 11).

    The largest value is taken over all axes from `axis` on.
    """
    return over_trailing_axes(hardmax_along, input, axis)
