"""ONNX Runtime's own activations: against its kernels, and where the CPU has none against the schema's formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from single_node import gradients_agree, outputs_of, written

RANDOM = np.random.default_rng(3)
X = (RANDOM.standard_normal((2, 4, 6)) * 2).astype(np.float32)
BIAS = RANDOM.standard_normal(6).astype(np.float32)
WEIGHT = RANDOM.standard_normal((6, 3)).astype(np.float32)
MASK = RANDOM.standard_normal((2, 1, 6)).astype(np.float32)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def gelu(x: np.ndarray) -> np.ndarray:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def fast_gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(0.797885 * x + 0.035677 * x**3))


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


WITH_KERNEL = [
    ("y = com.microsoft.Gelu(x)", {"x": X}),
    ("y = com.microsoft.BiasGelu(x, b)", {"x": X, "b": BIAS}),
    ("y = com.microsoft.FastGelu(x)", {"x": X}),
    ("y = com.microsoft.FastGelu(x, b)", {"x": X, "b": BIAS}),
    ("y = com.microsoft.QuickGelu(x)", {"x": X}),
    ("y = com.microsoft.QuickGelu<alpha=1.0>(x)", {"x": X}),
    ("y = com.microsoft.ScaledSiLU<alpha=2.0>(x)", {"x": X}),
    ("y = com.microsoft.ScaledSiLU(x, s)", {"x": X, "s": np.array(0.5, np.float32)}),
]
WITH_FORMULA = [
    ("y = com.microsoft.BiasAdd(x, b, s)", {"x": X, "b": BIAS, "s": X[::-1].copy()}, X + BIAS + X[::-1]),
    ("y = com.microsoft.BiasSplitGelu(x, b)", {"x": X, "b": BIAS}, (X + BIAS)[..., :3] * gelu((X + BIAS)[..., 3:])),
    ("y = com.microsoft.GemmFastGelu(x, w)", {"x": X, "w": WEIGHT}, fast_gelu(X @ WEIGHT)),
    ("y = com.microsoft.SwiGLU(x)", {"x": X}, X[..., :3] * sigmoid(X[..., :3]) * X[..., 3:]),
    (
        "y = com.microsoft.SwiGLU<limit=1.5, activation_alpha=1.7, activation_beta=1.0>(x, u)",
        {"x": X, "u": X[::-1].copy()},
        np.minimum(X, 1.5) * sigmoid(1.7 * np.minimum(X, 1.5)) * (np.clip(X[::-1], -1.5, 1.5) + 1),
    ),
    ("y = com.microsoft.BiasSoftmax<axis=2, is_inner_broadcast=1>(x, b)", {"x": X, "b": MASK}, softmax(X + MASK)),
    (
        "y = com.microsoft.BiasSoftmax<axis=2, is_inner_broadcast=0>(x, b)",
        {"x": X, "b": MASK[:1]},
        softmax(X + MASK[:1]),
    ),
    (
        "y = com.microsoft.BiasSoftmax<axis=1, is_inner_broadcast=0>(x, b)",
        {"x": X, "b": BIAS},
        softmax((X + BIAS).reshape(2, 24)).reshape(X.shape),
    ),
]


@pytest.mark.parametrize(("call", "inputs"), WITH_KERNEL)
def test_onnx_runtime_agrees(compare, call, inputs):
    compare(written(call, inputs), inputs)


@pytest.mark.parametrize(("call", "inputs", "expected"), WITH_FORMULA)
def test_the_formula_agrees(call, inputs, expected):
    (answer,) = outputs_of(call, inputs)
    np.testing.assert_allclose(answer.numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("call", "inputs"), [*WITH_KERNEL, *(case[:2] for case in WITH_FORMULA)])
def test_gradients_agree_with_differences(call, inputs):
    assert gradients_agree(call, inputs)


def test_the_gate_may_hold_both_halves():
    whole = outputs_of("y = com.microsoft.SwiGLU<limit=0.5>(x)", {"x": X})[0]
    halves = {"x": X[..., :3].copy(), "u": X[..., 3:].copy()}
    torch.testing.assert_close(whole, outputs_of("y = com.microsoft.SwiGLU<limit=0.5>(x, u)", halves)[0])
