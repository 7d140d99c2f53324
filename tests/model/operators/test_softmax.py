"""Softmax and its relatives: against ONNX Runtime, gradients against finite differences, and refused axes."""

from __future__ import annotations

import numpy as np
import pytest
from single_node import gradients_agree, outputs_of, written

from onnxviz.errors import EvaluationError

X = np.random.default_rng(2).standard_normal((2, 3, 4)).astype(np.float32)
TIES = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], np.float32)


# A negative axis came with opset 11.
@pytest.mark.parametrize(
    ("opset", "axis"), [(7, 0), (7, 2), *((o, a) for o in (11, 13) for a in (0, 1, 2, -1, -2, -3))]
)
@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "Hardmax"])
def test_onnx_runtime_agrees(compare, operator, opset, axis):
    compare(written(f"y = {operator}<axis={axis}>(x)", {"x": X}, opset), {"x": X})


@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "Hardmax"])
def test_onnx_runtime_agrees_about_the_default_axis_and_ties(compare, operator, opset):
    compare(written(f"y = {operator}(x)", {"x": TIES}, opset), {"x": TIES})
    compare(written(f"y = {operator}(x)", {"x": X}, opset), {"x": X})


@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
def test_gradients_agree_with_differences(operator, opset):
    assert gradients_agree(f"y = {operator}<axis=1>(x)", {"x": X}, opset)


def test_the_parts_sum_to_one_over_all_axes_from_one_on():
    (answer,) = outputs_of("y = Softmax<axis=1>(x)", {"x": X}, 12)
    np.testing.assert_allclose(answer.sum((1, 2)).numpy(), 1.0, rtol=1e-6)


def test_over_no_axis_every_part_is_one():
    (answer,) = outputs_of("y = Softmax<axis=3>(x)", {"x": X}, 12)
    assert np.array_equal(answer.numpy(), np.ones_like(X))


def test_an_axis_outside_is_refused():
    with pytest.raises(EvaluationError, match="axis=4 lies outside a tensor of 3 axes; it must be from -3 to 3"):
        outputs_of("y = Softmax<axis=4>(x)", {"x": X}, 12)
