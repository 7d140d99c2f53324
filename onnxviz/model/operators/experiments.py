"""Experimental operators of ONNX until opset 9: elementwise functions and ImageScaler. Old files use them, and ONNX Runtime runs them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import operator


@operator("Affine")
def affine(X: Tensor, *, alpha: float = 1.0, beta: float = 0.0) -> Tensor:
    """Return ``alpha * x + beta`` (experimental ONNX Affine 1)."""
    return X * alpha + beta


@operator("Scale")
def scale_by(input: Tensor, *, scale: float = 1.0) -> Tensor:
    """Return the input times a number (experimental ONNX Scale 1)."""
    return input * scale


@operator("ScaledTanh")
def scaled_tanh(input: Tensor, *, alpha: float, beta: float) -> Tensor:
    """Return ``alpha * tanh(beta * x)`` (experimental ONNX ScaledTanh 1)."""
    return alpha * torch.tanh(beta * input)


@operator("ParametricSoftplus")
def parametric_softplus(X: Tensor, *, alpha: float, beta: float) -> Tensor:
    """Return ``alpha * log(1 + exp(beta * x))`` (experimental ONNX ParametricSoftplus 1)."""
    # Above the threshold torch returns its argument itself. At 40 the difference is below the resolution of float64.
    return alpha * F.softplus(X * beta, threshold=40.0)


@operator("ImageScaler")
def image_scaler(input: Tensor, *, scale: float = 1.0, bias: tuple[float, ...] = ()) -> Tensor:
    """Return images times a number plus a bias for each channel (experimental ONNX ImageScaler 1).

    The images are (batch, channel, height, width).

    Raises
    ------
    EvaluationError
        If the number of biases is not the number of channels.
    """
    if not bias:
        return input * scale
    if len(bias) != input.shape[1]:
        raise EvaluationError(
            f"ImageScaler has {len(bias)} biases for {input.shape[1]} channels; give each channel a bias"
        )
    offsets = torch.tensor(bias, dtype=input.dtype, device=input.device)
    return input * scale + offsets.reshape(-1, 1, 1)
