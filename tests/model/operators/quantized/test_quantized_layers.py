"""ONNX Runtime's quantized layers: bit for bit against its kernels, and the straight-through gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from typed_node import fed, model_of, typed_node

import onnxviz
from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Node
from onnxviz.model.operators.quantized.layers import qlinear_leaky_relu

RANDOM = np.random.default_rng(11)
BOTH = pytest.mark.parametrize("dtype", [np.uint8, np.int8])
# Simple ratios, so that many results are halves, which show how a kernel rounds.
SCALES = {"as": np.array(0.02, np.float32), "bs": np.array(0.03, np.float32), "cs": np.array(0.04, np.float32)}


def any_of(dtype, shape=()):
    return RANDOM.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, shape).astype(dtype)


def exactly(compare, operator: str, inputs, constants=(), **attributes):
    model = typed_node(operator, inputs, domain="com.microsoft", constants=constants, **attributes)
    compare(model, fed(inputs, constants), rtol=0, atol=0)


@BOTH
@pytest.mark.parametrize("operator", ["QLinearAdd", "QLinearMul"])
def test_onnx_runtime_agrees_about_two_operands(compare, operator, dtype):
    inputs = {
        "a": any_of(dtype, (4, 5, 600)),
        "as": SCALES["as"],
        "az": any_of(dtype),
        "b": any_of(dtype, (5, 600)),
        "bs": SCALES["bs"],
        "bz": any_of(dtype),
        "cs": SCALES["cs"],
        "cz": any_of(dtype),
    }
    exactly(compare, operator, inputs)


@BOTH
@pytest.mark.parametrize(("operator", "attributes"), [("QLinearSigmoid", {}), ("QLinearLeakyRelu", {"alpha": 0.1})])
def test_onnx_runtime_agrees_about_activations(compare, operator, attributes, dtype):
    scale = np.array(1 / 256, np.float32) if operator == "QLinearSigmoid" else SCALES["cs"]
    inputs = {
        "x": any_of(dtype, 999),
        "xs": SCALES["cs"],
        "xz": any_of(dtype),
        "ys": scale,
        "yz": np.array(np.iinfo(dtype).min, dtype),
    }
    exactly(compare, operator, inputs, ["xs", "xz", "ys", "yz"], **attributes)


@BOTH
@pytest.mark.parametrize("opset", [12, 13])
@pytest.mark.parametrize("axis", [1, -1])
def test_onnx_runtime_agrees_about_softmax(compare, axis, opset, dtype):
    inputs = {
        "x": any_of(dtype, (4, 5, 6)),
        "xs": SCALES["cs"],
        "xz": any_of(dtype),
        "ys": np.array(1 / 256, np.float32),
        "yz": np.array(np.iinfo(dtype).min, dtype),
    }
    node = helper.make_node("QLinearSoftmax", list(inputs), ["y"], domain="com.microsoft", axis=axis, opset=opset)
    compare(model_of([node], inputs, ["xs", "xz", "ys", "yz"], ["y"], 21), {"x": inputs["x"]}, rtol=0, atol=0)


@BOTH
def test_onnx_runtime_agrees_about_a_choice(compare, dtype):
    inputs = {
        "p": RANDOM.random((3, 4)) > 0.5,
        "x": any_of(dtype, (3, 4)),
        "xs": SCALES["as"],
        "xz": any_of(dtype),
        "y": any_of(dtype, 4),
        "ys": SCALES["bs"],
        "yz": any_of(dtype),
        "zs": SCALES["cs"],
        "zz": any_of(dtype),
    }
    exactly(compare, "QLinearWhere", inputs, ["xs", "xz", "ys", "yz", "zs", "zz"], outputs=["z"])


@BOTH
def test_onnx_runtime_agrees_about_joining(compare, dtype):
    inputs = {
        "cs": SCALES["cs"],
        "cz": any_of(dtype),
        "a": any_of(dtype, (3, 40)),
        "as": SCALES["as"],
        "az": any_of(dtype),
        "b": any_of(dtype, (3, 20)),
        "bs": SCALES["bs"],
        "bz": any_of(dtype),
    }
    exactly(compare, "QLinearConcat", inputs, ["cs", "cz", "as", "az", "bs", "bz"], axis=1)


@BOTH
@pytest.mark.parametrize("last", [0, 1])
def test_onnx_runtime_agrees_about_global_means(compare, last, dtype):
    inputs = {
        "x": any_of(dtype, (4, 6, 8, 100)),
        "xs": np.array(0.1, np.float32),
        "xz": any_of(dtype),
        "ys": np.array(0.05, np.float32),
        "yz": any_of(dtype),
    }
    exactly(compare, "QLinearGlobalAveragePool", inputs, channels_last=last)


@BOTH
@pytest.mark.parametrize("ceil", [0, 1])
@pytest.mark.parametrize("whole", [0, 1])
@pytest.mark.parametrize("last", [0, 1])
def test_onnx_runtime_agrees_about_means_of_windows(compare, last, whole, ceil, dtype):
    inputs = {
        "x": any_of(dtype, (2, 8, 8, 8)),
        "xs": np.array(0.1, np.float32),
        "xz": any_of(dtype),
        "ys": np.array(0.0737, np.float32),
        "yz": any_of(dtype),
    }
    geometry = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 0, 1]}
    switches = {"ceil_mode": ceil, "count_include_pad": whole, "channels_last": last}
    exactly(compare, "QLinearAveragePool", inputs, **geometry, **switches)


def test_without_a_zero_point_the_values_tell_the_type():
    x, scale = torch.tensor([-100, 100], dtype=torch.int8), torch.tensor(0.5)
    node = Node("com.microsoft", "QLinearLeakyRelu", "", 1, ("x", "xs", "", "ys"), ("y",), (TensorProto.INT8,))
    assert qlinear_leaky_relu(x, scale, None, scale, alpha=0.5, node=node).tolist() == [-50.0, 100.0]


def test_the_gradient_passes_straight_through_inside_the_range():
    inputs = {
        "a": any_of(np.uint8, 3),
        "as": SCALES["as"],
        "az": np.array(10, np.uint8),
        "b": np.array([0, 128, 255], np.uint8),
        "bs": SCALES["bs"],
        "bz": np.array(128, np.uint8),
        "cs": SCALES["cs"],
        "cz": np.array(100, np.uint8),
    }
    network = onnxviz.load(typed_node("QLinearAdd", inputs, domain="com.microsoft")).network()
    a = torch.tensor([10.0, 10.0, 255.0], requires_grad=True)
    y = network({**inputs, "a": a})["y"]
    assert y.tolist() == [4.0, 100.0, 255.0]
    torch.testing.assert_close(torch.autograd.grad(y.sum(), a)[0], torch.tensor([0.5, 0.5, 0.0]))


def test_tensors_without_scale_and_zero_point_cannot_be_joined():
    inputs = {"cs": SCALES["cs"], "cz": any_of(np.uint8), "a": any_of(np.uint8, 3), "as": SCALES["as"]}
    with pytest.raises(EvaluationError, match="QLinearConcat has 2 inputs behind its own scale and zero point"):
        onnxviz.load(typed_node("QLinearConcat", inputs, domain="com.microsoft", axis=0)).network()(inputs)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [2, 1], "pads": [1, 0, 1, 1]},
        {"dilations": [2, 1], "auto_pad": "SAME_UPPER"},
        {"ceil_mode": 1, "strides": [2, 2]},
    ],
    ids=["plain", "pads", "dilations", "ceil"],
)
def test_pools_of_channels_last_are_those_of_onnx_runtime(compare, dtype, attributes):
    limits = np.iinfo(dtype)
    inputs = {"x": np.random.default_rng(0).integers(limits.min, limits.max + 1, (2, 7, 6, 3)).astype(dtype)}
    model = typed_node("NhwcMaxPool", inputs, domain="com.microsoft", opset=17, kernel_shape=[3, 2], **attributes)
    compare(model, inputs)
