"""Ranges of integer types: wrapping agrees with numpy's and ml_dtypes' casts, for integers and for whole floats."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from typed_node import typed_node

import onnxviz
from onnxviz.errors import EvaluationError
from onnxviz.model.operators.numbers.integer_types import RANGES, bounds, element_type_of, modulo_range, width, wrapped

VALUES = np.array([-70000, -257, -129, -9, -1, 0, 1, 7, 8, 15, 16, 128, 255, 256, 40000, 70000], np.int64)
NARROW = [t for t in RANGES if width(t) <= 32]


@pytest.mark.parametrize("element_type", NARROW)
def test_numpy_wraps_the_same(element_type):
    expected = VALUES.astype(helper.tensor_dtype_to_np_dtype(element_type)).astype(np.int64)
    assert modulo_range(torch.from_numpy(VALUES), element_type).tolist() == expected.tolist()
    assert modulo_range(torch.from_numpy(VALUES).double(), element_type).tolist() == expected.tolist()


@pytest.mark.parametrize("element_type", RANGES)
def test_bounds_are_those_of_the_type(element_type):
    dtype = helper.tensor_dtype_to_np_dtype(element_type)
    low, high = bounds(element_type)
    assert high - low + 1 == 1 << width(element_type)
    for bound in (low, high):
        assert int(np.array(bound).astype(dtype)) == bound


def test_types_that_torch_has_wrap_by_themselves():
    values = torch.tensor([200], dtype=torch.uint8)
    assert wrapped(values, TensorProto.UINT8) is values
    assert wrapped(values, 0) is values
    assert wrapped(torch.tensor([65536 + 7], dtype=torch.int32), TensorProto.UINT16).tolist() == [7]


def test_a_gradient_passes_through_wrapping():
    x = torch.tensor([300.0, -1.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(modulo_range(x, TensorProto.UINT8).sum(), x)
    assert gradient.tolist() == [1.0, 1.0]


def test_what_is_no_integer_has_no_bounds():
    with pytest.raises(
        EvaluationError, match="float is not an integer type; values can only be quantized to integer types"
    ):
        bounds(TensorProto.FLOAT)


def test_the_graph_knows_better_than_the_tensor():
    values = torch.zeros(1)
    assert element_type_of(onnx.TensorProto.UINT8, values) == TensorProto.UINT8
    assert element_type_of(0, values) == TensorProto.FLOAT
    assert element_type_of(0, values.half()) == 0


HUGE = np.array([0, 1, 2, 2**62, 2**63 - 1, 2**63, 2**63 + 5, 2**64 - 2, 2**64 - 1], np.uint64)


def carried(array: np.ndarray) -> list[int]:
    """Return uint64 numbers as the network gives them, by the bits of an int64."""
    return array.view(np.int64).tolist() if array.dtype == np.uint64 else array.tolist()


@pytest.mark.parametrize(
    ("operator", "function"),
    [
        ("Greater", np.greater),
        ("GreaterOrEqual", np.greater_equal),
        ("Less", np.less),
        ("LessOrEqual", np.less_equal),
        ("Equal", np.equal),
        ("Max", np.maximum),
        ("Min", np.minimum),
        ("Div", np.floor_divide),
        ("Mod", np.remainder),
    ],
)
def test_unsigned_numbers_of_64_bits_are_never_negative(operator, function):
    b = HUGE[1:] if operator in ("Div", "Mod") else HUGE
    inputs = {"a": HUGE[:, None], "b": b}
    answer = onnxviz.load(typed_node(operator, inputs)).network()(inputs)["y"]
    assert answer.tolist() == carried(function(HUGE[:, None], b))


def test_fmod_and_mod_are_one_for_unsigned_numbers():
    inputs = {"a": HUGE, "b": np.array([3], np.uint64)}
    answer = onnxviz.load(typed_node("Mod", inputs, fmod=1)).network()(inputs)["y"]
    assert answer.tolist() == carried(HUGE % np.uint64(3))
