"""Arithmetic: against ONNX Runtime, old broadcasting against numpy, gradients against finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from single_node import gradients_agree, outputs_of, written
from typed_node import fed, typed_node

import onnxviz
from onnxviz.errors import EvaluationError
from onnxviz.model.operators.arithmetic import power, square_root, total

RANDOM = np.random.default_rng(0)
A = RANDOM.standard_normal((2, 3, 4)).astype(np.float32)
B = (RANDOM.standard_normal((3, 1)) + 3).astype(np.float32)
WHOLE = np.array([-9, -7, -1, 0, 5, 8], np.int64)
BY = np.array([2, -2, 3, 5, -3, 3], np.int64)

CASES = [
    ("y = Add(a, b)", {"a": A, "b": B}, 14),
    ("y = Sub(a, b)", {"a": A, "b": B}, 14),
    ("y = Mul(a, b)", {"a": A, "b": B}, 14),
    ("y = Div(a, b)", {"a": A, "b": B}, 14),
    ("y = Div(a, b)", {"a": WHOLE, "b": BY}, 14),
    ("y = Div(a, b)", {"a": WHOLE.astype(np.int32), "b": BY.astype(np.int32)}, 7),
    ("y = Add(a, b)", {"a": np.array([250, 3], np.uint8), "b": np.array([10, 1], np.uint8)}, 14),
    ("y = Mul(a, b)", {"a": np.array([100, -3], np.int8), "b": np.array([3, 5], np.int8)}, 14),
    ("y = Mod(a, b)", {"a": WHOLE, "b": BY}, 13),
    ("y = Mod<fmod=1>(a, b)", {"a": WHOLE, "b": BY}, 13),
    ("y = Mod<fmod=1>(a, b)", {"a": A, "b": B}, 10),
    ("y = Pow(a, b)", {"a": np.abs(A), "b": B}, 7),
    ("y = Pow(a, b)", {"a": A, "b": np.float32(2)[...]}, 13),
    ("y = Pow(a, b)", {"a": A, "b": np.array([3.0], np.float32)}, 13),
    ("y = Pow(a, b)", {"a": A, "b": np.array([[-2]], np.int64)}, 13),
    ("y = Pow(a, b)", {"a": A, "b": np.arange(4, dtype=np.int32)}, 13),
    ("y = Pow(a, b)", {"a": A, "b": np.array([[[[2.0]]]], np.float32)}, 13),
    ("y = Pow(a, b)", {"a": np.array([1, 2, -3], np.int32), "b": np.array([4.0, 0.5, 3.0], np.float32)}, 13),
    ("y = Pow(a, b)", {"a": np.array([1, 2, -3], np.int64), "b": np.array([4, 0, 3], np.int64)}, 15),
    ("y = Neg(a)", {"a": A}, 13),
    ("y = Neg(a)", {"a": WHOLE}, 13),
    ("y = Abs(a)", {"a": A}, 13),
    ("y = Sqrt(a)", {"a": np.abs(A)}, 13),
    ("y = Reciprocal(b)", {"b": B}, 13),
    ("y = Exp(a)", {"a": A}, 13),
    ("y = Log(b)", {"b": B}, 13),
    ("y = Erf(a)", {"a": A}, 13),
    ("y = Sum(a, b, c)", {"a": A, "b": B, "c": A[:1]}, 13),
    ("y = Mean(a, b, c)", {"a": A, "b": B, "c": A[:1]}, 13),
    ("y = Min(a, b, c)", {"a": A, "b": B - 3, "c": A[:1]}, 13),
    ("y = Max(a, b, c)", {"a": A, "b": B - 3, "c": A[:1]}, 13),
    ("y = Max(a)", {"a": A}, 8),
    ("y = Min(a, b)", {"a": WHOLE, "b": BY}, 13),
]


@pytest.mark.parametrize(("call", "inputs", "opset"), CASES)
def test_onnx_runtime_agrees(compare, call, inputs, opset):
    compare(written(call, inputs, opset), inputs)


# A power of a negative base has no derivative in the direction of the exponent: its own test is below.
SMOOTH = [
    *(case for case in CASES if next(iter(case[1].values())).dtype == np.float32 and "Pow" not in case[0]),
    ("y = Pow(a, b)", {"a": np.abs(A), "b": B}, 7),
    ("y = Pow(a, b)", {"a": np.abs(A), "b": np.array([[[[2.0]]]], np.float32)}, 13),
    ("y = Pow(a, b)", {"a": A, "b": np.array([[-2]], np.int64)}, 13),
]


@pytest.mark.parametrize(("call", "inputs", "opset"), SMOOTH)
def test_gradients_agree_with_differences(call, inputs, opset):
    assert gradients_agree(call, inputs, opset)


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64, np.int32, np.int64])
@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul"])
def test_integers_wrap_around(operator, dtype):
    top = np.iinfo(dtype).max // 2 + 1
    inputs = {"a": np.array([top, 3, top + 7], dtype), "b": np.array([top, 5, 2], dtype)}
    expected = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}[operator](inputs["a"], inputs["b"])
    answer = onnxviz.load(typed_node(operator, inputs)).network()(inputs)["y"]
    # A uint64 is stored as the bits of an int64.
    assert answer.tolist() == expected.astype(np.int64 if dtype == np.uint64 else dtype).tolist()


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul"])
def test_sixteen_bits_wrap_around_although_carried_wider(operator):
    inputs = {"a": np.array([65535, 3], np.uint16), "b": np.array([65535, 5], np.uint16)}
    expected = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}[operator](inputs["a"], inputs["b"])
    answer = onnxviz.load(typed_node(operator, inputs, opset=14)).network()(inputs)["y"]
    assert answer.tolist() == expected.tolist()


@pytest.mark.parametrize("opset", [1, 6])
@pytest.mark.parametrize(
    ("operator", "function"),
    [("Add", np.add), ("Sub", np.subtract), ("Mul", np.multiply), ("Div", np.divide), ("Pow", np.power)],
)
@pytest.mark.parametrize(("axis", "run"), [(0, (2,)), (1, (3,)), (-2, (3, 4)), (0, (2, 3)), (None, (4,)), (1, ())])
def test_the_second_operand_was_lined_up_by_an_axis(operator, function, axis, run, opset):
    base = np.abs(A) + 1
    other = (RANDOM.random(run) + 1).astype(np.float32)
    attributes = {"broadcast": 1} if axis is None else {"broadcast": 1, "axis": axis}
    start = 3 - len(run) if axis is None else axis % 3
    inputs = {"a": base, "b": other}
    answer = onnxviz.load(typed_node(operator, inputs, opset=opset, **attributes)).network()(inputs)["y"]
    spread = other.reshape((1,) * start + run + (1,) * (3 - start - len(run)))
    np.testing.assert_allclose(answer.numpy(), function(base, spread), rtol=1e-5)


def test_an_axis_that_lies_outside_is_refused():
    inputs = {"a": A, "b": A[0]}
    network = onnxviz.load(typed_node("Add", inputs, opset=6, broadcast=1, axis=2)).network()
    with pytest.raises(
        EvaluationError, match=r"axis=2 lines up an operand of shape \[3, 4\] with an operand of shape \[2, 3, 4\]"
    ):
        network(inputs)


@pytest.mark.parametrize("call", ["y = Sqrt(a)", "y = Pow(a, b)"])
def test_an_infinite_slope_gives_a_gradient_of_zero(call):
    a = torch.tensor([0.0, 4.0], requires_grad=True)
    for exponent in (torch.tensor(0.5), torch.tensor([0.5, 0.5]), torch.tensor(0.5, requires_grad=True)):
        value = square_root(a) if "Sqrt" in call else power(a, exponent)
        assert value.tolist() == [0.0, 2.0]
        (gradient,) = torch.autograd.grad(value.sum(), a)
        assert gradient.tolist() == [0.0, 0.25]


def test_a_negative_base_has_no_gradient_in_the_exponent():
    base = torch.tensor([-2.0, -2.0, 2.0, 0.0], requires_grad=True)
    exponent = torch.tensor([2.0, 3.0, 3.0, 2.0], requires_grad=True)
    value = power(base, exponent)
    assert value.tolist() == [4.0, -8.0, 8.0, 0.0]
    slopes = torch.autograd.grad(value.sum(), (base, exponent))
    assert slopes[0].tolist() == [-4.0, 12.0, 12.0, 0.0]
    torch.testing.assert_close(slopes[1], torch.tensor([0.0, 0.0, 8.0 * math.log(2.0), 0.0]))


@pytest.mark.parametrize("fmod", [0, 1])
def test_a_float_remainder_has_the_sign_of_one_operand(fmod):
    a, b = np.array([5.3, -5.3, 5.3, -5.3], np.float32), np.array([2.0, 2.0, -2.0, -2.0], np.float32)
    (answer,) = outputs_of(f"y = Mod<fmod={fmod}>(a, b)", {"a": a, "b": b}, 28)
    np.testing.assert_allclose(answer.numpy(), np.fmod(a, b) if fmod else np.mod(a, b), rtol=1e-6)


def test_equal_values_share_the_gradient_of_a_maximum():
    leaves = [torch.tensor([1.0, 2.0], requires_grad=True) for _ in range(2)]
    network = onnxviz.load(written("y = Max(a, b)", {"a": A[0, 0, :2], "b": A[0, 0, :2]})).network()
    value = network(dict(zip("ab", leaves, strict=True)))["y"]
    for gradient in torch.autograd.grad(value.sum(), leaves):
        assert gradient.tolist() == [0.5, 0.5]


def test_no_inputs_are_refused():
    with pytest.raises(EvaluationError, match="Sum has no inputs; it needs at least one input"):
        total()


def test_division_of_integers_by_zero_is_refused():
    inputs = {"a": WHOLE, "b": np.zeros_like(WHOLE)}
    with pytest.raises(EvaluationError, match="Div at y"):
        onnxviz.load(typed_node("Div", inputs)).network()(fed(inputs))
