"""Trigonometry: against ONNX Runtime, gradients against finite differences, and the ends of the inverse functions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from single_node import gradients_agree, written

from onnxviz.model.operators.trigonometry import arccosine, arcsine, inverse_hyperbolic_cosine

X = np.linspace(-0.9, 0.9, 7, dtype=np.float32)
OPERATORS = ["Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Tanh", "Asinh", "Acosh", "Atanh"]


@pytest.mark.parametrize("operator", OPERATORS)
def test_onnx_runtime_agrees_and_gradients_agree_with_differences(compare, operator):
    call, inputs = f"y = {operator}(x)", {"x": X + 2 if operator == "Acosh" else X}
    compare(written(call, inputs), inputs)
    assert gradients_agree(call, inputs)


@pytest.mark.parametrize(
    ("function", "edge", "value"),
    [
        (arcsine, 1.0, math.pi / 2),
        (arcsine, -1.0, -math.pi / 2),
        (arccosine, -1.0, math.pi),
        (inverse_hyperbolic_cosine, 1.0, 0.0),
    ],
)
def test_an_infinite_slope_gives_a_gradient_of_zero(function, edge, value):
    x = torch.tensor([edge], requires_grad=True)
    y = function(x)
    torch.testing.assert_close(y.detach(), torch.tensor([value]))
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert gradient.tolist() == [0.0]
