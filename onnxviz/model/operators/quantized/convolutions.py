"""Convolutions of quantized integers: ConvInteger and QLinearConv of ONNX, and QLinearConv of com.microsoft.

The sums are exact, as in integer arithmetic. The gradient is that of the same convolution of real numbers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from onnxviz.model.operators.convolution import conv
from onnxviz.model.operators.declaration import Gradient, Node, operator
from onnxviz.model.operators.numbers.exact_sums import centered, exact_type
from onnxviz.model.operators.numbers.integer_types import element_type_of
from onnxviz.model.operators.quantized.quantization import quantized, quantized_type


def _per_filter(parameter: Tensor, rank: int) -> Tensor:
    """Return a scale or zero point in a shape that broadcasts to (filter, *rank axes).

    It is a single number, or a number for each filter.
    """
    return parameter.reshape(()) if parameter.numel() == 1 else parameter.reshape(-1, *[1] * rank)


def _sums(
    x: Tensor,
    w: Tensor,
    x_zero_point: Tensor | None,
    w_zero_point: Tensor | None,
    types: tuple[int, int],
    strides: tuple[int, ...],
    pads: tuple[int, ...],
    dilations: tuple[int, ...],
    group: int,
    auto_pad: str,
) -> Tensor:
    """Return the exact convolution of integers minus their zero points. The padding stands for zeros."""
    dtype = exact_type(math.prod(w.shape[1:]), element_type_of(types[0], x), element_type_of(types[1], w))
    if x.device.type != "cpu":
        # In float32 cuDNN may choose a Winograd algorithm. Its intermediate values are not whole numbers.
        dtype = torch.float64
    x = centered(x, None if x_zero_point is None else x_zero_point.reshape(()), dtype)
    w = centered(w, None if w_zero_point is None else _per_filter(w_zero_point, w.dim() - 1), dtype)
    return conv(x, w, strides=strides, pads=pads, dilations=dilations, group=group, auto_pad=auto_pad)


# `kernel_shape` repeats the shape of the weight.
@operator("ConvInteger", since=10, gradient=Gradient.STRAIGHT_THROUGH, ignored=("kernel_shape",))
def conv_integer(
    x: Tensor,
    w: Tensor,
    x_zero_point: Tensor | None = None,
    w_zero_point: Tensor | None = None,
    *,
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    group: int = 1,
    auto_pad: str = "NOTSET",
    node: Node,
) -> Tensor:
    """Return the convolution of integers (ONNX ConvInteger 10).

    The result is int32, carried as floats.
    """
    types = (node.input_type(0), node.input_type(1))
    return _sums(x, w, x_zero_point, w_zero_point, types, strides, pads, dilations, group, auto_pad)


# `kernel_shape` repeats the shape of the weight.
@operator("QLinearConv", since=10, gradient=Gradient.STRAIGHT_THROUGH, ignored=("kernel_shape",))
def qlinear_conv(
    x: Tensor,
    x_scale: Tensor,
    x_zero_point: Tensor,
    w: Tensor,
    w_scale: Tensor,
    w_zero_point: Tensor,
    y_scale: Tensor,
    y_zero_point: Tensor,
    B: Tensor | None = None,
    *,
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    group: int = 1,
    auto_pad: str = "NOTSET",
    node: Node,
) -> Tensor:
    """Return the quantized convolution of quantized integers, with an int32 bias (ONNX QLinearConv 10).

    Parameters
    ----------
    x : (batch, channel, *spatial)
    w : (filter, channel / group, *kernel)
    w_scale, w_zero_point : Tensor
        A single number, or a number for each filter.
    B : (filter,), optional
        The bias in units of ``x_scale * w_scale``.
    strides, pads, dilations, group, auto_pad
        As in `onnxviz.model.operators.convolution.conv`.
    """
    types = (node.input_type(0), node.input_type(3))
    sums = _sums(x, w, x_zero_point, w_zero_point, types, strides, pads, dilations, group, auto_pad)
    rank = w.dim() - 2
    if B is not None:
        sums = sums.double() + _per_filter(B, rank)
    multiplier = _per_filter(x_scale.reshape(()) * w_scale / y_scale.reshape(()), rank)
    return quantized(sums.float() * multiplier, y_zero_point.reshape(()), quantized_type(y_zero_point, node, 7))


# `kernel_shape` repeats the shape of the weight.
@operator("QLinearConv", domain="com.microsoft", gradient=Gradient.STRAIGHT_THROUGH, ignored=("kernel_shape",))
def qlinear_conv_microsoft(
    x: Tensor,
    x_scale: Tensor,
    x_zero_point: Tensor,
    w: Tensor,
    w_scale: Tensor,
    w_zero_point: Tensor,
    y_scale: Tensor,
    y_zero_point: Tensor,
    B: Tensor | None = None,
    *,
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    group: int = 1,
    auto_pad: str = "NOTSET",
    channels_last: int = 0,
    node: Node,
) -> Tensor:
    """Return the quantized convolution of quantized integers, as `qlinear_conv` does (com.microsoft QLinearConv).

    With `channels_last` input and output are (batch, *spatial, channel).
    """
    y = qlinear_conv(
        x.movedim(-1, 1) if channels_last else x,
        x_scale,
        x_zero_point,
        w,
        w_scale,
        w_zero_point,
        y_scale,
        y_zero_point,
        B,
        strides=strides,
        pads=pads,
        dilations=dilations,
        group=group,
        auto_pad=auto_pad,
        node=node,
    )
    return y.movedim(1, -1) if channels_last else y
