"""Pools over whole planes, and the inverse of a maximum pool: GlobalAveragePool, GlobalMaxPool, GlobalLpPool and MaxUnpool."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Ints, operator
from onnxviz.model.operators.shapes.allocation import allowed
from onnxviz.model.operators.shapes.windows import padding, per_axis


def _spatial(X: Tensor, what: str) -> tuple[int, ...]:
    # With an empty tuple of axes torch would reduce over every axis.
    if X.ndim < 3:
        raise EvaluationError(f"{what} needs at least one spatial axis; the input has shape {list(X.shape)}")
    return tuple(range(2, X.ndim))


@operator("GlobalAveragePool")
def global_average_pool(X: Tensor) -> Tensor:
    """Return the mean of each plane (ONNX GlobalAveragePool 1 and 22).

    The input is (batch, channel, *spatial), the output (batch, channel, *ones).
    """
    return X.mean(_spatial(X, "GlobalAveragePool"), keepdim=True)


@operator("GlobalMaxPool")
def global_max_pool(X: Tensor) -> Tensor:
    """Return the maximum of each plane (ONNX GlobalMaxPool 1 and 22).

    The input is (batch, channel, *spatial), the output (batch, channel, *ones).
    """
    return X.amax(_spatial(X, "GlobalMaxPool"), keepdim=True)


@operator("GlobalLpPool")
def global_lp_pool(X: Tensor, *, p: float = 2) -> Tensor:
    """Return the p-norm of each plane (ONNX GlobalLpPool 1, 2 and 22).

    The input is (batch, channel, *spatial), the output (batch, channel, *ones).
    """
    norms: Tensor = torch.linalg.vector_norm(X, p, _spatial(X, "GlobalLpPool"), keepdim=True)
    return norms


@operator("MaxUnpool", since=9)
def max_unpool(
    X: Tensor,
    I: Tensor,  # noqa: E741  # ONNX's name
    output_shape: Ints | None = None,
    *,
    kernel_shape: tuple[int, ...],
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
) -> Tensor:
    """Return a tensor with maxima at the positions where a maximum pool found them, and zeros elsewhere (ONNX MaxUnpool 9, 11 and 22).

    Parameters
    ----------
    X : (batch, channel, *spatial)
    I : (batch, channel, *spatial) int64
        Positions of the maxima in the flattened output.
    output_shape : tuple of int, optional
        The whole shape of the output.
    kernel_shape, strides, pads : tuple of int
        The attributes of the maximum pool.

    Raises
    ------
    EvaluationError
        If `output_shape` is not the shape that follows from the attributes.
    AllocationError
        If the output would have more elements than are allowed.
    """
    rank, sizes = X.ndim - 2, tuple(X.shape[2:])
    strides = per_axis(strides, rank, 1, "strides")
    begins, ends = padding(sizes, kernel_shape, strides, (1,) * rank, pads, "NOTSET")
    lengths = [
        (n - 1) * s + k - b - e for n, s, k, b, e in zip(sizes, strides, kernel_shape, begins, ends, strict=True)
    ]
    shape = (*X.shape[:2], *lengths)
    if output_shape is not None and tuple(output_shape) != shape:
        # ONNX's reference counts positions in the shape that follows from the attributes. ONNX Runtime counts them in `output_shape`.
        raise EvaluationError(
            f"MaxUnpool has output_shape {list(output_shape)}, but {list(shape)} follows from its attributes. In this case ONNX's "
            "reference and ONNX Runtime disagree about the meaning of the indices; leave output_shape out"
        )
    flat = X.new_zeros(math.prod(allowed(shape, "MaxUnpool")))
    return flat.scatter(0, I.reshape(-1).to(X.device), X.reshape(-1)).reshape(shape)
