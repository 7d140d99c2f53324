"""Normalization over the last axes: against ONNX Runtime, gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from runtime_oracle import Compare
from single_node import gradients_agree, outputs_of, written

RANDOM = np.random.default_rng(4)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


X = normal(2, 3, 4, 5)
LAST = {"x": X, "s": normal(5), "b": normal(5)}
TWO = {"x": X, "s": normal(4, 5), "b": normal(5)}
SKIP = {"x": normal(2, 3, 4), "k": normal(2, 3, 4), "g": normal(4), "b": normal(4), "c": normal(4)}
SHARED = {**SKIP, "k": normal(3, 4)}

CASES = [
    ("y = LayerNormalization<epsilon=0.01>(x, s, b)", LAST, 17),
    ("y = LayerNormalization(x, s)", LAST, 13),
    ("y, mean, deviation = LayerNormalization(x, s, b)", LAST, 17),
    ("y, mean, deviation = LayerNormalization<axis=2>(x, s)", TWO, 17),
    ("y = LayerNormalization<axis=2>(x, s, b)", TWO, 17),
    ("y = LayerNormalization<axis=0>(x, s)", {"x": X, "s": X + 1}, 17),
    ("y = RMSNormalization<epsilon=0.01>(x, s)", LAST, 23),
    ("y = RMSNormalization<axis=2>(x, s)", TWO, 23),
    ("y = RMSNormalization<axis=1>(x, s)", TWO, 23),
    ("y = SimplifiedLayerNormalization<axis=-1>(x, s)", LAST, 13),
    ("y, inverse = SimplifiedLayerNormalization<axis=2>(x, s)", TWO, 17),
    ("y = com.microsoft.SkipLayerNormalization(x, k, g)", SKIP, 17),
    ("y = com.microsoft.SkipLayerNormalization<epsilon=0.01>(x, k, g, b, c)", SKIP, 17),
    ("y, , , total = com.microsoft.SkipLayerNormalization(x, k, g, b, c)", SHARED, 17),
    ("y = com.microsoft.SkipSimplifiedLayerNormalization(x, k, g)", SHARED, 17),
    ("y, , , total = com.microsoft.SkipSimplifiedLayerNormalization<epsilon=0.01>(x, k, g, c)", SKIP, 17),
]


@pytest.mark.parametrize(("call", "inputs", "opset"), CASES)
def test_normalization_is_that_of_onnx_runtime(
    call: str, inputs: dict[str, np.ndarray], opset: int, compare: Compare
) -> None:
    compare(spelled(call, inputs, opset), inputs)


def spelled(call: str, inputs: dict[str, np.ndarray], opset: int) -> object:
    """Return the model without the outputs that are left out."""
    model = written(call.replace(", , ,", ","), inputs, opset)
    if ", , ," in call:
        model.graph.node[0].output[1:] = ["", "", "total"]
    return model


@pytest.mark.parametrize("operator", ["LayerNormalization", "SimplifiedLayerNormalization"])
def test_either_domain_means_the_same(operator: str) -> None:
    (ours,) = outputs_of(f"y = com.microsoft.{operator}(x, s)", LAST)
    (wanted,) = outputs_of(f"y = {operator}(x, s)", LAST)
    assert torch.equal(ours, wanted)


def test_statistics_beside_a_skip_are_those_of_the_sum() -> None:
    _, mean, inverse, total = outputs_of("y, m, i, t = com.microsoft.SkipLayerNormalization(x, k, g)", SKIP)
    assert torch.allclose(mean, total.mean(-1, keepdim=True))
    assert torch.allclose(inverse, 1 / total.std(-1, correction=0, keepdim=True), rtol=1e-4)
    _, mean, inverse, total = outputs_of("y, m, i, t = com.microsoft.SkipSimplifiedLayerNormalization(x, k, g)", SKIP)
    assert not mean.any()
    assert torch.allclose(inverse, 1 / (total**2).mean(-1, keepdim=True).sqrt(), rtol=1e-4)


SMALL = {"x": normal(2, 4), "s": normal(4), "b": normal(4)}
SLOPES = [
    ("y, m, d = LayerNormalization(x, s, b)", SMALL, 17),
    ("y = LayerNormalization<axis=0>(x, s, b)", SMALL, 17),
    ("y = RMSNormalization(x, s)", SMALL, 23),
    ("y, i = SimplifiedLayerNormalization(x, s)", SMALL, 17),
    ("y, m, i, t = com.microsoft.SkipLayerNormalization(x, k, g, b)", SKIP, 17),
]


@pytest.mark.parametrize(("call", "inputs", "opset"), SLOPES)
def test_gradients_agree_with_finite_differences(call: str, inputs: dict[str, np.ndarray], opset: int) -> None:
    assert gradients_agree(call, inputs, opset)
