"""Layers of com.microsoft on quantized values (QLinear…). They dequantize their inputs, compute, and quantize the result.

The gradient passes straight through the rounding.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, Node, operator
from onnxviz.model.operators.numbers.exact_sums import centered
from onnxviz.model.operators.pooling import average_pool, max_pool
from onnxviz.model.operators.quantized.quantization import quantized, quantized_type
from onnxviz.model.operators.shapes.windows import allowed_margins, windows
from onnxviz.model.operators.softmax import over_trailing_axes

MICROSOFT = "com.microsoft"

# float32 holds the sum of this number of eight-bit values minus a zero point exactly.
_EXACT_COUNT = 1 << 16


def _scalar(parameter: Tensor) -> Tensor:
    """Return a scale or zero point without axes. Some exporters write it as a vector of length 1."""
    return parameter.reshape(())


def _centered(values: Tensor, scale: Tensor, zero_point: Tensor | None) -> Tensor:
    """Return quantized values minus their zero point, in the type of their scale."""
    return centered(values, None if zero_point is None else _scalar(zero_point), scale.dtype)


def _real(values: Tensor, scale: Tensor, zero_point: Tensor | None) -> Tensor:
    return _centered(values, scale, zero_point) * _scalar(scale)


def _type_of_result(zero_point: Tensor | None, node: Node, position: int, values: int) -> int:
    """Return the element type of the zero point, which is the input at `position`.

    Without a zero point it is the element type of the input at `values`.
    """
    return quantized_type(zero_point, node, position, node.input_type(values) if zero_point is None else 0)


def _requantized(real: Tensor, scale: Tensor, zero_point: Tensor | None, element_type: int) -> Tensor:
    return quantized(real / _scalar(scale), None if zero_point is None else _scalar(zero_point), element_type)


def _rounded_once(quotient: Tensor, zero_point: Tensor | None, node: Node, position: int) -> Tensor:
    """Return quantized values whose zero point is added before rounding.

    ONNX Runtime does so in sums and products. The order decides how halves are rounded.
    """
    shifted = quotient if zero_point is None else quotient + _scalar(zero_point).to(quotient.dtype)
    return quantized(shifted, None, _type_of_result(zero_point, node, position, 0))


@operator("QLinearAdd", domain=MICROSOFT, gradient=Gradient.STRAIGHT_THROUGH)
def qlinear_add(
    A: Tensor,
    A_scale: Tensor,
    A_zero_point: Tensor | None,
    B: Tensor,
    B_scale: Tensor,
    B_zero_point: Tensor | None,
    C_scale: Tensor,
    C_zero_point: Tensor | None = None,
    *,
    node: Node,
) -> Tensor:
    """Return the sum of quantized tensors (com.microsoft QLinearAdd)."""
    left, right = _centered(A, A_scale, A_zero_point), _centered(B, B_scale, B_zero_point)
    quotient = left * _scalar(A_scale / C_scale) + right * _scalar(B_scale / C_scale)
    return _rounded_once(quotient, C_zero_point, node, 7)


@operator("QLinearMul", domain=MICROSOFT, gradient=Gradient.STRAIGHT_THROUGH)
def qlinear_mul(
    A: Tensor,
    A_scale: Tensor,
    A_zero_point: Tensor | None,
    B: Tensor,
    B_scale: Tensor,
    B_zero_point: Tensor | None,
    C_scale: Tensor,
    C_zero_point: Tensor | None = None,
    *,
    node: Node,
) -> Tensor:
    """Return the elementwise product of quantized tensors (com.microsoft QLinearMul)."""
    product = _centered(A, A_scale, A_zero_point) * _centered(B, B_scale, B_zero_point)
    return _rounded_once(product * _scalar(A_scale * B_scale / C_scale), C_zero_point, node, 7)


@operator("QLinearSigmoid", domain=MICROSOFT, gradient=Gradient.STRAIGHT_THROUGH)
def qlinear_sigmoid(
    X: Tensor,
    X_scale: Tensor,
    X_zero_point: Tensor | None,
    Y_scale: Tensor,
    Y_zero_point: Tensor | None = None,
    *,
    node: Node,
) -> Tensor:
    """Return the logistic function of quantized values (com.microsoft QLinearSigmoid)."""
    real = torch.sigmoid(_real(X, X_scale, X_zero_point))
    return _requantized(real, Y_scale, Y_zero_point, _type_of_result(Y_zero_point, node, 4, 0))


@operator("QLinearLeakyRelu", domain=MICROSOFT, gradient=Gradient.STRAIGHT_THROUGH)
def qlinear_leaky_relu(
    X: Tensor,
    X_scale: Tensor,
    X_zero_point: Tensor | None,
    Y_scale: Tensor,
    Y_zero_point: Tensor | None = None,
    *,
    alpha: float = 0.01,
    node: Node,
) -> Tensor:
    """Return the LeakyRelu of quantized values (com.microsoft QLinearLeakyRelu)."""
    real = F.leaky_relu(_real(X, X_scale, X_zero_point), alpha)
    return _requantized(real, Y_scale, Y_zero_point, _type_of_result(Y_zero_point, node, 4, 0))


@operator("QLinearSoftmax", domain=MICROSOFT, gradient=Gradient.STRAIGHT_THROUGH)
def qlinear_softmax(
    X: Tensor,
    X_scale: Tensor,
    x_zero_point: Tensor | None,
    y_scale: Tensor,
    y_zero_point: Tensor,
    *,
    axis: int = -1,
    opset: int,
    node: Node,
) -> Tensor:
    """Return the Softmax of quantized values (com.microsoft QLinearSoftmax).

    The Softmax is along `axis`. If `opset` is below 13, it is over all axes from `axis` on.
    """
    real = _real(X, X_scale, x_zero_point)
    parts = torch.softmax(real, axis) if opset >= 13 else over_trailing_axes(torch.softmax, real, axis)
    return _requantized(parts, y_scale, y_zero_point, _type_of_result(y_zero_point, node, 4, 0))


@operator("QLinearWhere", domain=MICROSOFT, gradient=Gradient.STRAIGHT_THROUGH)
def qlinear_where(
    condition: Tensor,
    X: Tensor,
    x_scale: Tensor,
    x_zero_point: Tensor,
    Y: Tensor,
    y_scale: Tensor,
    y_zero_point: Tensor,
    z_scale: Tensor,
    z_zero_point: Tensor,
    *,
    node: Node,
) -> Tensor:
    """Return quantized values of X where the condition is true, and of Y elsewhere (com.microsoft QLinearWhere)."""
    real = torch.where(condition, _real(X, x_scale, x_zero_point), _real(Y, y_scale, y_zero_point))
    return _requantized(real, z_scale, z_zero_point, _type_of_result(z_zero_point, node, 8, 1))


@operator("QLinearConcat", domain=MICROSOFT, gradient=Gradient.STRAIGHT_THROUGH)
def qlinear_concat(Y_scale: Tensor, Y_zero_point: Tensor, *inputs: Tensor, axis: int, node: Node) -> Tensor:
    """Return quantized tensors joined along an axis (com.microsoft QLinearConcat).

    Each tensor in `inputs` is followed by its scale and its zero point.

    Raises
    ------
    EvaluationError
        If the number of inputs is not a multiple of three.
    """
    if not inputs or len(inputs) % 3:
        raise EvaluationError(
            f"QLinearConcat has {len(inputs)} inputs behind its own scale and zero point; give each tensor with its scale and zero point"
        )
    real = torch.cat([_real(*inputs[i : i + 3]) for i in range(0, len(inputs), 3)], axis)
    return _requantized(real, Y_scale, Y_zero_point, _type_of_result(Y_zero_point, node, 1, 2))


@operator("QLinearAveragePool", domain=MICROSOFT, gradient=Gradient.STRAIGHT_THROUGH)
def qlinear_average_pool(
    X: Tensor,
    x_scale: Tensor,
    x_zero_point: Tensor | None,
    y_scale: Tensor,
    y_zero_point: Tensor | None = None,
    *,
    kernel_shape: tuple[int, ...],
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    channels_last: int = 0,
    node: Node,
) -> Tensor:
    """Return the means of quantized values over windows (com.microsoft QLinearAveragePool).

    With `channels_last` the tensors are (batch, *spatial, channel).
    """
    real = _real(X.movedim(-1, 1) if channels_last else X, x_scale, x_zero_point)
    if count_include_pad:
        # In this operator ONNX Runtime always divides by the size of the kernel. AveragePool does not count positions beyond the padding.
        sizes = tuple(real.shape[2:])
        placed = windows(sizes, kernel_shape, strides, (), pads, auto_pad, ceil_mode)
        allowed_margins(real, placed.begins, placed.ends, "QLinearAveragePool")
        means = average_pool(F.pad(real, placed.margins(sizes)), kernel_shape=kernel_shape, strides=strides)
    else:
        means = average_pool(
            real, kernel_shape=kernel_shape, strides=strides, pads=pads, auto_pad=auto_pad, ceil_mode=ceil_mode
        )
    result = _requantized(means, y_scale, y_zero_point, _type_of_result(y_zero_point, node, 4, 0))
    return result.movedim(1, -1) if channels_last else result


@operator("QLinearGlobalAveragePool", domain=MICROSOFT, gradient=Gradient.STRAIGHT_THROUGH)
def qlinear_global_average_pool(
    X: Tensor,
    x_scale: Tensor,
    x_zero_point: Tensor,
    y_scale: Tensor,
    y_zero_point: Tensor,
    *,
    channels_last: int = 0,
    node: Node,
) -> Tensor:
    """Return the means of quantized values over all spatial axes (com.microsoft QLinearGlobalAveragePool).

    With `channels_last` the tensors are (batch, *spatial, channel).
    """
    axes = tuple(range(1, X.dim() - 1)) if channels_last else tuple(range(2, X.dim()))
    count = math.prod(X.shape[axis] for axis in axes)
    # The exact sum of integers is divided in a single step, together with the scales.
    dtype = torch.float32 if count <= _EXACT_COUNT else torch.float64
    sums = torch.sum(centered(X, _scalar(x_zero_point), dtype), axes, keepdim=True).to(x_scale.dtype)
    quotient = sums * _scalar(x_scale / (y_scale * count))
    return quantized(quotient, _scalar(y_zero_point), quantized_type(y_zero_point, node, 4))


@operator("NhwcMaxPool", domain=MICROSOFT)
def nhwc_max_pool(
    x: Tensor,
    *,
    kernel_shape: tuple[int, ...],
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
) -> Tensor:
    """Return the maxima of quantized values over windows (com.microsoft NhwcMaxPool).

    Input and output are (batch, *spatial, channel).
    """
    pooled = max_pool(
        x.movedim(-1, 1),
        kernel_shape=kernel_shape,
        strides=strides,
        pads=pads,
        dilations=dilations,
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
    )
    return (pooled[0] if isinstance(pooled, tuple) else pooled).movedim(1, -1)
