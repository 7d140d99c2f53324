"""Activations: against ONNX Runtime or the schema's own function body, gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from single_node import gradients_agree, outputs_of, written
from typed_node import typed_node

import onnxviz

RANDOM = np.random.default_rng(1)
X = (RANDOM.standard_normal((2, 3, 4)) * 3).astype(np.float32)
WHOLE = np.array([-7, -1, 0, 3, 9], np.int32)


def number(value: float) -> np.ndarray:
    return np.array(value, np.float32)


CASES = [
    ("y = Relu(x)", {"x": X}, 14),
    ("y = Relu(x)", {"x": WHOLE}, 14),
    ("y = LeakyRelu(x)", {"x": X}, 6),
    ("y = LeakyRelu<alpha=0.3>(x)", {"x": X}, 16),
    ("y = PRelu(x, s)", {"x": X, "s": number(0.3)}, 16),
    ("y = PRelu(x, s)", {"x": X, "s": np.array([[0.1], [0.2], [0.3]], np.float32)}, 9),
    ("y = PRelu(x, s)", {"x": X, "s": np.array([0.1, 0.2, 0.3, 0.4], np.float32)}, 7),
    ("y = ThresholdedRelu<alpha=0.7>(x)", {"x": X}, 10),
    ("y = Elu<alpha=0.7>(x)", {"x": X}, 6),
    ("y = Celu<alpha=0.7>(x)", {"x": X}, 12),
    ("y = Selu(x)", {"x": X}, 6),
    ("y = Selu<alpha=2.0, gamma=0.5>(x)", {"x": X}, 22),
    ("y = Shrink<lambd=1.5, bias=0.5>(x)", {"x": X}, 9),
    ("y = Shrink<lambd=2.0>(x)", {"x": WHOLE}, 9),
    ("y = Sigmoid(x)", {"x": X}, 13),
    ("y = HardSigmoid(x)", {"x": X}, 6),
    ("y = HardSigmoid<alpha=0.16666667, beta=0.5>(x)", {"x": X}, 6),
    ("y = HardSigmoid<alpha=0.16666667, beta=0.4>(x)", {"x": X}, 22),
    ("y = HardSwish(x)", {"x": X}, 14),
    ("y = Softplus(x)", {"x": np.array([-100, -3, 0, 19, 21, 50, 200], np.float32)}, 1),
    ("y = Softsign(x)", {"x": X}, 22),
    ("y = Mish(x)", {"x": X}, 18),
    ("y = Gelu(x)", {"x": X}, 20),
    ('y = Gelu<approximate="tanh">(x)', {"x": X}, 20),
    ("y = Clip(x, a, b)", {"x": X, "a": number(-1), "b": number(2)}, 13),
    ("y = Clip(x, a)", {"x": X, "a": number(0)}, 12),
    ("y = Clip(x, , b)", {"x": X, "b": number(0.5)}, 11),
    ("y = Clip(x)", {"x": X}, 13),
    ("y = Clip(x, a, b)", {"x": 4 * X, "a": number(0), "b": number(6)}, 13),
    ("y = Clip<min=0.0, max=6.0>(x)", {"x": 4 * X}, 6),
    ("y = Clip(x, a, b)", {"x": WHOLE, "a": np.array(-2, np.int32), "b": np.array(4, np.int32)}, 13),
    ("y = Clip<min=-1.0, max=2.0>(x)", {"x": X}, 6),
    ("y = Clip<max=2.0>(x)", {"x": X}, 6),
]
# The specification chooses the bound of an empty interval; finite differences cannot.
EMPTY_INTERVAL = ("y = Clip(x, a, b)", {"x": X, "a": number(2), "b": number(-1)}, 13)
NEWER_THAN_ONNX_RUNTIME = [
    ("y = Swish(x)", {"x": X}, 24),
    ("y = Swish<alpha=1.7>(x)", {"x": X}, 24),
    ("y = SwiGLU<alpha=1.2>(x, b)", {"x": X, "b": X[::-1].copy()}, 28),
]


@pytest.mark.parametrize(("call", "inputs", "opset"), [*CASES, EMPTY_INTERVAL])
def test_onnx_runtime_agrees(compare, call, inputs, opset):
    compare(written(call, inputs, opset), inputs)


@pytest.mark.parametrize(("call", "inputs", "opset"), NEWER_THAN_ONNX_RUNTIME)
def test_the_reference_agrees(call, inputs, opset):
    (expected,) = ReferenceEvaluator(written(call, inputs, opset)).run(None, inputs)
    (answer,) = outputs_of(call, inputs, opset)
    np.testing.assert_allclose(answer.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "inputs", "opset"), [case for case in CASES + NEWER_THAN_ONNX_RUNTIME if case[1]["x"].dtype == np.float32]
)
def test_gradients_agree_with_differences(call, inputs, opset):
    assert gradients_agree(call, inputs, opset)


@pytest.mark.parametrize("slope", [np.array([0.25], np.float32), np.array([0.1, 0.2, 0.3], np.float32)])
def test_the_slope_of_an_old_prelu_belongs_to_the_channel(slope):
    inputs = {"x": X, "s": slope}
    answer = onnxviz.load(typed_node("PRelu", inputs, opset=6)).network()(inputs)["y"]
    expected = np.where(X < 0, X * slope.reshape(1, -1, 1), X)
    np.testing.assert_allclose(answer.numpy(), expected, rtol=1e-6)


def test_an_old_clip_without_bounds_changes_nothing():
    (answer,) = outputs_of("y = Clip(x)", {"x": X}, 1)
    assert np.array_equal(answer.numpy(), X)


def test_bounds_that_carry_a_gradient_get_it():
    x = torch.tensor([-3.0, 0.0, 3.0])
    low, high = torch.tensor(-1.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    network = onnxviz.load(written("y = Clip(x, a, b)", {"x": X, "a": number(0), "b": number(0)})).network()
    value = network({"x": x.expand(2, 4, 3).transpose(1, 2), "a": low, "b": high})["y"]
    gradients = torch.autograd.grad(value.sum(), (low, high))
    assert [g.item() for g in gradients] == [8.0, 8.0]


@pytest.mark.parametrize("value", [0.0, -40.0, 40.0, 1e4])
def test_no_activation_gives_a_gradient_that_is_not_finite(value):
    for call, inputs, opset in CASES + NEWER_THAN_ONNX_RUNTIME:
        if inputs["x"].dtype != np.float32:
            continue
        x = torch.full(inputs["x"].shape, value, requires_grad=True)
        y = onnxviz.load(written(call, inputs, opset)).network()({**inputs, "x": x})["y"]
        (gradient,) = torch.autograd.grad(y.sum(), x)
        assert torch.isfinite(gradient).all(), call
