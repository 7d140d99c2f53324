"""DepthToSpace and SpaceToDepth: against ONNX Runtime, and each as the other's inverse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from runtime_oracle import Compare
from single_node import gradients_agree, outputs_of, written

from onnxviz.errors import EvaluationError, UnsupportedOperators
from onnxviz.model.operators.shapes.depth_and_space import depth_to_space, space_to_depth

INPUTS = {"x": np.random.default_rng(10).standard_normal((2, 12, 4, 6)).astype(np.float32)}
CASES = [
    ("DepthToSpace<blocksize=2>", 1),
    ('DepthToSpace<blocksize=2, mode="CRD">', 11),
    ('DepthToSpace<blocksize=2, mode="DCR">', 13),
    ("SpaceToDepth<blocksize=2>", 1),
    ("SpaceToDepth<blocksize=2>", 13),
]


@pytest.mark.parametrize(("operator", "opset"), CASES)
def test_rearrangement_is_that_of_onnx_runtime(operator: str, opset: int, compare: Compare) -> None:
    compare(written(f"y = {operator}(x)", INPUTS, opset), INPUTS)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_each_is_the_others_inverse(mode: str) -> None:
    x = torch.randn(1, 8, 2, 4)
    there = depth_to_space(x, blocksize=2, mode=mode)
    assert torch.equal(space_to_depth(there, blocksize=2, mode=mode), x)


def test_gradients_agree_with_finite_differences() -> None:
    assert gradients_agree("y = DepthToSpace<blocksize=2>(x)", {"x": INPUTS["x"][:1, :4, :2, :2]}, 13)


@pytest.mark.parametrize("operator", ["DepthToSpace", "SpaceToDepth"])
def test_other_orders_are_refused(operator: str) -> None:
    with pytest.raises((EvaluationError, UnsupportedOperators), match=f"{operator} has mode 'RCD'; DCR and CRD"):
        outputs_of(f'y = {operator}<blocksize=2, mode="RCD">(x)', INPUTS, 28)
