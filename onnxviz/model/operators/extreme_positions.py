"""Positions of the extreme values: ArgMax and ArgMin."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from onnxviz.model.operators.declaration import Gradient, operator


def _position(function: Callable[..., Tensor], data: Tensor, axis: int, keepdims: int, last: int) -> Tensor:
    """Return the position of an extreme value along an axis. Of equal values the first counts, or the last if `last`."""
    if data.dim() == 0:
        return torch.zeros_like(data, dtype=torch.int64)
    if not last:
        return function(data, axis, keepdim=bool(keepdims))
    return data.shape[axis] - 1 - function(data.flip(axis), axis, keepdim=bool(keepdims))


@operator("ArgMax", gradient=Gradient.ZERO)
def arg_max(data: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
    """Return the position of the largest value along an axis (ONNX ArgMax 1, 11, 12 and 13)."""
    return _position(torch.argmax, data, axis, keepdims, select_last_index)


@operator("ArgMin", gradient=Gradient.ZERO)
def arg_min(data: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
    """Return the position of the smallest value along an axis (ONNX ArgMin 1, 11, 12 and 13)."""
    return _position(torch.argmin, data, axis, keepdims, select_last_index)
