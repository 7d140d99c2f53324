"""Activation functions: the Relu, Elu and Sigmoid families, Softplus, Softsign, Mish, Gelu, Swish and Clip."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz import kinks
from onnxviz.model.operators.declaration import operator

# In opset 1 this attribute names inputs that may be overwritten. No function here overwrites its inputs.
_OVERWRITING = ("consumed_inputs",)


@operator("Relu", ignored=_OVERWRITING)
def relu(X: Tensor) -> Tensor:
    """Return the positive part of the input (ONNX Relu 1, 6, 13 and 14)."""
    return torch.relu(X)


@operator("LeakyRelu", ignored=_OVERWRITING)
def leaky_relu(X: Tensor, *, alpha: float = 0.01) -> Tensor:
    """Return the positive part of the input plus `alpha` times its negative part (ONNX LeakyRelu 1, 6 and 16)."""
    return F.leaky_relu(X, alpha)


@operator("PRelu", since=7)
def parametric_relu(X: Tensor, slope: Tensor) -> Tensor:
    """Return the positive part of the input plus a learned slope times its negative part (ONNX PRelu 7, 9 and 16).

    The slope broadcasts to the input.
    """
    if X.is_floating_point():
        if slope.numel() == 1 and slope.dim() <= X.dim():
            return F.prelu(X, slope.reshape(1))
        if slope.dim() == X.dim() - 1 and slope.shape[0] == slope.numel() == X.shape[1]:
            return F.prelu(X, slope.reshape(-1))
    return torch.where(X < 0, slope * X, X)


@operator("PRelu", until=6, ignored=_OVERWRITING)
def parametric_relu_of_channels(X: Tensor, slope: Tensor) -> Tensor:
    """Return the positive part of the input plus a learned slope times its negative part (ONNX PRelu 1 and 6).

    There is a single slope, or a slope for each channel.
    """
    if slope.dim() == 1 and slope.numel() > 1:
        slope = slope.reshape(slope.shape + (1,) * (X.dim() - 2))
    return parametric_relu(X, slope)


@operator("ThresholdedRelu")
def thresholded_relu(X: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return the input where it is above the threshold `alpha`, and zero elsewhere (ONNX ThresholdedRelu 10 and 22).

    Before opset 10 ONNX had the same function as an experimental operator.
    """
    return torch.where(alpha < X, X, 0.0)


@operator("Elu", ignored=_OVERWRITING)
def elu(X: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return the exponential linear unit (ONNX Elu 1, 6 and 22).

    The source is Clevert et al., "Fast and accurate deep network learning by exponential linear units", 2015.
    """
    return F.elu(X, alpha)


@operator("Celu", since=12)
def celu(X: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return the continuously differentiable exponential linear unit (ONNX Celu 12 and 28).

    The source is Barron, "Continuously differentiable exponential linear units", 2017.
    """
    return F.celu(X, alpha)


@operator("Selu", ignored=_OVERWRITING)
def selu(X: Tensor, *, alpha: float = 1.67326319217681884765625, gamma: float = 1.05070102214813232421875) -> Tensor:
    """Return the scaled exponential linear unit (ONNX Selu 1, 6 and 22).

    The source is Klambauer et al., "Self-normalizing neural networks", 2017.
    """
    return F.elu(X, alpha) * gamma


@operator("Shrink", since=9)
def shrink(input: Tensor, *, bias: float = 0.0, lambd: float = 0.5) -> Tensor:
    """Return zero for values from -lambd to lambd, and other values moved toward zero by `bias` (ONNX Shrink 9)."""
    outer = torch.where(input < -lambd, input + bias, torch.zeros_like(input))
    return torch.where(input > lambd, input - bias, outer).to(input.dtype)


@operator("Sigmoid", ignored=_OVERWRITING)
def sigmoid(X: Tensor) -> Tensor:
    """Return the logistic function (ONNX Sigmoid 1, 6 and 13)."""
    return torch.sigmoid(X)


@operator("HardSigmoid", ignored=_OVERWRITING)
def hard_sigmoid(X: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    """Return ``alpha * x + beta`` limited to the interval from 0 to 1 (ONNX HardSigmoid 1, 6 and 22)."""
    if beta == 0.5 and math.isclose(alpha, 1 / 6, rel_tol=1e-7):
        return kinks.hard_sigmoid(X)
    return kinks.clamped(X * alpha + beta, 0.0, 1.0)


@operator("HardSwish", since=14)
def hard_swish(X: Tensor) -> Tensor:
    """Return the input times its HardSigmoid of slope 1/6 (ONNX HardSwish 14 and 22).

    The source is Howard et al., "Searching for MobileNetV3", 2019.
    """
    return kinks.hard_swish(X)


@operator("Softplus")
def softplus(X: Tensor) -> Tensor:
    """Return ``log(1 + exp(x))``, a smooth form of the positive part (ONNX Softplus 1 and 22)."""
    # Above the threshold torch returns x itself. At 40 the difference is below the resolution of float64.
    return F.softplus(X, threshold=40.0)


@operator("Softsign")
def softsign(input: Tensor) -> Tensor:
    """Return ``x / (1 + |x|)`` (ONNX Softsign 1 and 22)."""
    return F.softsign(input)


@operator("Mish", since=18)
def mish(X: Tensor) -> Tensor:
    """Return ``x * tanh(softplus(x))`` (ONNX Mish 18 and 22).

    The source is Misra, "Mish: A self regularized non-monotonic activation function", 2019.
    """
    return F.mish(X)


@operator("Gelu", since=20)
def gelu(X: Tensor, *, approximate: str = "none") -> Tensor:
    """Return the Gaussian error linear unit, exact or in its tanh approximation (ONNX Gelu 20).

    The source is Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", 2016.
    """
    return F.gelu(X, approximate=approximate)


@operator("Swish", since=24)
def swish(X: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return ``x * sigmoid(alpha * x)`` (ONNX Swish 24)."""
    return F.silu(X) if alpha == 1.0 else X * torch.sigmoid(X * alpha)


@operator("SwiGLU", since=28)
def swiglu(A: Tensor, B: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return the Swish of the first input times the second input (ONNX SwiGLU 28).

    The source is Shazeer, "GLU variants improve transformer", 2020.
    """
    return swish(A, alpha=alpha) * B


@operator("Clip", since=11, host_numbers=True)
def clip(input: Tensor, min: Tensor | None = None, max: Tensor | None = None) -> Tensor:
    """Return the input limited to an interval whose bounds are inputs of the node (ONNX Clip 11, 12 and 13).

    If the interval is empty, the output is its upper bound.
    """
    if _is_host_number(min) and _is_host_number(max):
        # Bounds that are numbers are many times faster than bounds that are tensors. A tensor of the CPU becomes a number at no cost.
        return kinks.clamped(input, None if min is None else min.item(), None if max is None else max.item())
    return kinks.clamped(input, None if min is None else min.reshape(()), None if max is None else max.reshape(()))


def _is_host_number(bound: Tensor | None) -> bool:
    return bound is None or (bound.device.type == "cpu" and bound.numel() == 1 and not bound.requires_grad)


@operator("Clip", until=10, ignored=_OVERWRITING)
def clip_to_numbers(input: Tensor, *, min: float | None = None, max: float | None = None) -> Tensor:
    """Return the input limited to an interval whose bounds are attributes of the node (ONNX Clip 1 and 6)."""
    return kinks.clamped(input, min, max)
