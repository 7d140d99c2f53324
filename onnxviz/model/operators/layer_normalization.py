"""Normalization over the last axes: LayerNormalization, RMSNormalization, and those that add a skip first."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.model.operators.declaration import Node, operator

# stash_type names the precision of the statistics, which are never less precise than float32 here.
_STASH = ("stash_type",)


def _axes(X: Tensor, axis: int) -> tuple[int, ...]:
    return tuple(range(axis % X.ndim, X.ndim))


# ONNX Runtime has it in the ONNX domain since opset 1, ONNX itself since 17.
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
    """Normalize each sample over its last axes: ONNX LayerNormalization 17.

    The source is Ba et al., "Layer normalization", 2016.

    Parameters
    ----------
    X : Tensor
        Of any rank.
    Scale, B : Tensor
        The affine map; broadcast to `X`.
    axis : int
        The first of the axes that are normalized.
    epsilon : float
        Added to the variance.
    node : Node, optional
        Tells whether more than the first output is wanted.

    Returns
    -------
    Y : like X
    Mean, InvStdDev : like X, with length 1 along the axes that are normalized; if wanted
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
    """Divide each sample by its root mean square over its last axes: ONNX RMSNormalization 23.

    The source is Zhang and Sennrich, "Root mean square layer normalization", 2019.

    Parameters
    ----------
    X : Tensor
        Of any rank.
    scale : Tensor
        Broadcast to `X`.
    axis : int
        The first of the axes that are normalized.
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
    """Divide each sample by its root mean square: SimplifiedLayerNormalization of ONNX Runtime, found in either domain.

    Parameters
    ----------
    X, scale, axis, epsilon
        As in `rms_normalization`.
    node : Node, optional
        Tells whether the second output is wanted.

    Returns
    -------
    Y : like X
    inv_std_var : like X, with length 1 along the axes that are normalized; if wanted
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
    """Add, then normalize over the last axis: com.microsoft SkipLayerNormalization.

    Parameters
    ----------
    input : (batch, position, channel)
    skip : (batch, position, channel), or without the batch
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
    """Add, then divide by the root mean square over the last axis: com.microsoft SkipSimplifiedLayerNormalization.

    The parameters and outputs are those of `skip_layer_normalization`; the mean, which is not subtracted, is zero.
    """
    total = input + skip if bias is None else input + skip + bias
    inverse = torch.rsqrt((total * total).mean(-1, keepdim=True) + epsilon)
    return F.rms_norm(total, total.shape[-1:], gamma, epsilon), torch.zeros_like(inverse), inverse, total
