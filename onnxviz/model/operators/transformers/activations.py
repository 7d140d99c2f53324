"""Activations of com.microsoft: the Gelu family, gated units, and activations fused with a bias."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz import kinks
from onnxviz.model.operators.activations import swish
from onnxviz.model.operators.declaration import operator
from onnxviz.model.operators.softmax import over_trailing_axes

MICROSOFT = "com.microsoft"


@operator("Gelu", domain=MICROSOFT)
def gelu(X: Tensor) -> Tensor:
    """Return the Gaussian error linear unit (com.microsoft Gelu)."""
    return F.gelu(X)


@operator("BiasGelu", domain=MICROSOFT)
def bias_gelu(A: Tensor, B: Tensor) -> Tensor:
    """Return the Gaussian error linear unit of the input plus a bias (com.microsoft BiasGelu)."""
    return F.gelu(A + B)


@operator("FastGelu", domain=MICROSOFT)
def fast_gelu(X: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the tanh approximation of the Gaussian error linear unit of the input plus a bias (com.microsoft FastGelu)."""
    return F.gelu(X if bias is None else X + bias, approximate="tanh")


@operator("GemmFastGelu", domain=MICROSOFT)
def gemm_fast_gelu(X: Tensor, W: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the tanh approximation of Gelu of a matrix product plus a bias (com.microsoft GemmFastGelu)."""
    return fast_gelu(torch.matmul(X, W), bias)


@operator("QuickGelu", domain=MICROSOFT)
def quick_gelu(X: Tensor, *, alpha: float = 1.702) -> Tensor:
    """Return ``x * sigmoid(alpha * x)`` (com.microsoft QuickGelu)."""
    return swish(X, alpha=alpha)


@operator("BiasSplitGelu", domain=MICROSOFT)
def bias_split_gelu(X: Tensor, bias: Tensor) -> Tensor:
    """Return the first half of the input plus a bias times the Gelu of the second half (com.microsoft BiasSplitGelu).

    The last axis is cut in half.
    """
    value, gate = torch.chunk(X + bias, 2, dim=-1)
    return value * F.gelu(gate)


@operator("BiasAdd", domain=MICROSOFT)
def bias_add(X: Tensor, bias: Tensor, skip: Tensor) -> Tensor:
    """Return the sum of the input, a bias and a residual (com.microsoft BiasAdd)."""
    return X + bias + skip


# `is_inner_broadcast` is ignored, because the shapes tell along which axes the bias is repeated.
@operator("BiasSoftmax", domain=MICROSOFT, ignored=("is_inner_broadcast",))
def bias_softmax(data: Tensor, bias: Tensor, *, axis: int = 1) -> Tensor:
    """Return the Softmax of scores plus a mask that broadcasts to them (com.microsoft BiasSoftmax).

    The Softmax is over all axes from `axis` on.
    """
    return over_trailing_axes(torch.softmax, data + bias, axis)


# `round_activation` rounds an intermediate result to float16. It concerns models in float16, which are computed in float32 here.
@operator("SwiGLU", domain=MICROSOFT, ignored=("round_activation",))
def swiglu(
    gate: Tensor,
    up: Tensor | None = None,
    *,
    activation_alpha: float = 1.0,
    activation_beta: float = 0.0,
    limit: float = 0.0,
) -> Tensor:
    """Return the Swish of a gate times a linear part (com.microsoft SwiGLU).

    If `up` is left out, `gate` holds both halves. If `limit` is positive, both halves are limited.
    """
    if up is None:
        gate, up = torch.chunk(gate, 2, dim=-1)
    if limit > 0:
        gate, up = kinks.clamped(gate, high=limit), kinks.clamped(up, -limit, limit)
    return swish(gate, alpha=activation_alpha) * (up + activation_beta)


@operator("ScaledSiLU", domain=MICROSOFT)
def scaled_silu(X: Tensor, scale: Tensor | None = None, *, alpha: float = 1.0) -> Tensor:
    """Return ``z * sigmoid(z)``, where z is the input times a scale (com.microsoft ScaledSiLU)."""
    return F.silu(X * (alpha if scale is None else scale))
