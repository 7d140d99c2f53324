"""Experimental operators of old files: against ONNX Runtime, which still runs them."""

from __future__ import annotations

import numpy as np
import pytest
from single_node import gradients_agree, outputs_of, written

from onnxviz.errors import EvaluationError

X = np.random.default_rng(4).standard_normal((2, 3, 4, 5)).astype(np.float32)
CALLS = [
    "y = Affine<alpha=2.0, beta=0.5>(x)",
    "y = Scale<scale=3.0>(x)",
    "y = ScaledTanh<alpha=2.0, beta=0.5>(x)",
    "y = ParametricSoftplus<alpha=2.0, beta=0.5>(x)",
    "y = ThresholdedRelu<alpha=0.5>(x)",
    "y = ImageScaler<scale=2.0, bias=[1.0, 2.0, 3.0]>(x)",
]


@pytest.mark.parametrize("opset", [7, 9])
@pytest.mark.parametrize("call", CALLS)
def test_onnx_runtime_agrees(compare, call, opset):
    compare(written(call, {"x": X}, opset), {"x": X})


@pytest.mark.parametrize("call", CALLS)
def test_gradients_agree_with_differences(call):
    assert gradients_agree(call, {"x": X[:1, :, :2, :2]}, 7)


def test_a_scaler_needs_no_biases():
    (answer,) = outputs_of("y = ImageScaler<scale=2.0>(x)", {"x": X}, 7)
    assert np.array_equal(answer.numpy(), 2 * X)


def test_biases_that_do_not_fit_the_channels_are_refused():
    with pytest.raises(EvaluationError, match="ImageScaler has 2 biases for 3 channels; give each channel a bias"):
        outputs_of("y = ImageScaler<bias=[1.0, 2.0]>(x)", {"x": X}, 7)
