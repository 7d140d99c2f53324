"""QuantizeLinear and DequantizeLinear per tensor, per axis and in blocks, and DynamicQuantizeLinear.

Quantized integers are carried as float tensors of whole numbers. The forward pass is exact. The backward pass acts as if nothing had been
rounded inside the range of the type. Outside the range the gradient is zero.
"""

from __future__ import annotations

import torch
from onnx import TensorProto
from torch import Tensor

from onnxviz import kinks
from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, Node, operator
from onnxviz.model.operators.numbers.element_types import type_name
from onnxviz.model.operators.numbers.integer_types import RANGES, bounds, element_type_of
from onnxviz.model.operators.numbers.narrow_floats import MINIFLOATS, NARROW_FLOATS, narrowed
from onnxviz.model.operators.numbers.straight_through import rounded, straight_through

T = TensorProto


def quantized(quotient: Tensor, zero_point: Tensor | None, element_type: int, saturate: bool = True) -> Tensor:
    """Return quantized values from values that are already divided by their scale.

    Parameters
    ----------
    quotient : Tensor
        Values divided by their scale, in a floating-point type.
    zero_point : Tensor or None
        Broadcasts to the quotient. None stands for zero.
    element_type : int
        The ONNX type of the result.
    saturate : bool
        For floats of 8 bits. See `onnxviz.model.operators.numbers.narrow_floats.narrowed`.

    Returns
    -------
    Tensor
        Whole numbers or narrow floats, carried in the type of the quotient. Inside the range of the type the gradient passes straight
        through.

    Raises
    ------
    EvaluationError
        If the type is neither an integer nor a narrow float.
    """
    if element_type in MINIFLOATS:
        # The zero point of an 8-bit float is always zero. The zero point of a narrower float may be any number of the type.
        shifted = quotient if zero_point is None else quotient + zero_point.to(quotient.dtype)
        return narrowed(shifted, element_type, saturate)
    low, high = bounds(element_type)
    # Values are clamped before rounding, so that no gradient passes outside the bounds. The numbers are the same as with a later clamp.
    if zero_point is None:
        return rounded(kinks.clamped(quotient, low, high))
    if zero_point.numel() == 1 and zero_point.device.type == "cpu":
        # Bounds that are numbers are many times faster than bounds that are tensors. A tensor of the CPU becomes a number at no cost.
        number = int(zero_point.item())
        return rounded(kinks.clamped(quotient, low - number, high - number)) + number
    offset = zero_point.to(quotient.dtype)
    return rounded(kinks.clamped(quotient, low - offset, high - offset)) + offset


def dequantized(values: Tensor, scale: Tensor, zero_point: Tensor | None) -> Tensor:
    """Return the real numbers of quantized values, in the type of the scale.

    Parameters
    ----------
    values : Tensor
        Integers, or whole floats.
    scale, zero_point : Tensor
        Both broadcast to the values. A zero point of None stands for zero.
    """
    wide = values.to(scale.dtype)
    return (wide if zero_point is None else wide - zero_point.to(scale.dtype)) * scale


def spread(parameter: Tensor, like: Tensor, axis: int, block: int, what: str) -> Tensor:
    """Return a scale or zero point in a shape that broadcasts to its values.

    Parameters
    ----------
    parameter : Tensor
        A single number, a number for each position of an axis, or a tensor of the values' rank with a number for each block along the axis.
    like : Tensor
        The values.
    axis : int
        The quantization axis. A negative axis counts from the last axis.
    block : int
        The number of values along the axis that share a number. 0 if there are no blocks.
    what : str
        The name of the operator, for the message.

    Raises
    ------
    EvaluationError
        If the shapes do not fit together.
    """
    if parameter.numel() == 1 and parameter.dim() <= 1:
        return parameter.reshape(())
    rank = like.dim()
    if parameter.dim() == 1 and not block:
        position = 0 if rank == 1 else axis
        if -rank <= position < rank and like.shape[position] == parameter.shape[0]:
            return parameter.reshape([-1 if i == position % rank else 1 for i in range(rank)])
    elif parameter.dim() == rank and block and -rank <= axis < rank:
        repeated = parameter.repeat_interleave(block, axis).narrow(axis, 0, like.shape[axis])
        if repeated.shape == like.shape:
            return repeated
    kind = f"in blocks of {block} along" if block else "along"
    raise EvaluationError(
        f"{what} has scales of shape {list(parameter.shape)} {kind} axis {axis} for values of shape {list(like.shape)}; give a single "
        "number, a number for each position of the axis, or a number for each block"
    )


def quotient_of(values: Tensor, scale: Tensor, precision: int) -> Tensor:
    """Return values divided by their scale. `precision` is an element type, or 0 for the type of the inputs."""
    if precision == T.DOUBLE:
        return torch.div(values.double(), scale.double())
    wide = values if values.is_floating_point() else values.to(torch.float32)
    quotient = torch.div(wide, scale)
    return narrowed(quotient, precision) if precision in NARROW_FLOATS else quotient


@operator("QuantizeLinear", since=10, gradient=Gradient.STRAIGHT_THROUGH)
def quantize_linear(
    x: Tensor,
    y_scale: Tensor,
    y_zero_point: Tensor | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
    node: Node,
) -> Tensor:
    """Return values divided by a scale, rounded, shifted by a zero point, and saturated (ONNX QuantizeLinear 10 to 28)."""
    element_type = quantized_type(y_zero_point, node, 2, output_dtype)
    scale = spread(y_scale, x, axis, block_size, "QuantizeLinear")
    zero_point = None if y_zero_point is None else spread(y_zero_point, x, axis, block_size, "QuantizeLinear")
    return quantized(quotient_of(x, scale, precision), zero_point, element_type, bool(saturate))


def quantized_type(zero_point: Tensor | None, node: Node, position: int, given: int = 0) -> int:
    """Return the element type that a node quantizes to: `given`, else the type of its zero point, else uint8.

    Parameters
    ----------
    zero_point : Tensor or None
        The zero point, an input of the node.
    node : Node
        The node.
    position : int
        The position of the zero point among the inputs.
    given : int
        The element type of an attribute. 0 if there is none.

    Raises
    ------
    EvaluationError
        If the type of the zero point is neither an integer type nor a narrow float.
    """
    if given:
        return given
    if zero_point is None:
        return int(T.UINT8)
    element_type = element_type_of(node.input_type(position), zero_point)
    if element_type in RANGES or element_type in MINIFLOATS:
        return element_type
    raise EvaluationError(
        f"{node.operator} quantizes to {type_name(element_type)}, the type of its zero point {node.inputs[position]}; "
        "it must be an integer type or a narrow float"
    )


# `output_dtype` may ask for float16 or bfloat16, which are carried as float32.
@operator("DequantizeLinear", since=10, ignored=("output_dtype",))
def dequantize_linear(
    x: Tensor,
    x_scale: Tensor,
    x_zero_point: Tensor | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
) -> Tensor:
    """Return values minus a zero point, multiplied by a scale (ONNX DequantizeLinear 10 to 28)."""
    scale = spread(x_scale, x, axis, block_size, "DequantizeLinear")
    zero_point = None if x_zero_point is None else spread(x_zero_point, x, axis, block_size, "DequantizeLinear")
    return dequantized(x, scale, zero_point)


@operator("QuantizeLinear", domain="com.microsoft", gradient=Gradient.STRAIGHT_THROUGH)
def quantize_linear_microsoft(
    x: Tensor, y_scale: Tensor, y_zero_point: Tensor | None = None, *, axis: int = 1, node: Node
) -> Tensor:
    """Return quantized values, per tensor or per axis (com.microsoft QuantizeLinear).

    ONNX Runtime had 16- and 4-bit types in this operator before ONNX had them.
    """
    return quantize_linear(x, y_scale, y_zero_point, axis=axis, node=node)


@operator("DequantizeLinear", domain="com.microsoft")
def dequantize_linear_microsoft(
    x: Tensor, x_scale: Tensor, x_zero_point: Tensor | None = None, *, axis: int = 1
) -> Tensor:
    """Return dequantized values, per tensor or per axis (com.microsoft DequantizeLinear).

    ONNX Runtime had 16- and 4-bit types in this operator before ONNX had them.
    """
    return dequantize_linear(x, x_scale, x_zero_point, axis=axis)


def dynamic_parameters(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scale and the uint8 zero point that map the range of a tensor to eight bits. The range is widened to include zero.

    Parameters
    ----------
    values : Tensor
        Any shape, in a floating-point type.

    Returns
    -------
    scale, zero_point : Tensor
        Scalars without a gradient. As in ONNX Runtime, the scale of a tensor of zeros is 1.
    """
    with torch.no_grad():
        if values.numel() == 0:
            return values.new_ones(()), values.new_zeros(())
        low, high = torch.aminmax(values)
        low, high = low.clamp(max=0.0), high.clamp(min=0.0)
        scale = torch.where(low == high, 1.0, (high - low) / 255)
        return scale, torch.round(torch.clamp(-low / scale, 0, 255))


def dynamically_quantized(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a tensor quantized to whole numbers from 0 to 255, with its scale and its zero point.

    Scale and zero point are those of `dynamic_parameters`. The gradient passes everywhere, because the range is that of the tensor: only
    rounding can move its ends outside.
    """
    scale, zero_point = dynamic_parameters(values)
    quotient = values / scale
    levels = torch.clamp(torch.round(quotient.detach()) + zero_point, 0, 255)
    return straight_through(quotient, levels), scale, zero_point


@operator("DynamicQuantizeLinear", since=11, gradient=Gradient.STRAIGHT_THROUGH)
def dynamic_quantize_linear(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a tensor quantized to uint8 by its own range, with its scale and its zero point (ONNX DynamicQuantizeLinear 11)."""
    return dynamically_quantized(x)
