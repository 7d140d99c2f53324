"""Convolutions of quantized values: against ONNX Runtime, sums against integers, and the straight-through gradient.

Weights have seven bits: with eight, ONNX Runtime's own sums of uint8 times int8 overflow on processors without VNNI.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from typed_node import fed, typed_node

import onnxviz

RANDOM = np.random.default_rng(10)
PAIRS = [(np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)]
GEOMETRIES = [
    {},
    {"pads": [1, 0, 1, 2]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"dilations": [2, 2], "pads": [2, 2, 2, 2]},
]
HELD = ["w", "ws", "wz", "ys", "yz", "b"]


def any_of(dtype, shape=()):
    return RANDOM.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, shape).astype(dtype)


def weight_of(dtype, shape=()):
    low, high = (0, 128) if dtype == np.uint8 else (-64, 64)
    return RANDOM.integers(low, high, shape).astype(dtype)


def layer(image, weight, filters: int = 4, group: int = 1, channels: int = 3):
    return {
        "x": any_of(image, (2, channels, 8, 8)),
        "xs": np.array(0.02, np.float32),
        "xz": any_of(image),
        "w": weight_of(weight, (filters, channels // group, 3, 3)),
        "ws": RANDOM.uniform(0.01, 0.02, filters).astype(np.float32),
        "wz": np.full(filters, weight_of(weight), weight),
        "ys": np.array(0.3, np.float32),
        "yz": any_of(image),
        "b": RANDOM.integers(-10000, 10000, filters).astype(np.int32),
    }


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize(("image", "weight"), PAIRS)
def test_onnx_runtime_agrees_about_quantized_convolutions(compare, image, weight, geometry):
    inputs = layer(image, weight)
    compare(typed_node("QLinearConv", inputs, constants=HELD, **geometry), fed(inputs, HELD), rtol=0, atol=0)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_onnx_runtime_agrees_about_channels_at_the_end(compare, geometry):
    inputs = layer(np.uint8, np.int8)
    inputs["x"] = np.moveaxis(inputs["x"], 1, -1).copy()
    model = typed_node("QLinearConv", inputs, domain="com.microsoft", constants=HELD, channels_last=1, **geometry)
    compare(model, fed(inputs, HELD), rtol=0, atol=0)


def test_onnx_runtime_agrees_about_groups_and_long_sums(compare):
    for filters, group, channels in ((6, 3, 3), (4, 1, 64)):
        inputs = layer(np.uint8, np.int8, filters, group, channels) | {"ys": np.array(3.0, np.float32)}
        compare(typed_node("QLinearConv", inputs, constants=HELD, group=group), fed(inputs, HELD), rtol=0, atol=0)


def test_onnx_runtime_agrees_about_a_layer_without_bias(compare):
    inputs = layer(np.uint8, np.uint8) | {"ws": np.array(0.01, np.float32), "wz": weight_of(np.uint8)}
    del inputs["b"]
    compare(typed_node("QLinearConv", inputs, constants=HELD[:-1]), fed(inputs, HELD), rtol=0, atol=0)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize(("image", "weight"), PAIRS[:2])
def test_onnx_runtime_agrees_about_integer_convolutions(compare, image, weight, geometry):
    inputs = {
        "x": any_of(image, (2, 3, 8, 8)),
        "w": any_of(weight, (4, 3, 3, 3)),
        "xz": any_of(image),
        "wz": any_of(weight),
    }
    compare(typed_node("ConvInteger", inputs, **geometry), inputs, rtol=0, atol=0)
    bare = {"x": inputs["x"], "w": inputs["w"]}
    compare(typed_node("ConvInteger", bare, **geometry), bare, rtol=0, atol=0)


def test_a_zero_point_may_belong_to_the_filter():
    inputs = {
        "x": any_of(np.uint8, (1, 2, 5)),
        "w": any_of(np.int8, (3, 2, 2)),
        "xz": any_of(np.uint8),
        "wz": any_of(np.int8, 3),
    }
    answer = onnxviz.load(typed_node("ConvInteger", inputs)).network()(inputs)["y"]
    x = torch.tensor(inputs["x"]).double() - float(inputs["xz"])
    expected = F.conv1d(x, torch.tensor(inputs["w"]).double() - torch.tensor(inputs["wz"]).double().reshape(3, 1, 1))
    assert answer.tolist() == expected.tolist()


def test_the_gradient_is_that_of_the_convolution_of_real_numbers():
    inputs = layer(np.uint8, np.int8) | {"yz": np.array(128, np.uint8), "ys": np.array(10.0, np.float32)}
    network = onnxviz.load(typed_node("QLinearConv", inputs, constants=["xs", "xz", *HELD])).network()
    # A quantized input may be whole floats, as from another quantized layer.
    x = torch.tensor(inputs["x"]).float().requires_grad_()
    (gradient,) = torch.autograd.grad(network({"x": x})["y"].sum(), x)
    scales = inputs["ws"].reshape(4, 1, 1, 1)
    kernel = torch.tensor((inputs["w"].astype(np.float32) - inputs["wz"].reshape(4, 1, 1, 1)) * scales)
    twin = torch.zeros_like(x, requires_grad=True)
    (expected,) = torch.autograd.grad((F.conv2d(twin, kernel) * float(inputs["xs"] / inputs["ys"])).sum(), twin)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)
