"""Matrix products of quantized integers: MatMulInteger and QLinearMatMul of ONNX, and the products of com.microsoft, such as QGemm.

The sums are exact, as in integer arithmetic. The gradient is that of the same product of real numbers.
"""

from __future__ import annotations

import torch
from onnx import TensorProto
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, Node, operator
from onnxviz.model.operators.numbers.exact_sums import centered, exact_type
from onnxviz.model.operators.numbers.integer_types import element_type_of
from onnxviz.model.operators.quantized.quantization import dynamically_quantized, quantized, quantized_type

MICROSOFT = "com.microsoft"


def _per_row(parameter: Tensor) -> Tensor:
    """Return a scale or zero point in a shape that broadcasts to a left factor. A vector holds a number for each row."""
    if parameter.numel() == 1:
        return parameter.reshape(())
    return parameter.unsqueeze(-1) if parameter.dim() == 1 else parameter


def _per_column(parameter: Tensor) -> Tensor:
    """Return a scale or zero point in a shape that broadcasts to a right factor. A vector holds a number for each column."""
    return parameter.reshape(()) if parameter.numel() == 1 else parameter


def _sums(
    left: Tensor, right: Tensor, left_zero: Tensor | None, right_zero: Tensor | None, left_type: int, right_type: int
) -> Tensor:
    """Return the exact product of two matrices minus their zero points. An element type that the graph does not tell is 0."""
    dtype = exact_type(left.shape[-1], element_type_of(left_type, left), element_type_of(right_type, right))
    left = centered(left, None if left_zero is None else _per_row(left_zero), dtype)
    return torch.matmul(left, centered(right, None if right_zero is None else _per_column(right_zero), dtype))


@operator("MatMulInteger", since=10, gradient=Gradient.STRAIGHT_THROUGH)
def matmul_integer(
    A: Tensor, B: Tensor, a_zero_point: Tensor | None = None, b_zero_point: Tensor | None = None, *, node: Node
) -> Tensor:
    """Return the product of matrices of integers (ONNX MatMulInteger 10).

    The result is int32, carried as floats.
    """
    return _sums(A, B, a_zero_point, b_zero_point, node.input_type(0), node.input_type(1))


@operator("MatMulInteger16", domain=MICROSOFT, gradient=Gradient.STRAIGHT_THROUGH)
def matmul_integer_16(A: Tensor, B: Tensor, *, node: Node) -> Tensor:
    """Return the product of matrices of 16-bit integers (com.microsoft MatMulInteger16).

    The result is int32, carried as floats.
    """
    return _sums(A, B, None, None, node.input_type(0), node.input_type(1))


@operator("QLinearMatMul", since=10, gradient=Gradient.STRAIGHT_THROUGH)
def qlinear_matmul(
    a: Tensor,
    a_scale: Tensor,
    a_zero_point: Tensor,
    b: Tensor,
    b_scale: Tensor,
    b_zero_point: Tensor,
    y_scale: Tensor,
    y_zero_point: Tensor,
    *,
    node: Node,
) -> Tensor:
    """Return the quantized product of quantized matrices (ONNX QLinearMatMul 10 and 21)."""
    sums = _sums(a, b, a_zero_point, b_zero_point, node.input_type(0), node.input_type(3))
    multiplier = _per_row(a_scale) * _per_column(b_scale) / _per_row(y_scale)
    return quantized(sums.float() * multiplier, _per_row(y_zero_point), quantized_type(y_zero_point, node, 7))


@operator("MatMulIntegerToFloat", domain=MICROSOFT, gradient=Gradient.STRAIGHT_THROUGH)
def matmul_integer_to_float(
    A: Tensor,
    B: Tensor,
    a_scale: Tensor,
    b_scale: Tensor,
    a_zero_point: Tensor | None = None,
    b_zero_point: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    node: Node,
) -> Tensor:
    """Return the scaled product of matrices of integers plus a bias (com.microsoft MatMulIntegerToFloat)."""
    sums = _sums(A, B, a_zero_point, b_zero_point, node.input_type(0), node.input_type(1))
    product = sums.to(a_scale.dtype) * (_per_row(a_scale) * _per_column(b_scale))
    return product if bias is None else product + bias


@operator("DynamicQuantizeMatMul", domain=MICROSOFT, gradient=Gradient.STRAIGHT_THROUGH)
def dynamic_quantize_matmul(
    A: Tensor,
    B: Tensor,
    b_scale: Tensor,
    b_zero_point: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    node: Node,
) -> Tensor:
    """Return the scaled product of two matrices plus a bias (com.microsoft DynamicQuantizeMatMul).

    The left matrix is quantized by its own range.
    """
    levels, scale, zero_point = dynamically_quantized(A)
    sums = _sums(levels, B, zero_point, b_zero_point, TensorProto.UINT8, node.input_type(1))
    product = sums.to(A.dtype) * (scale * _per_column(b_scale))
    return product if bias is None else product + bias


@operator("QGemm", domain=MICROSOFT, gradient=Gradient.STRAIGHT_THROUGH)
def qgemm(
    A: Tensor,
    a_scale: Tensor,
    a_zero_point: Tensor,
    B: Tensor,
    b_scale: Tensor,
    b_zero_point: Tensor,
    C: Tensor | None = None,
    y_scale: Tensor | None = None,
    y_zero_point: Tensor | None = None,
    *,
    alpha: float = 1.0,
    transA: int = 0,
    transB: int = 0,
    node: Node,
) -> Tensor:
    """Return the scaled product of quantized matrices with an int32 bias (com.microsoft QGemm).

    If `y_scale` is given, the result is quantized.

    Raises
    ------
    EvaluationError
        If the result has a zero point but no scale.
    """
    left, right = (A.mT if transA else A), (B.mT if transB else B)
    sums = _sums(left, right, a_zero_point, b_zero_point, node.input_type(0), node.input_type(3))
    if C is not None:
        sums = sums.double() + C
    multiplier = alpha * _per_row(a_scale) * _per_column(b_scale)
    if y_scale is None:
        if y_zero_point is not None:
            raise EvaluationError("QGemm has a y_zero_point but no y_scale; give both, or none for a result in float")
        return sums.to(multiplier.dtype) * multiplier
    quotient = sums.to(multiplier.dtype) * (multiplier / y_scale.reshape(()))
    zero_point = None if y_zero_point is None else y_zero_point.reshape(())
    return quantized(quotient, zero_point, quantized_type(y_zero_point, node, 8))
