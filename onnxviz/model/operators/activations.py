"""Activation functions: Relu and its relatives, Sigmoid and its relatives, Gelu, Swish, Clip."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.model.operators import kinks
from onnxviz.model.operators.declaration import operator

# Opset 1 promises which inputs may be overwritten: nothing is overwritten here.
_OVERWRITING = ("consumed_inputs",)


@operator("Relu", ignored=_OVERWRITING)
def relu(X: Tensor) -> Tensor:
    """Return the positive part."""
    return torch.relu(X)


@operator("LeakyRelu", ignored=_OVERWRITING)
def leaky_relu(X: Tensor, *, alpha: float = 0.01) -> Tensor:
    """Return the positive part, and a fraction of the negative part."""
    return F.leaky_relu(X, alpha)


@operator("PRelu", since=7)
def parametric_relu(X: Tensor, slope: Tensor) -> Tensor:
    """Return the positive part, and the negative part times a learned slope that broadcasts to the input."""
    if X.is_floating_point():
        if slope.numel() == 1 and slope.dim() <= X.dim():
            return F.prelu(X, slope.reshape(1))
        if slope.dim() == X.dim() - 1 and slope.shape[0] == slope.numel() == X.shape[1]:
            return F.prelu(X, slope.reshape(-1))
    return torch.where(X < 0, slope * X, X)


@operator("PRelu", until=6, ignored=_OVERWRITING)
def parametric_relu_of_channels(X: Tensor, slope: Tensor) -> Tensor:
    """Return the positive part, and the negative part times a learned slope: one, or one for each channel."""
    if slope.dim() == 1 and slope.numel() > 1:
        slope = slope.reshape(slope.shape + (1,) * (X.dim() - 2))
    return parametric_relu(X, slope)


@operator("ThresholdedRelu")
def thresholded_relu(X: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return the input where it is above a threshold, else zero. Before opset 10 it was an experiment of the same meaning."""
    return torch.where(alpha < X, X, 0.0)


@operator("Elu", ignored=_OVERWRITING)
def elu(X: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return the exponential linear unit (Clevert et al. 2015)."""
    return F.elu(X, alpha)


@operator("Celu", since=12)
def celu(X: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return the continuously differentiable exponential linear unit (Barron 2017)."""
    return F.celu(X, alpha)


@operator("Selu", ignored=_OVERWRITING)
def selu(X: Tensor, *, alpha: float = 1.67326319217681884765625, gamma: float = 1.05070102214813232421875) -> Tensor:
    """Return the scaled exponential linear unit (Klambauer et al. 2017)."""
    return F.elu(X, alpha) * gamma


@operator("Shrink", since=9)
def shrink(input: Tensor, *, bias: float = 0.0, lambd: float = 0.5) -> Tensor:
    """Return zero within a distance of zero, and move the rest toward zero."""
    outer = torch.where(input < -lambd, input + bias, torch.zeros_like(input))
    return torch.where(input > lambd, input - bias, outer).to(input.dtype)


@operator("Sigmoid", ignored=_OVERWRITING)
def sigmoid(X: Tensor) -> Tensor:
    """Return the logistic function."""
    return torch.sigmoid(X)


@operator("HardSigmoid", ignored=_OVERWRITING)
def hard_sigmoid(X: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    """Return a line cut off at 0 and 1."""
    if beta == 0.5 and math.isclose(alpha, 1 / 6, rel_tol=1e-7):
        return kinks.hard_sigmoid(X)
    return kinks.clamped(X * alpha + beta, 0.0, 1.0)


@operator("HardSwish", since=14)
def hard_swish(X: Tensor) -> Tensor:
    """Return the input times its HardSigmoid of slope 1/6 (Howard et al. 2019)."""
    return kinks.hard_swish(X)


@operator("Softplus")
def softplus(X: Tensor) -> Tensor:
    """Return the smooth positive part, log(1 + exp(x))."""
    # Above the threshold torch returns x itself: at 40 the difference is below the resolution of float64.
    return F.softplus(X, threshold=40.0)


@operator("Softsign")
def softsign(input: Tensor) -> Tensor:
    """Return x / (1 + |x|)."""
    return F.softsign(input)


@operator("Mish", since=18)
def mish(X: Tensor) -> Tensor:
    """Return x tanh(softplus(x)) (Misra 2019)."""
    return F.mish(X)


@operator("Gelu", since=20)
def gelu(X: Tensor, *, approximate: str = "none") -> Tensor:
    """Return the Gaussian error linear unit, exact or in its tanh approximation (Hendrycks and Gimpel 2016)."""
    return F.gelu(X, approximate=approximate)


@operator("Swish", since=24)
def swish(X: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return x sigmoid(alpha x)."""
    return F.silu(X) if alpha == 1.0 else X * torch.sigmoid(X * alpha)


@operator("SwiGLU", since=28)
def swiglu(A: Tensor, B: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return the Swish of the first input times the second (Shazeer 2020)."""
    return swish(A, alpha=alpha) * B


@operator("Clip", since=11, host_numbers=True)
def clip(input: Tensor, min: Tensor | None = None, max: Tensor | None = None) -> Tensor:
    """Limit values to an interval; where it is empty, to its upper bound."""
    if _is_host_number(min) and _is_host_number(max):
        # Read on the host, which costs nothing on the CPU: numbers as bounds are many times faster than tensors.
        return kinks.clamped(input, None if min is None else min.item(), None if max is None else max.item())
    return kinks.clamped(input, None if min is None else min.reshape(()), None if max is None else max.reshape(()))


def _is_host_number(bound: Tensor | None) -> bool:
    return bound is None or (bound.device.type == "cpu" and bound.numel() == 1 and not bound.requires_grad)


@operator("Clip", until=10, ignored=_OVERWRITING)
def clip_to_numbers(input: Tensor, *, min: float | None = None, max: float | None = None) -> Tensor:
    """Limit values to an interval that attributes give."""
    return kinks.clamped(input, min, max)
