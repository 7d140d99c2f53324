"""Comparisons and logic: against ONNX Runtime, old broadcasting against numpy, the gradient of a choice."""

from __future__ import annotations

import numpy as np
import pytest
from single_node import gradients_agree, outputs_of, written
from typed_node import typed_node

import onnxviz

A = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], np.float32)
B = np.array([[3.0], [5.0]], np.float32)
P = np.array([[True, False, True], [False, False, True]])
Q = np.array([True, True, False])
ODD = np.array([0.0, np.nan, np.inf, -np.inf, 1.0], np.float32)

CASES = [
    *((f"y = {operator}(a, b)", {"a": A, "b": B}, 13) for operator in ("Equal", "Greater", "Less")),
    *((f"y = {operator}(a, b)", {"a": A, "b": B}, 16) for operator in ("GreaterOrEqual", "LessOrEqual")),
    *(
        (f"y = {operator}(a, b)", {"a": A.astype(np.int64), "b": B.astype(np.int64)}, 13)
        for operator in ("Equal", "Greater", "Less")
    ),
    *((f"y = {operator}(p, q)", {"p": P, "q": Q}, 7) for operator in ("And", "Or", "Xor")),
    ("y = Equal(p, q)", {"p": P, "q": Q}, 13),
    ("y = Not(p)", {"p": P}, 13),
    ("y = IsNaN(x)", {"x": ODD}, 13),
    ("y = IsInf(x)", {"x": ODD}, 10),
    ("y = IsInf<detect_negative=0>(x)", {"x": ODD}, 20),
    ("y = IsInf<detect_positive=0>(x)", {"x": ODD}, 20),
    ("y = IsInf<detect_positive=0, detect_negative=0>(x)", {"x": ODD}, 20),
    ("y = Where(p, a, b)", {"p": P, "a": A, "b": B}, 16),
    ("y = Where(q, a, b)", {"q": Q, "a": A.astype(np.int64), "b": B.astype(np.int64)}, 9),
]


@pytest.mark.parametrize(("call", "inputs", "opset"), CASES)
def test_onnx_runtime_agrees(compare, call, inputs, opset):
    compare(written(call, inputs, opset), inputs)


def test_a_choice_passes_the_gradient_to_what_was_chosen():
    assert gradients_agree("y = Where(p, a, b)", {"p": P, "a": A, "b": B})


@pytest.mark.parametrize(
    ("operator", "function"),
    [
        ("Equal", np.equal),
        ("Greater", np.greater),
        ("Less", np.less),
        ("And", np.logical_and),
        ("Or", np.logical_or),
        ("Xor", np.logical_xor),
    ],
)
def test_the_second_operand_was_lined_up_by_an_axis(operator, function):
    logic = operator in ("And", "Or", "Xor")
    a, b = (P, P[:, 0]) if logic else (A.astype(np.int32), A[:, 1].astype(np.int32))
    inputs = {"a": a, "b": b}
    answer = onnxviz.load(typed_node(operator, inputs, opset=6, broadcast=1, axis=0)).network()(inputs)["y"]
    np.testing.assert_array_equal(answer.numpy(), function(a, b[:, None]))


def test_not_a_number_equals_nothing():
    (answer,) = outputs_of("y = Equal(x, x)", {"x": ODD})
    assert answer.tolist() == [True, False, True, True, True]
