"""Running sums and products along an axis: CumSum and CumProd."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from onnxviz.model.operators.declaration import Int, Node, operator
from onnxviz.model.operators.numbers.integer_types import wrapped


def _running(
    function: Callable[..., Tensor], values: Tensor, axis: int, exclusive: int, reverse: int, neutral: int
) -> Tensor:
    """Return each value combined with all values before it, or with all values behind it if `reverse`.

    The value itself is among them unless `exclusive`. The neutral value stands where none is left.
    """
    if reverse:
        values = values.flip(axis)
    if exclusive and values.shape[axis]:
        # The values are shifted first. To take each value out of its result afterwards would lose digits.
        first = torch.full_like(values.narrow(axis, 0, 1), neutral)
        values = torch.cat((first, values.narrow(axis, 0, values.shape[axis] - 1)), axis)
    result = function(values, axis, dtype=values.dtype)
    return result.flip(axis) if reverse else result


@operator("CumSum", since=11)
def cumulative_sum(x: Tensor, axis: Int, *, exclusive: int = 0, reverse: int = 0, node: Node) -> Tensor:
    """Return the running sums along an axis (ONNX CumSum 11 and 14)."""
    return wrapped(_running(torch.cumsum, x, axis, exclusive, reverse, 0), node.output_type())


@operator("CumProd", since=26)
def cumulative_product(x: Tensor, axis: Int, *, exclusive: int = 0, reverse: int = 0, node: Node) -> Tensor:
    """Return the running products along an axis (ONNX CumProd 26)."""
    return wrapped(_running(torch.cumprod, x, axis, exclusive, reverse, 1), node.output_type())
