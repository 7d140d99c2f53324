"""Normalization over the last axes: LayerNormalization, RMSNormalization, and their forms that first add a skip connection."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.model.operators.declaration import Node, operator

# `stash_type` names the precision of the statistics. Here they are never less precise than float32.
_STASH = ("stash_type",)


def _axes(X: Tensor, axis: int) -> tuple[int, ...]:
    return tuple(range(axis % X.ndim, X.ndim))


# ONNX has the operator since opset 17. ONNX Runtime has it in the domain of ONNX since opset 1.
@operator("LayerNormalization", ignored=_STASH)
@operator("LayerNormalization", domain="com.microsoft", ignored=_STASH)
def layer_normalization(
    X: Tensor,
    Scale: Tensor,
    B: Tensor | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    node: Node | None = None,
) -> Tensor | tuple[Tensor, Tensor, Tensor]:
    """Return each sample normalized over its last axes (ONNX LayerNormalization 17 and com.microsoft LayerNormalization).

    The source is Ba et al., "Layer normalization", 2016.

    Parameters
    ----------
    X : Tensor
        Of any rank.
    Scale, B : Tensor
        The affine map. Both broadcast to `X`.
    axis : int
        The first of the normalized axes.
    epsilon : float
        Added to the variance.
    node : Node, optional
        Tells whether the node names more than the first output.

    Returns
    -------
    Y : like X
    Mean, InvStdDev : like X, with length 1 along the normalized axes
        Only if the node names them.
    """
    shape = X.shape[axis:] if axis else X.shape
    if Scale.shape == shape and (B is None or B.shape == shape):
        normal = F.layer_norm(X, shape, Scale, B, epsilon)
    else:
        normal = F.layer_norm(X, shape, None, None, epsilon) * Scale
        normal = normal if B is None else normal + B
    if node is None or not any(node.outputs[1:]):
        return normal
    variance, mean = torch.var_mean(X, _axes(X, axis), correction=0, keepdim=True)
    return normal, mean, torch.rsqrt(variance + epsilon)


@operator("RMSNormalization", since=23, ignored=_STASH)
def rms_normalization(X: Tensor, scale: Tensor, *, axis: int = -1, epsilon: float = 1e-5) -> Tensor:
    """Return each sample divided by its root mean square over its last axes (ONNX RMSNormalization 23).

    The source is Zhang and Sennrich, "Root mean square layer normalization", 2019.

    Parameters
    ----------
    X : Tensor
        Of any rank.
    scale : Tensor
        Broadcasts to `X`.
    axis : int
        The first of the normalized axes.
    epsilon : float
        Added to the mean square.
    """
    shape = X.shape[axis:] if axis else X.shape
    if scale.shape == shape:
        return F.rms_norm(X, shape, scale, epsilon)
    return F.rms_norm(X, shape, None, epsilon) * scale


@operator("SimplifiedLayerNormalization", ignored=_STASH)
@operator("SimplifiedLayerNormalization", domain="com.microsoft", ignored=_STASH)
def simplified_layer_normalization(
    X: Tensor, scale: Tensor, *, axis: int = -1, epsilon: float = 1e-5, node: Node | None = None
) -> Tensor | tuple[Tensor, Tensor]:
    """Return each sample divided by its root mean square (com.microsoft SimplifiedLayerNormalization).

    ONNX Runtime writes the operator into the domain of ONNX, too.

    Parameters
    ----------
    X, scale, axis, epsilon
        As in `rms_normalization`.
    node : Node, optional
        Tells whether the node names the second output.

    Returns
    -------
    Y : like X
    inv_std_var : like X, with length 1 along the normalized axes
        Only if the node names it.
    """
    normal = rms_normalization(X, scale, axis=axis, epsilon=epsilon)
    if node is None or not any(node.outputs[1:]):
        return normal
    return normal, torch.rsqrt((X * X).mean(_axes(X, axis), keepdim=True) + epsilon)


@operator("SkipLayerNormalization", domain="com.microsoft")
def skip_layer_normalization(
    input: Tensor,
    skip: Tensor,
    gamma: Tensor,
    beta: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    epsilon: float = 1e-12,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the sum of the inputs, normalized over its last axis (com.microsoft SkipLayerNormalization).

    Parameters
    ----------
    input : (batch, position, channel)
    skip : (batch, position, channel) or (position, channel)
    gamma, beta : (channel,)
        The affine map.
    bias : (channel,), optional
        Added to the input.
    epsilon : float
        Added to the variance.

    Returns
    -------
    output : (batch, position, channel)
    mean, inv_std_var : (batch, position, 1)
    input_skip_bias_sum : (batch, position, channel)
    """
    total = input + skip if bias is None else input + skip + bias
    variance, mean = torch.var_mean(total, -1, correction=0, keepdim=True)
    output = F.layer_norm(total, total.shape[-1:], gamma, beta, epsilon)
    return output, mean, torch.rsqrt(variance + epsilon), total


@operator("SkipSimplifiedLayerNormalization", domain="com.microsoft")
def skip_simplified_layer_normalization(
    input: Tensor, skip: Tensor, gamma: Tensor, bias: Tensor | None = None, *, epsilon: float = 1e-12
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the sum of the inputs, divided by its root mean square (com.microsoft SkipSimplifiedLayerNormalization).

    The parameters and outputs are those of `skip_layer_normalization`. No mean is subtracted, so the output for the mean is zero.
    """
    total = input + skip if bias is None else input + skip + bias
    inverse = torch.rsqrt((total * total).mean(-1, keepdim=True) + epsilon)
    return F.rms_norm(total, total.shape[-1:], gamma, epsilon), torch.zeros_like(inverse), inverse, total
