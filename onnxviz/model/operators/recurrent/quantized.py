"""DynamicQuantizeLSTM: an LSTM with weights in eight bits. It rounds its input and its state to eight bits before every product."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, Ints, operator
from onnxviz.model.operators.numbers.straight_through import straight_through
from onnxviz.model.operators.recurrent.activations import activation_names, activations_of
from onnxviz.model.operators.recurrent.cells import LstmCell
from onnxviz.model.operators.recurrent.layers import layer_of, summed_bias


def rounded_dynamically(x: Tensor) -> Tensor:
    """Return values rounded to eight bits in the range of their tensor.

    The source is ONNX DynamicQuantizeLinear 11, followed by DequantizeLinear. The gradient passes straight through.

    Parameters
    ----------
    x : Tensor
        Any shape that is not empty.
    """
    detached = x.detach()
    low, high = detached.amin().clamp(max=0), detached.amax().clamp(min=0)
    scale = (high - low) / 255
    scale = torch.where(scale == 0, 1.0, scale)
    zero_point = torch.round((-low / scale).clamp(0, 255))
    levels = (torch.round(detached / scale) + zero_point).clamp(0, 255)
    return straight_through(x, (levels - zero_point) * scale)


def _dequantized(weight: Tensor, scale: Tensor, zero_point: Tensor, direction: int, like: Tensor) -> Tensor:
    """Return the matrix (input size, gates) of a direction. The scale is a single number, or a number for each gate."""
    return (weight[direction].to(like.dtype) - zero_point[direction].to(like.dtype)) * scale[direction]


@operator("DynamicQuantizeLSTM", domain="com.microsoft", gradient=Gradient.STRAIGHT_THROUGH)
def dynamic_quantize_lstm(
    X: Tensor,
    W: Tensor,
    R: Tensor,
    B: Tensor | None = None,
    sequence_lens: Ints | None = None,
    initial_h: Tensor | None = None,
    initial_c: Tensor | None = None,
    P: Tensor | None = None,
    W_scale: Tensor | None = None,
    W_zero_point: Tensor | None = None,
    R_scale: Tensor | None = None,
    R_zero_point: Tensor | None = None,
    *,
    activations: Sequence[str] | None = None,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    input_forget: int = 0,
) -> tuple[Tensor, ...]:
    """Return Y, Y_h and Y_c of a quantized layer of long short-term memory (com.microsoft DynamicQuantizeLSTM).

    W is (directions, input size, 4 * hidden size), and R is (directions, hidden size, 4 * hidden size).
    """
    if W_scale is None or W_zero_point is None or R_scale is None or R_zero_point is None:
        raise EvaluationError(
            "a scale or a zero point of the weights is missing; the operator needs those of W and of R"
        )
    directions = W.shape[0]
    layer = layer_of(X, R.shape[1], hidden_size, directions, direction, 0, clip, sequence_lens, initial_h, initial_c)
    names = activation_names(activations, ("sigmoid", "tanh", "tanh"), directions)
    functions = activations_of(names, activation_alpha, activation_beta)
    steps = []
    for d in range(directions):
        input_weight = _dequantized(W, W_scale, W_zero_point, d, X)
        recurrent_weight = _dequantized(R, R_scale, R_zero_point, d, X)
        bias = summed_bias(B, d)

        def project(x: Tensor, weight: Tensor = input_weight, bias: Tensor | None = bias) -> Tensor:
            product = rounded_dynamically(x) @ weight
            return product if bias is None else product + bias

        def recurrence(projected: Tensor, hidden: Tensor, weight: Tensor = recurrent_weight) -> Tensor:
            return torch.addmm(projected, rounded_dynamically(hidden), weight)

        triple = (functions[3 * d], functions[3 * d + 1], functions[3 * d + 2])
        peepholes = None if P is None else P[d].chunk(3)
        steps.append((project, LstmCell(recurrence, triple, clip, peepholes, bool(input_forget))))
    return layer.looped(steps)
