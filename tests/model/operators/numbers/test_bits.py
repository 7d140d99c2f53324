"""Bits: against ONNX Runtime where it has the type, else against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from single_node import outputs_of
from typed_node import model_of, typed_node

import onnxviz
from onnxviz.errors import EvaluationError

UNSIGNED = [np.uint8, np.uint16, np.uint32, np.uint64]
SIGNED = [np.int8, np.int16, np.int32, np.int64]


def as_carried(array: np.ndarray) -> list[int]:
    """Return numbers as the network gives them: a uint64 is carried by the bits of an int64."""
    return array.view(np.int64).tolist() if array.dtype == np.uint64 else array.tolist()


def run(operator: str, inputs: dict[str, np.ndarray], **attributes: object) -> list[int]:
    model = typed_node(operator, inputs, opset=28 if operator == "BitShift" else 21, **attributes)
    return onnxviz.load(model).network()(inputs)["y"].tolist()


@pytest.mark.parametrize("dtype", [*UNSIGNED, *SIGNED])
@pytest.mark.parametrize(
    ("operator", "function"), [("And", np.bitwise_and), ("Or", np.bitwise_or), ("Xor", np.bitwise_xor)]
)
def test_numpy_agrees_about_two_operands(operator, function, dtype):
    limits = np.iinfo(dtype)
    inputs = {"a": np.array([limits.max, limits.min, 5, 12], dtype), "b": np.array([3, 6, 3, limits.max], dtype)}
    assert run(f"Bitwise{operator}", inputs) == as_carried(function(inputs["a"], inputs["b"]))


@pytest.mark.parametrize("dtype", [*UNSIGNED, *SIGNED])
def test_numpy_agrees_about_not(dtype):
    limits = np.iinfo(dtype)
    inputs = {"a": np.array([limits.max, limits.min, 5], dtype)}
    assert run("BitwiseNot", inputs) == as_carried(np.invert(inputs["a"]))


@pytest.mark.parametrize("dtype", [*UNSIGNED, *SIGNED])
@pytest.mark.parametrize(("direction", "function"), [("LEFT", np.left_shift), ("RIGHT", np.right_shift)])
def test_numpy_agrees_about_shifts(direction, function, dtype):
    limits = np.iinfo(dtype)
    values, amounts = np.meshgrid(
        np.array([limits.max, limits.min, 5, limits.max // 3], dtype), np.arange(limits.bits, dtype=dtype)
    )
    inputs = {"a": values.reshape(-1), "b": amounts.reshape(-1)}
    assert run("BitShift", inputs, direction=direction) == as_carried(function(inputs["a"], inputs["b"]))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.uint64])
@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
def test_onnx_runtime_agrees_about_shifts_of_unsigned_numbers(compare, direction, dtype):
    inputs = {"a": np.array([1, 7, 100], dtype), "b": np.array([3, 1, 0], dtype)}
    compare(typed_node("BitShift", inputs, opset=11, direction=direction), inputs)


def test_a_shift_as_wide_as_the_type_leaves_the_sign():
    inputs = {"a": np.array([-5, 5, -5, 5], np.int8), "b": np.array([8, 8, -1, -1], np.int8)}
    assert run("BitShift", inputs, direction="RIGHT") == [-1, 0, -1, 0]
    assert run("BitShift", inputs, direction="LEFT") == [0, 0, 0, 0]


def test_an_unknown_direction_is_refused():
    inputs = {"a": np.array([1], np.uint8), "b": np.array([1], np.uint8)}
    with pytest.raises(EvaluationError, match='direction="UP"; give "LEFT" or "RIGHT"'):
        outputs_of('y = BitShift<direction="UP">(a, b)', inputs)


def test_quantized_values_that_travel_as_floats_have_bits():
    inputs = {"a": np.array([[1, 2], [3, 4]], np.uint8), "b": np.array(6, np.int32)}
    nodes = [helper.make_node("MatMulInteger", ["a", "a"], ["p"]), helper.make_node("BitwiseAnd", ["p", "b"], ["y"])]
    answer = onnxviz.load(model_of(nodes, inputs, (), ["y"], 21)).network()(inputs)["y"]
    product = inputs["a"].astype(np.int32) @ inputs["a"]
    assert answer.tolist() == np.bitwise_and(product, 6).tolist()
