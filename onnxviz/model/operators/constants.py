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
    """Return the tensor, the number or the list of numbers that stands in the node; a sparse tensor is made dense."""
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
    raise EvaluationError("a Constant without a value; one of its value attributes must be there")


@operator("ConstantOfShape", since=9, gradient=Gradient.ZERO)
def constant_of_shape(input: Ints, *, value: Tensor | None = None) -> Tensor:
    """Return a tensor of the shape asked for that holds one value, by default 0 in float32."""
    if value is None:
        value = torch.zeros(())
    elif value.numel() != 1:
        raise EvaluationError(f"ConstantOfShape with a value of shape {list(value.shape)}; it takes one number")
    return value.reshape(()).expand(allowed(input, "ConstantOfShape"))


# float16 and bfloat16 are carried as float32, which is what `stash_type` asks for by default.
@operator("Range", since=11, gradient=Gradient.ZERO, ignored=("stash_type",))
def range_(start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """Return start, start + delta, … up to before the limit; their number changes by steps, so no gradient passes."""
    start, delta = start.detach().reshape(()), delta.detach().reshape(())
    step = delta.item()
    if step == 0:
        raise EvaluationError("Range with a delta of 0; it must move")
    first, last = start.item(), limit.detach().item()
    length = (last - first) / step
    if not math.isfinite(length):
        raise EvaluationError(f"Range from {first} to {last} by {step}; the numbers must be finite")
    (count,) = allowed([max(math.ceil(length), 0)], "Range")
    return start + torch.arange(count, dtype=start.dtype, device=start.device) * delta


@operator("Range", domain="com.microsoft", gradient=Gradient.ZERO)
def range_microsoft(start: Tensor, limit: Tensor, delta: Tensor | None = None) -> Tensor:
    """Return Range, whose delta may be left out and is 1 then: ONNX Runtime's own operator, older than ONNX's."""
    return range_(start, limit, torch.ones_like(start) if delta is None else delta)
