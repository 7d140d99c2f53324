"""Reductions: against ONNX Runtime, gradients against finite differences, and reductions of empty tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from single_node import gradients_agree, outputs_of, written
from typed_node import typed_node

import onnxviz

X = (np.random.default_rng(5).random((2, 3, 4)) + 0.5).astype(np.float32)
WHOLE = np.arange(-5, 19, dtype=np.int32).reshape(2, 3, 4)
OPERATORS = [
    *("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"),
    *("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"),
]


def axes(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("operator", OPERATORS)
def test_onnx_runtime_agrees_about_axes_as_input(compare, operator, keep):
    for chosen in (axes(1), axes(-1, 0), axes(0, 1, 2)):
        inputs = {"x": X, "a": chosen}
        compare(written(f"y = {operator}<keepdims={keep}>(x, a)", inputs, 18, ["a"]), {"x": X})
    compare(written(f"y = {operator}<keepdims={keep}>(x)", {"x": X}, 18), {"x": X})


@pytest.mark.parametrize("opset", [7, 11, 12])
@pytest.mark.parametrize("operator", OPERATORS)
def test_onnx_runtime_agrees_about_axes_as_attribute(compare, operator, opset):
    for call in (f"{operator}<axes=[1]>", f"{operator}<axes=[0, 2], keepdims=0>", operator):
        compare(written(f"y = {call}(x)", {"x": X}, opset), {"x": X})


@pytest.mark.parametrize("operator", OPERATORS)
def test_over_no_axes_only_the_elementwise_part_is_done(operator):
    functions = {"ReduceL1": np.abs, "ReduceL2": np.abs, "ReduceSumSquare": np.square, "ReduceLogSum": np.log}
    inputs = {"x": X, "a": axes()}
    (answer,) = outputs_of(f"y = {operator}<noop_with_empty_axes=1>(x, a)", inputs, 18)
    np.testing.assert_allclose(answer.numpy(), functions.get(operator, np.array)(X), rtol=1e-6)


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_number_is_reduced_like_one_element(operator):
    (alone,) = outputs_of(f"y = {operator}(x)", {"x": np.float32(1.5)[...]}, 18)
    (element,) = outputs_of(f"y = {operator}<keepdims=0>(x)", {"x": np.array([1.5], np.float32)}, 18)
    assert alone.shape == ()
    torch.testing.assert_close(alone, element)


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_reference_agrees_about_an_empty_set(operator):
    inputs = {"x": np.zeros((2, 0, 3), np.float32), "a": axes(1)}
    call = f"y = {operator}(x, a)"
    (answer,) = outputs_of(call, inputs, 20)
    with np.errstate(all="ignore"):
        try:
            (expected,) = ReferenceEvaluator(written(call, inputs, 20)).run(None, inputs)
        except ValueError:  # the reference cannot subtract a maximum that does not exist
            expected = np.full((2, 1, 3), -np.inf, np.float32)
        except RuntimeWarning:  # the mean of an empty tensor
            expected = np.full((2, 1, 3), np.nan, np.float32)
    np.testing.assert_array_equal(answer.numpy(), expected)


@pytest.mark.parametrize("operator", ["ReduceMax", "ReduceMin"])
@pytest.mark.parametrize("dtype", [np.bool_, np.int32, np.uint8])
def test_the_extreme_of_nothing_is_the_other_end_of_the_type(operator, dtype):
    inputs = {"x": np.zeros((0, 2), dtype), "a": axes(0)}
    answer = onnxviz.load(typed_node(operator, inputs, opset=20, constants=["a"], keepdims=0)).network()(inputs)["y"]
    low, high = (False, True) if dtype == np.bool_ else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    assert answer.tolist() == [low if operator == "ReduceMax" else high] * 2


@pytest.mark.parametrize("operator", [o for o in OPERATORS if "Log" not in o and o != "ReduceL2"])
def test_onnx_runtime_agrees_about_integers(compare, operator):
    compare(written(f"y = {operator}<axes=[2]>(x)", {"x": WHOLE}, 12), {"x": WHOLE})


@pytest.mark.parametrize("operator", ["ReduceMax", "ReduceMin"])
def test_onnx_runtime_agrees_about_truth(compare, operator):
    inputs = {"x": WHOLE > 3, "a": axes(1)}
    compare(written(f"y = {operator}(x, a)", inputs, 20, ["a"]), {"x": inputs["x"]})


@pytest.mark.parametrize("operator", OPERATORS)
def test_gradients_agree_with_differences(operator):
    assert gradients_agree(f"y = {operator}<axes=[0, 2], keepdims=0>(x)", {"x": X}, 12)
    assert gradients_agree(f"y = {operator}(x)", {"x": X}, 18)


@pytest.mark.parametrize(
    ("operator", "value"),
    [("ReduceL2", 0.0), ("ReduceProd", 0.0), ("ReduceLogSumExp", -np.inf), ("ReduceMax", 0.0), ("ReduceMax", -np.inf)],
)
def test_gradients_stay_finite_where_all_values_are_the_same(operator, value):
    x = torch.full((2, 3), value, requires_grad=True)
    model = written(f"y = {operator}<axes=[1]>(x)", {"x": np.zeros((2, 3), np.float32)}, 12)
    y = onnxviz.load(model).network()({"x": x})["y"]
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.isfinite(gradient).all()
