"""Running totals along an axis: CumSum and CumProd."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from onnxviz.model.operators.declaration import Int, Node, operator
from onnxviz.model.operators.numbers.integer_types import wrapped


def _running(
    function: Callable[..., Tensor], values: Tensor, axis: int, exclusive: int, reverse: int, neutral: int
) -> Tensor:
    """Combine each value with all before it (or behind it), with itself among them or not."""
    if reverse:
        values = values.flip(axis)
    if exclusive and values.shape[axis]:
        # Shifted beforehand: taking the value out again afterwards would lose digits.
        first = torch.full_like(values.narrow(axis, 0, 1), neutral)
        values = torch.cat((first, values.narrow(axis, 0, values.shape[axis] - 1)), axis)
    result = function(values, axis, dtype=values.dtype)
    return result.flip(axis) if reverse else result


@operator("CumSum", since=11)
def cumulative_sum(x: Tensor, axis: Int, *, exclusive: int = 0, reverse: int = 0, node: Node) -> Tensor:
    """Return the running sum along an axis."""
    return wrapped(_running(torch.cumsum, x, axis, exclusive, reverse, 0), node.output_type())


@operator("CumProd", since=26)
def cumulative_product(x: Tensor, axis: Int, *, exclusive: int = 0, reverse: int = 0, node: Node) -> Tensor:
    """Return the running product along an axis."""
    return wrapped(_running(torch.cumprod, x, axis, exclusive, reverse, 1), node.output_type())
