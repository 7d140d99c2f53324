"""Casts: against ONNX Runtime where it has the types, and the gradients through them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from single_node import outputs_of
from typed_node import Constant, element_type, fed, model_of, typed_node

import onnxviz
from onnxviz.errors import EvaluationError
from onnxviz.model.operators.numbers.casting import converted

FLOATS = np.array(
    [-300.7, -130, -9, -8.5, -1.5, -0.5, 0, 0.5, 1.5, 7.5, 8, 15.7, 16, 200, 255.5, 256, 300, 30000], np.float32
)
WHOLE = np.array([-300, -130, -9, -8, -1, 0, 7, 8, 15, 16, 255, 256, 70000], np.int32)
INTEGERS = ["UINT4", "INT4", "UINT8", "INT8", "UINT16", "INT16", "INT32", "UINT32", "INT64", "BOOL"]


def cast_and_back(values: np.ndarray, name: str, opset: int = 21):
    """Return a model that casts to a type and from there to float, which ONNX Runtime can hand out."""
    nodes = [
        helper.make_node("Cast", ["x"], ["q"], to=element_type(name)),
        helper.make_node("Cast", ["q"], ["y"], to=TensorProto.FLOAT),
    ]
    return model_of(nodes, {"x": values}, (), ["y"], opset)


@pytest.mark.parametrize("name", INTEGERS)
def test_onnx_runtime_agrees_about_integers(compare, name):
    compare(cast_and_back(WHOLE, name), {"x": WHOLE})
    # Values that do not fit into 32 unsigned bits are undefined.
    floats = FLOATS if name != "UINT32" else np.abs(FLOATS)
    compare(cast_and_back(floats, name), {"x": floats})


@pytest.mark.parametrize(
    "name", ["FLOAT16", "BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "DOUBLE"]
)
def test_onnx_runtime_agrees_about_floats(compare, name):
    compare(cast_and_back(FLOATS / 3, name), {"x": FLOATS / 3}, rtol=0, atol=0)


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int64, np.uint64, np.bool_, np.float64]
)
def test_onnx_runtime_agrees_about_the_way_to_float(compare, dtype):
    inputs = {"x": np.array([0, 1, 100, 200]).astype(dtype)}
    compare(typed_node("Cast", inputs, to=TensorProto.FLOAT), inputs)


def test_a_uint64_above_the_signed_range_is_still_positive(compare):
    inputs = {"x": np.array([2**63 + 2**40, 5], np.uint64)}
    compare(typed_node("Cast", inputs, to=TensorProto.FLOAT), inputs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint8, np.bool_])
def test_a_tensor_gives_its_type(compare, dtype):
    inputs = {"x": FLOATS[6:14], "t": np.zeros(1, dtype)}
    compare(typed_node("CastLike", inputs, opset=19), inputs)


def test_half_precision_gives_its_type_although_it_is_carried_wider():
    inputs = {"x": FLOATS / 3, "t": np.zeros(1, np.float16)}
    answer = onnxviz.load(typed_node("CastLike", inputs, opset=19)).network()(fed(inputs))["y"]
    np.testing.assert_array_equal(answer.numpy().astype(np.float32), (FLOATS / 3).astype(np.float16).astype(np.float32))


def test_the_oldest_cast_names_its_type():
    inputs = {"x": FLOATS}
    for name, expected in (("FLOAT", FLOATS), ("int32", FLOATS.astype(np.int32))):
        answer = onnxviz.load(typed_node("Cast", inputs, opset=1, to=name)).network()(inputs)["y"]
        np.testing.assert_array_equal(answer.numpy(), expected)
    with pytest.raises(EvaluationError, match='Cast has to="LONG"; give the name of an element type, such as "FLOAT"'):
        onnxviz.load(typed_node("Cast", inputs, opset=1, to="LONG")).network()(inputs)


def test_text_is_refused():
    with pytest.raises(EvaluationError, match="a tensor of type string has no counterpart in torch"):
        converted(torch.zeros(1), TensorProto.FLOAT, TensorProto.STRING)


def test_a_gradient_passes_a_cast_to_a_narrower_float_and_back():
    x = torch.tensor([1.1, 2.7], requires_grad=True)
    for name in ("FLOAT16", "BFLOAT16", "DOUBLE", "FLOAT8E4M3FN"):
        y = onnxviz.load(cast_and_back(FLOATS[:2], name)).network()({"x": x})["y"]
        (gradient,) = torch.autograd.grad(y.sum(), x)
        assert gradient.tolist() == [1.0, 1.0]


def test_a_cast_to_integers_ends_the_gradient():
    x = torch.tensor([1.1, 2.7], requires_grad=True)
    y = onnxviz.load(cast_and_back(FLOATS[:2], "INT32")).network()({"x": x})["y"]
    assert not y.requires_grad


def test_quantized_values_keep_their_gradient_through_a_cast_of_integers():
    inputs = {"x": np.array([0.4, 3.3], np.float32), "s": np.float32(0.1)[...], "z": Constant(element_type("UINT8"), 7)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("Cast", ["q"], ["w"], to=TensorProto.INT32),
        helper.make_node("Cast", ["w"], ["y"], to=TensorProto.FLOAT),
    ]
    network = onnxviz.load(model_of(nodes, inputs, (), ["y"], 21)).network()
    x = torch.tensor(inputs["x"], requires_grad=True)
    y = network({"x": x, "s": inputs["s"]})["y"]
    assert y.tolist() == [11.0, 40.0]
    torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0], torch.tensor([10.0, 10.0]))


def test_quantized_values_wrap_in_a_type_that_is_too_small():
    values = torch.tensor([200.0, 5.0], requires_grad=True)
    answer = converted(values, TensorProto.UINT8, TensorProto.INT8)
    assert answer.tolist() == [-56.0, 5.0]
    assert torch.autograd.grad(answer.sum(), values)[0].tolist() == [1.0, 1.0]


def test_nothing_but_zero_is_false():
    (answer,) = outputs_of("y = Cast<to=9>(x)", {"x": np.array([0.0, -0.0, 0.1, np.nan, -3], np.float32)})
    assert answer.tolist() == [False, False, True, True, True]
