"""Normalization over a batch, an instance, groups of channels, neighboring channels, or by a norm."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Node, operator
from onnxviz.model.operators.shapes.allocation import allowed


@operator("BatchNormalization", until=6, ignored=("consumed_inputs",))  # names inputs that may be overwritten
def batch_normalization_1(
    X: Tensor,
    scale: Tensor,
    B: Tensor,
    mean: Tensor,
    var: Tensor,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    is_test: int = 0,
    spatial: int = 1,
    node: Node | None = None,
) -> Tensor | tuple[Tensor, ...]:
    """Return the input with each channel normalized (ONNX BatchNormalization 1 and 6).

    A node with a single output uses the given statistics even if it has no `is_test`, because exporters of that time left it out.

    Parameters
    ----------
    is_test : int
        Whether the statistics are the inputs `mean` and `var` rather than those of the batch.
    X, scale, B, mean, var, epsilon, momentum, spatial, node
        As in `batch_normalization_7`.
    """
    if is_test:
        return _normalized(X, scale, B, mean, var, epsilon)
    return batch_normalization_7(X, scale, B, mean, var, epsilon=epsilon, momentum=momentum, spatial=spatial, node=node)


@operator("BatchNormalization", since=7, until=13)
def batch_normalization_7(
    X: Tensor,
    scale: Tensor,
    B: Tensor,
    mean: Tensor,
    var: Tensor,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    spatial: int = 1,
    node: Node | None = None,
) -> Tensor | tuple[Tensor, ...]:
    """Return the input with each channel normalized (ONNX BatchNormalization 7 and 9).

    A node with several outputs is in training mode.

    Parameters
    ----------
    X : (batch, channel, *spatial)
    scale, B, mean, var : (channel,), or (channel, *spatial) if not `spatial`
        The affine map and the statistics.
    epsilon : float
        Added to the variance.
    momentum : float
        The share of the running statistics that is kept.
    spatial : int
        Whether all positions of a channel share a mean and a variance.
    node : Node, optional
        Tells which outputs the node names.

    Returns
    -------
    Y : like X
    mean, var, saved_mean, saved_var : like mean
        The running statistics, then those of this batch. Only if the node names them.
    """
    if node is None or not any(node.outputs[1:]):
        return _normalized(X, scale, B, mean, var, epsilon)
    axes = [axis for axis in range(X.ndim) if axis != 1] if spatial else [0]
    variance, average = torch.var_mean(X, axes, correction=0)
    variance, average = variance.reshape(mean.shape), average.reshape(mean.shape)
    normal = _normalized(X, scale, B, average, variance, epsilon)
    running = mean * momentum + average * (1 - momentum), var * momentum + variance * (1 - momentum)
    return normal, *running, average, variance


@operator("BatchNormalization", since=14)
def batch_normalization(
    X: Tensor,
    scale: Tensor,
    B: Tensor,
    input_mean: Tensor,
    input_var: Tensor,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
) -> Tensor | tuple[Tensor, Tensor, Tensor]:
    """Return the input with each channel normalized (ONNX BatchNormalization 14 and 15).

    Parameters
    ----------
    X : (batch, channel, *spatial), or (batch,) for a single channel
    scale, B, input_mean, input_var : (channel,)
        The affine map and the statistics.
    epsilon : float
        Added to the variance.
    momentum : float
        The share of the running statistics that is kept.
    training_mode : int
        Whether the statistics are those of this batch.

    Returns
    -------
    Y : like X
    running_mean, running_var : (channel,)
        Only in training mode.
    """
    if not training_mode:
        return _normalized(X, scale, B, input_mean, input_var, epsilon)
    variance, mean = torch.var_mean(X, [axis for axis in range(X.ndim) if axis != 1], correction=0)
    variance, mean = variance.reshape(input_var.shape), mean.reshape(input_mean.shape)
    normal = _normalized(X, scale, B, mean, variance, epsilon)
    return normal, input_mean * momentum + mean * (1 - momentum), input_var * momentum + variance * (1 - momentum)


def _normalized(X: Tensor, scale: Tensor, B: Tensor, mean: Tensor, var: Tensor, epsilon: float) -> Tensor:
    """Return the input normalized with given statistics, which may have another float type."""
    if X.dtype != scale.dtype or X.dtype != mean.dtype:
        scale, B, mean, var = (value.to(X.dtype) for value in (scale, B, mean, var))  # noqa: N806  # ONNX's names
    if X.ndim < 2:
        return _normalized(X[:, None], scale, B, mean, var, epsilon)[:, 0]
    if scale.ndim == 1 and scale.shape[0] == X.shape[1] and not (mean.requires_grad or var.requires_grad):
        return F.batch_norm(X, mean, var, scale, B, False, 0.0, epsilon)
    # torch's own function passes no gradient to the statistics, and takes no statistics for each position.
    shape = (-1, *[1] * (X.ndim - 2)) if scale.numel() == X.shape[1] else X.shape[1:]
    factor = (scale * torch.rsqrt(var + epsilon)).reshape(shape)
    return (X - mean.reshape(shape)) * factor + B.reshape(shape)


@operator("InstanceNormalization", ignored=("consumed_inputs",))  # names inputs that may be overwritten
def instance_normalization(input: Tensor, scale: Tensor, B: Tensor, *, epsilon: float = 1e-5) -> Tensor:
    """Return the input with each channel of each sample normalized (ONNX InstanceNormalization 1, 6 and 22).

    Parameters
    ----------
    input : (batch, channel, *spatial)
    scale, B : (channel,)
        The affine map.
    epsilon : float
        Added to the variance.
    """
    # Each group is a single channel. torch's own instance_norm refuses planes of a single pixel.
    return torch.group_norm(input, scale.shape[0], scale, B, epsilon)


@operator("GroupNormalization", since=18, until=20)
def group_normalization_18(X: Tensor, scale: Tensor, bias: Tensor, *, num_groups: int, epsilon: float = 1e-5) -> Tensor:
    """Return the input with groups of channels normalized, a scale and bias per group (ONNX GroupNormalization 18).

    Parameters
    ----------
    X : (batch, channel, *spatial)
    scale, bias : (num_groups,)
        The affine map.
    num_groups : int
        The number of groups. It divides the number of channels.
    epsilon : float
        Added to the variance.
    """
    repeats = X.shape[1] // num_groups
    scale, bias = scale.repeat_interleave(repeats), bias.repeat_interleave(repeats)
    return torch.group_norm(X, num_groups, scale, bias, epsilon)


# `stash_type` names the precision of the statistics. Here they are never less precise than float32.
@operator("GroupNormalization", since=21, ignored=("stash_type",))
def group_normalization(X: Tensor, scale: Tensor, bias: Tensor, *, num_groups: int, epsilon: float = 1e-5) -> Tensor:
    """Return the input with groups of channels normalized, a scale and bias per channel (ONNX GroupNormalization 21).

    Parameters
    ----------
    X : (batch, channel, *spatial)
    scale, bias : (channel,)
        The affine map.
    num_groups : int
        The number of groups. It divides the number of channels.
    epsilon : float
        Added to the variance.
    """
    return torch.group_norm(X, num_groups, scale, bias, epsilon)


@operator("GroupNorm", domain="com.microsoft")
def group_norm(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    *,
    groups: int,
    activation: int = 0,
    channels_last: int = 1,
    epsilon: float = 1e-5,
) -> Tensor:
    """Return the input with groups of channels normalized and activated (com.microsoft GroupNorm).

    Parameters
    ----------
    X : (batch, height, width, channel), or (batch, channel, height, width) if not `channels_last`
    gamma, beta : (channel,)
        The affine map.
    groups : int
        The number of groups. It divides the number of channels.
    activation : {0, 1}
        0 for no activation, 1 for SiLU.
    channels_last : int
    epsilon : float
        Added to the variance.

    Raises
    ------
    EvaluationError
        If the activation is another number.
    """
    if activation not in (0, 1):
        raise EvaluationError(f"GroupNorm has activation {activation}; 0 (none) and 1 (SiLU) are known")
    normal = torch.group_norm(X.movedim(-1, 1) if channels_last else X, groups, gamma, beta, epsilon)
    if channels_last:
        normal = normal.movedim(1, -1)
    return F.silu(normal) if activation else normal


@operator("SkipGroupNorm", domain="com.microsoft")
def skip_group_norm(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    skip: Tensor,
    bias: Tensor | None = None,
    *,
    groups: int,
    activation: int = 0,
    channels_last: int = 1,
    epsilon: float = 1e-5,
) -> tuple[Tensor, Tensor]:
    """Return the sum of the inputs with groups of channels normalized and activated (com.microsoft SkipGroupNorm).

    Parameters
    ----------
    X, gamma, beta, groups, activation, channels_last, epsilon
        As in `group_norm`.
    skip : like X, or (batch, channel), or (batch, 1, 1, channel)
        Added to `X`.
    bias : (channel,), optional
        Added to `X`.

    Returns
    -------
    Y : like X
    S : like X
        The sum before normalization.

    Raises
    ------
    EvaluationError
        As in `group_norm`.
    """
    per_channel = (-1,) if channels_last else (-1, 1, 1)
    if skip.ndim == 2:
        skip = skip.reshape(skip.shape[0], 1, 1, -1) if channels_last else skip[:, :, None, None]
    total = X + skip if bias is None else X + skip + bias.reshape(per_channel)
    options = {"groups": groups, "activation": activation, "channels_last": channels_last}
    return group_norm(total, gamma, beta, epsilon=epsilon, **options), total


@operator("LRN")
def lrn(X: Tensor, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Tensor:
    """Return the input divided by the energy of the neighboring channels (ONNX LRN 1 and 13).

    The source is Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", 2012.

    Parameters
    ----------
    X : (batch, channel, *spatial)
    size : int
        The number of channels in the sum.
    alpha, beta, bias : float
        The divisor is ``(bias + alpha / size * sum of squares) ** beta``.

    Raises
    ------
    AllocationError
        If `size` asks for more elements than are allowed.
    """
    allowed((X.shape[0], X.shape[1] + size - 1, *X.shape[2:]), "LRN")
    squares = (X * X).reshape(X.shape[0], 1, X.shape[1], -1)
    # If `size` is even, the window has one channel more after its own channel than before. torch's local_response_norm has it before.
    squares = F.pad(squares, (0, 0, (size - 1) // 2, size // 2))
    energy = F.avg_pool2d(squares, (size, 1), 1).reshape(X.shape)
    return X * (bias + alpha * energy) ** -beta


@operator("LpNormalization")
def lp_normalization(input: Tensor, *, axis: int = -1, p: int = 2) -> Tensor:
    """Return the input divided by its p-norm along an axis (ONNX LpNormalization 1 and 22).

    Where the norm is zero the output is zero.

    Raises
    ------
    EvaluationError
        If p is neither 1 nor 2.
    """
    if p not in (1, 2):
        raise EvaluationError(f"LpNormalization has p={p}; 1 and 2 are known")
    norm = torch.linalg.vector_norm(input, p, axis, keepdim=True)
    return input / torch.where(norm == 0, 1, norm)


@operator("MeanVarianceNormalization", since=9)
def mean_variance_normalization(X: Tensor, *, axes: tuple[int, ...] = (0, 2, 3)) -> Tensor:
    """Return the input minus its mean over some axes, divided by its standard deviation (ONNX MeanVarianceNormalization 9 and 13)."""
    variance, mean = torch.var_mean(X, axes, correction=0, keepdim=True)
    # The slope of the root is infinite at zero, so the variance is kept above zero. The specification adds 1e-9 to the root.
    # Beside 1e-9 the smallest normal number does not count.
    deviation = variance.clamp(min=torch.finfo(X.dtype).tiny).sqrt()
    return (X - mean) / (deviation + 1e-9)
