"""QuantizeLinear and DequantizeLinear per tensor, per axis and in blocks, and DynamicQuantizeLinear.

Quantized integers travel on as float tensors of whole numbers. Forward is exact; backward acts as if nothing had been rounded, inside the
range that the type can represent, and gives zero outside.
"""

from __future__ import annotations

import torch
from onnx import TensorProto
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators import kinks
from onnxviz.model.operators.declaration import Gradient, Node, operator
from onnxviz.model.operators.element_types import type_name
from onnxviz.model.operators.integer_types import RANGES, bounds, element_type_of
from onnxviz.model.operators.narrow_floats import MINIFLOATS, NARROW_FLOATS, narrowed
from onnxviz.model.operators.straight_through import rounded, straight_through

T = TensorProto


def quantized(quotient: Tensor, zero_point: Tensor | None, element_type: int, saturate: bool = True) -> Tensor:
    """Round values that are already divided by their scale to an integer or narrow floating-point type.

    Parameters
    ----------
    quotient : Tensor
        Floating-point.
    zero_point : Tensor or None
        Broadcasts to the quotient; None is zero.
    element_type : int
        What to round to.
    saturate : bool
        For 8-bit floats, see `onnxviz.model.operators.narrow_floats.narrowed`.

    Returns
    -------
    Tensor
        Whole numbers (or narrow floats), carried as the quotient's type; the gradient passes straight through inside the range.

    Raises
    ------
    EvaluationError
        If the type is neither an integer nor a narrow float.
    """
    if element_type in MINIFLOATS:
        # The zero point of an 8-bit float is always zero, that of a narrower one may be any number of the type.
        shifted = quotient if zero_point is None else quotient + zero_point.to(quotient.dtype)
        return narrowed(shifted, element_type, saturate)
    low, high = bounds(element_type)
    # Clamped before rounding, which gives the same numbers, as no gradient passes a clamp outside its bounds.
    if zero_point is None:
        return rounded(kinks.clamped(quotient, low, high))
    if zero_point.numel() == 1 and zero_point.device.type == "cpu":
        # Read on the host, which costs nothing on the CPU: numbers as bounds are many times faster than tensors.
        number = int(zero_point.item())
        return rounded(kinks.clamped(quotient, low - number, high - number)) + number
    offset = zero_point.to(quotient.dtype)
    return rounded(kinks.clamped(quotient, low - offset, high - offset)) + offset


def dequantized(values: Tensor, scale: Tensor, zero_point: Tensor | None) -> Tensor:
    """Return the numbers that quantized values stand for, in the type of the scale.

    Parameters
    ----------
    values : Tensor
        Integers, or whole floats.
    scale, zero_point : Tensor
        Broadcast to the values; a zero point of None is zero.
    """
    wide = values.to(scale.dtype)
    return (wide if zero_point is None else wide - zero_point.to(scale.dtype)) * scale


def spread(parameter: Tensor, like: Tensor, axis: int, block: int, what: str) -> Tensor:
    """Return a scale or zero point in a shape that broadcasts to the values that it belongs to.

    Parameters
    ----------
    parameter : Tensor
        One number, one for each position of an axis, or of the values' rank with one for each block along the axis.
    like : Tensor
        The values.
    axis : int
        The quantization axis; counted from the back if negative.
    block : int
        How many values of the axis share one number; 0 if there are no blocks.
    what : str
        The operator, for messages.

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
        f"{what} has scales of shape {list(parameter.shape)} {kind} axis {axis} for values of shape {list(like.shape)}; they must be one "
        "number, one for each position of the axis, or one for each block"
    )


def quotient_of(values: Tensor, scale: Tensor, precision: int) -> Tensor:
    """Divide values by their scale, in the precision that is asked for (an element type; 0 for that of the inputs)."""
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
    """Divide by a scale, round, add a zero point, and saturate."""
    element_type = quantized_type(y_zero_point, node, 2, output_dtype)
    scale = spread(y_scale, x, axis, block_size, "QuantizeLinear")
    zero_point = None if y_zero_point is None else spread(y_zero_point, x, axis, block_size, "QuantizeLinear")
    return quantized(quotient_of(x, scale, precision), zero_point, element_type, bool(saturate))


def quantized_type(zero_point: Tensor | None, node: Node, position: int, given: int = 0) -> int:
    """Return the element type that a node quantizes to: that of its zero point, else the given one, else uint8.

    Parameters
    ----------
    zero_point : Tensor or None
        An input of the node.
    node : Node
        What is known of it.
    position : int
        Which input the zero point is.
    given : int
        What an attribute says; 0 for nothing.

    Raises
    ------
    EvaluationError
        If the zero point is carried as a float and its type is unknown.
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


# A result in float16 or bfloat16 is carried as float32 (`output_dtype`).
@operator("DequantizeLinear", since=10, ignored=("output_dtype",))
def dequantize_linear(
    x: Tensor,
    x_scale: Tensor,
    x_zero_point: Tensor | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
) -> Tensor:
    """Subtract a zero point and multiply by a scale."""
    scale = spread(x_scale, x, axis, block_size, "DequantizeLinear")
    zero_point = None if x_zero_point is None else spread(x_zero_point, x, axis, block_size, "DequantizeLinear")
    return dequantized(x, scale, zero_point)


@operator("QuantizeLinear", domain="com.microsoft", gradient=Gradient.STRAIGHT_THROUGH)
def quantize_linear_microsoft(
    x: Tensor, y_scale: Tensor, y_zero_point: Tensor | None = None, *, axis: int = 1, node: Node
) -> Tensor:
    """Quantize per tensor or per axis: ONNX Runtime's own operator, older than ONNX's 16- and 4-bit types."""
    return quantize_linear(x, y_scale, y_zero_point, axis=axis, node=node)


@operator("DequantizeLinear", domain="com.microsoft")
def dequantize_linear_microsoft(
    x: Tensor, x_scale: Tensor, x_zero_point: Tensor | None = None, *, axis: int = 1
) -> Tensor:
    """Dequantize per tensor or per axis: ONNX Runtime's own operator, older than ONNX's 16- and 4-bit types."""
    return dequantize_linear(x, x_scale, x_zero_point, axis=axis)


def dynamic_parameters(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scale and the uint8 zero point with which a tensor's own range, widened to zero, fills eight bits.

    Parameters
    ----------
    values : Tensor
        Floating-point, any shape.

    Returns
    -------
    scale, zero_point : Tensor
        Scalars without a gradient: the rounding they bring is passed straight through. The scale of zeros is one, as in ONNX Runtime.
    """
    with torch.no_grad():
        if values.numel() == 0:
            return values.new_ones(()), values.new_zeros(())
        low, high = torch.aminmax(values)
        low, high = low.clamp(max=0.0), high.clamp(min=0.0)
        scale = torch.where(low == high, 1.0, (high - low) / 255)
        return scale, torch.round(torch.clamp(-low / scale, 0, 255))


def dynamically_quantized(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return whole numbers from 0 to 255 for a tensor, with the scale and zero point of `dynamic_parameters`.

    The gradient passes everywhere: the range is the tensor's own, and only rounding can push its ends outside.
    """
    scale, zero_point = dynamic_parameters(values)
    quotient = values / scale
    levels = torch.clamp(torch.round(quotient.detach()) + zero_point, 0, 255)
    return straight_through(quotient, levels), scale, zero_point


@operator("DynamicQuantizeLinear", since=11, gradient=Gradient.STRAIGHT_THROUGH)
def dynamic_quantize_linear(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Quantize to uint8 by the tensor's own range; return the values, their scale and their zero point."""
    return dynamically_quantized(x)
