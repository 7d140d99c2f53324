"""Running totals: against ONNX Runtime and the reference, gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator
from single_node import gradients_agree, outputs_of, written

X = np.random.default_rng(6).standard_normal((2, 3, 4)).astype(np.float32)
SWITCHES = [(e, r) for e in (0, 1) for r in (0, 1)]


@pytest.mark.parametrize(("exclusive", "reverse"), SWITCHES)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_onnx_runtime_agrees_about_sums(compare, axis, exclusive, reverse):
    for values in (X, (X * 9).astype(np.int32)):
        inputs = {"x": values, "a": np.array(axis, np.int64)}
        call = f"y = CumSum<exclusive={exclusive}, reverse={reverse}>(x, a)"
        compare(written(call, inputs, 14, ["a"]), {"x": values})


@pytest.mark.parametrize(("exclusive", "reverse"), SWITCHES)
@pytest.mark.parametrize("axis", [0, -1])
def test_the_reference_agrees_about_products(axis, exclusive, reverse):
    inputs = {"x": X, "a": np.array(axis, np.int64)}
    call = f"y = CumProd<exclusive={exclusive}, reverse={reverse}>(x, a)"
    (expected,) = ReferenceEvaluator(written(call, inputs, 26)).run(None, inputs)
    (answer,) = outputs_of(call, inputs, 26)
    np.testing.assert_allclose(answer.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(("exclusive", "reverse"), SWITCHES)
@pytest.mark.parametrize(("operator", "opset"), [("CumSum", 14), ("CumProd", 26)])
def test_gradients_agree_with_differences(operator, opset, exclusive, reverse):
    call = f"y = {operator}<exclusive={exclusive}, reverse={reverse}>(x, a)"
    assert gradients_agree(call, {"x": X[:1], "a": np.array(2, np.int64)}, opset)


def test_what_is_left_out_is_never_touched():
    inputs = {"x": np.array([1.0, np.inf], np.float32), "a": np.array(0, np.int64)}
    (answer,) = outputs_of("y = CumSum<exclusive=1>(x, a)", inputs)
    assert answer.tolist() == [0.0, 1.0]


def test_an_empty_axis_stays_empty():
    (answer,) = outputs_of("y = CumSum<exclusive=1>(x, a)", {"x": X[:, :0], "a": np.array(1, np.int64)})
    assert tuple(answer.shape) == (2, 0, 4)
