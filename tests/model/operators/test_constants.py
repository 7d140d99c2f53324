"""Constant, ConstantOfShape and Range: against ONNX Runtime and numpy."""

from __future__ import annotations

import numpy as np
import onnx.helper
import pytest
import torch
from single_node import outputs_of, written

import onnxviz
from onnxviz.errors import AllocationError, EvaluationError, OnnxvizError
from onnxviz.model.operators.constants import constant, constant_of_shape


def scalar(value: float, kind: str = "float32") -> np.ndarray:
    return np.array(value, kind)


# A Constant alone does not run as a node; with the sum it does.
@pytest.mark.parametrize(
    "attribute",
    [
        "value = float[2] {1.5, -2}",
        "value_float = 2.5",
        "value_floats = [1.5, -2.0]",
    ],
)
def test_constants_of_floats(compare, attribute):
    inputs = {"x": np.float32([[1, 2]])}
    compare(written(f"y = Add(x, c) c = Constant<{attribute}>()", inputs, 13), inputs)


@pytest.mark.parametrize("attribute", ["value_int = 3", "value_ints = [1, -2]", "value = int64 {7}"])
def test_constants_of_integers(compare, attribute):
    inputs = {"x": np.array([[1, 2]])}
    compare(written(f"y = Add(x, c) c = Constant<{attribute}>()", inputs, 13), inputs)


def test_sparse_constants_are_made_dense(compare):
    inputs = {"x": np.zeros((2, 3), np.float32)}
    model = written("y = Add(x, c)", inputs, 13)
    values = onnx.numpy_helper.from_array(np.float32([4, 5]), "values")
    places = onnx.numpy_helper.from_array(np.array([1, 5]), "places")
    sparse = onnx.helper.make_sparse_tensor(values, places, [2, 3])
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["c"], sparse_value=sparse))
    (ours,) = onnxviz.load(model).network()(inputs).values()
    assert ours.tolist() == [[0, 4, 0], [0, 0, 5]]


def test_constants_of_strings_are_refused():
    for text in ({"value": ("a",)}, {"value_string": "a"}, {"value_strings": ("a", "b")}):
        with pytest.raises(EvaluationError, match="a Constant of strings has no counterpart in torch"):
            constant(**text)


def test_a_constant_must_hold_something():
    with pytest.raises(EvaluationError, match="one of its value attributes must be there"):
        constant()


@pytest.mark.parametrize(
    "attribute", ["", "<value = float[1] {2.5}>", "<value = int64[1] {7}>", "<value = bool[1] {1}>"]
)
@pytest.mark.parametrize("shape", [[2, 3], [0, 3], []])
def test_constant_of_shape(compare, attribute, shape):
    inputs = {"s": np.array(shape, np.int64)}
    compare(written(f"y = ConstantOfShape{attribute}(s)", inputs, 9), inputs)


def test_constant_of_shape_takes_one_number():
    with pytest.raises(EvaluationError, match="it takes one number"):
        constant_of_shape((2,), value=torch.ones(2))


@pytest.mark.parametrize(
    ("start", "limit", "delta", "kind"),
    [
        (1, 2, 0.3, "float32"),
        (0, 1, 0.1, "float32"),
        (0, 1, 0.1, "float64"),
        (10, 4, -2, "int64"),
        (10, 4, -4, "int32"),
        (10, 14, -2, "int64"),
        (3, 3, 1, "int64"),
    ],
)
def test_range(compare, start, limit, delta, kind):
    inputs = {"a": scalar(start, kind), "b": scalar(limit, kind), "d": scalar(delta, kind)}
    compare(written("y = Range(a, b, d)", inputs, 11), inputs)
    compare(written("y = Range(a, b, d)", inputs, 11, ["a", "d"]), {"b": inputs["b"]})


@pytest.mark.parametrize(
    ("numbers", "message"),
    [((0, 3, 0), "has delta 0; delta must not be 0"), ((0, np.inf, 1), "all three numbers must be finite")],
)
def test_ranges_without_end_are_refused(numbers, message):
    inputs = dict(zip("abd", map(scalar, numbers), strict=True))
    with pytest.raises(EvaluationError, match=message):
        outputs_of("y = Range(a, b, d)", inputs, 11)


@pytest.mark.parametrize(
    ("call", "inputs", "kind", "message"),
    [
        ("y = Range(a, b, d)", {"a": scalar(0), "b": scalar(1e12), "d": scalar(1)}, AllocationError, "at most"),
        ("y = ConstantOfShape(s)", {"s": np.array([1 << 20, 1 << 20])}, AllocationError, "at most"),
        ("y = ConstantOfShape(s)", {"s": np.array([-1])}, EvaluationError, "must not be negative"),
    ],
)
def test_absurd_sizes_are_refused(call, inputs, kind, message):
    with pytest.raises(OnnxvizError, match=message) as raised:
        outputs_of(call, inputs, 11)
    assert raised.type is kind


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float32])
@pytest.mark.parametrize("numbers", [(2, 9, 3), (5, -3, -2), (0, 4)])
def test_the_older_range_may_leave_out_its_step(compare, numbers, dtype):
    inputs = {name: np.array(number, dtype) for name, number in zip("abc", numbers, strict=False)}
    compare(written(f"y = com.microsoft.Range({', '.join(inputs)})", inputs, 17), inputs)
