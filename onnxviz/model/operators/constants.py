"""Operators that make tensors from numbers: Constant, ConstantOfShape and Range."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, Ints, operator
from onnxviz.model.operators.shapes.allocation import allowed


@operator("Constant", since=1, gradient=Gradient.ZERO)
def constant(
    *,
    value: Tensor | tuple[str, ...] | None = None,
    sparse_value: Tensor | None = None,
    value_float: float | None = None,
    value_floats: Sequence[float] | None = None,
    value_int: int | None = None,
    value_ints: Sequence[int] | None = None,
    value_string: str | None = None,
    value_strings: Sequence[str] | None = None,
) -> Tensor:
    """Return the tensor, the number or the list of numbers that the node holds (ONNX Constant 1 to 25).

    A sparse tensor is made dense.
    """
    for tensor in (value, sparse_value):
        if isinstance(tensor, Tensor):
            return tensor
    for real in (value_float, value_floats):
        if real is not None:
            return torch.tensor(real, dtype=torch.float32)
    for whole in (value_int, value_ints):
        if whole is not None:
            return torch.tensor(whole, dtype=torch.int64)
    if value is not None or value_string is not None or value_strings is not None:
        raise EvaluationError("a Constant of strings has no counterpart in torch; aim at a numeric tensor")
    raise EvaluationError("a Constant has no value; one of its value attributes must be there")


@operator("ConstantOfShape", since=9, gradient=Gradient.ZERO)
def constant_of_shape(input: Ints, *, value: Tensor | None = None) -> Tensor:
    """Return a tensor of the given shape whose elements are all `value` (ONNX ConstantOfShape 9 to 25).

    The default is 0 in float32.
    """
    if value is None:
        value = torch.zeros(())
    elif value.numel() != 1:
        raise EvaluationError(f"ConstantOfShape has a value of shape {list(value.shape)}; it takes one number")
    return value.reshape(()).expand(allowed(input, "ConstantOfShape"))


# `stash_type` names the precision of the arithmetic on float16 and bfloat16. Its default is float32, in which they are carried here.
@operator("Range", since=11, gradient=Gradient.ZERO, ignored=("stash_type",))
def range_(start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """Return the numbers start, start + delta, … before the limit (ONNX Range 11 and 27).

    No gradient passes, because a small change of the inputs changes the number of elements by steps.
    """
    start, delta = start.detach().reshape(()), delta.detach().reshape(())
    step = delta.item()
    if step == 0:
        raise EvaluationError("Range has delta 0; delta must not be 0")
    first, last = start.item(), limit.detach().item()
    length = (last - first) / step
    if not math.isfinite(length):
        raise EvaluationError(f"Range goes from {first} to {last} by {step}; all three numbers must be finite")
    (count,) = allowed([max(math.ceil(length), 0)], "Range")
    return start + torch.arange(count, dtype=start.dtype, device=start.device) * delta


@operator("Range", domain="com.microsoft", gradient=Gradient.ZERO)
def range_microsoft(start: Tensor, limit: Tensor, delta: Tensor | None = None) -> Tensor:
    """Return the numbers start, start + delta, … before the limit, with a delta of 1 by default (com.microsoft Range).

    This is ONNX Runtime's own operator. It is older than Range in ONNX.
    """
    return range_(start, limit, torch.ones_like(start) if delta is None else delta)
