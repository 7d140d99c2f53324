"""Products of quantized matrices: against ONNX Runtime, sums against integers, and the straight-through gradient.

Weights have seven bits: with eight, ONNX Runtime's own sums of uint8 times int8 overflow on processors without VNNI.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from typed_node import fed, typed_node

import onnxviz
from onnxviz.errors import EvaluationError

RANDOM = np.random.default_rng(9)
PAIRS = [(np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)]
SCALE = np.array(0.02, np.float32)
COLUMN_SCALES = RANDOM.uniform(0.01, 0.02, 5).astype(np.float32)


def any_of(dtype, shape=()):
    return RANDOM.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, shape).astype(dtype)


def weight_of(dtype, shape=()):
    low, high = (0, 128) if dtype == np.uint8 else (-64, 64)
    return RANDOM.integers(low, high, shape).astype(dtype)


@pytest.mark.parametrize("terms", [16, 600])
@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_onnx_runtime_agrees_about_integer_products(compare, left, right, terms):
    a, b = any_of(left, (2, 3, terms)), weight_of(right, (terms, 5))
    for zeros in ({}, {"az": any_of(left), "bz": weight_of(right)}, {"az": any_of(left, 1), "bz": weight_of(right, 5)}):
        inputs = {"a": a, "b": b, **zeros}
        compare(typed_node("MatMulInteger", inputs), inputs, rtol=0, atol=0)


def test_integers_agree_where_eight_bits_are_full():
    a, b = any_of(np.uint8, (3, 900)), any_of(np.int8, (900, 4))
    zeros = {"az": any_of(np.uint8, 3), "bz": any_of(np.int8, 4)}
    inputs = {"a": a, "b": b, **zeros}
    answer = onnxviz.load(typed_node("MatMulInteger", inputs)).network()(inputs)["y"]
    expected = (a.astype(np.int64) - zeros["az"].astype(np.int64)[:, None]) @ (b.astype(np.int64) - zeros["bz"])
    assert answer.tolist() == expected.tolist()


@pytest.mark.parametrize("terms", [16, 600])
@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_onnx_runtime_agrees_about_quantized_products(compare, left, right, terms):
    for scales, zeros in ((COLUMN_SCALES, weight_of(right, 5)), (SCALE, weight_of(right))):
        inputs = {
            "a": any_of(left, (3, terms)),
            "as": SCALE,
            "az": any_of(left),
            "b": weight_of(right, (terms, 5)),
            "bs": scales,
            "bz": zeros,
            "ys": np.array(0.5, np.float32),
            "yz": any_of(left),
        }
        compare(
            typed_node("QLinearMatMul", inputs, constants=["b", "bs", "bz"]),
            fed(inputs, ["b", "bs", "bz"]),
            rtol=0,
            atol=0,
        )


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_onnx_runtime_agrees_about_products_in_float(compare, left, right):
    inputs = {
        "a": any_of(left, (3, 16)),
        "b": weight_of(right, (16, 5)),
        "as": SCALE,
        "bs": COLUMN_SCALES,
        "az": any_of(left),
        "bz": weight_of(right, 5),
        "bias": RANDOM.standard_normal(5).astype(np.float32),
    }
    compare(typed_node("MatMulIntegerToFloat", inputs, domain="com.microsoft"), inputs)


@pytest.mark.parametrize("right", [np.uint8, np.int8])
def test_onnx_runtime_agrees_about_dynamic_quantization(compare, right):
    inputs = {
        "a": RANDOM.standard_normal((2, 3, 16)).astype(np.float32),
        "b": weight_of(right, (16, 5)),
        "bs": COLUMN_SCALES,
        "bz": weight_of(right, 5),
        "bias": RANDOM.standard_normal(5).astype(np.float32),
    }
    held = ["b", "bs", "bz", "bias"]
    compare(typed_node("DynamicQuantizeMatMul", inputs, domain="com.microsoft", constants=held), fed(inputs, held))


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_onnx_runtime_agrees_about_a_layer(compare, left, right, trans_a, trans_b):
    inputs = {
        "a": any_of(left, (16, 3) if trans_a else (3, 16)),
        "as": SCALE,
        "az": any_of(left),
        "b": weight_of(right, (5, 16) if trans_b else (16, 5)),
        "bs": COLUMN_SCALES,
        "bz": weight_of(right, 5),
        "c": RANDOM.integers(-10000, 10000, 5).astype(np.int32),
    }
    attributes = {"transA": trans_a, "transB": trans_b, "alpha": 0.7, "domain": "com.microsoft"}
    compare(typed_node("QGemm", inputs, **attributes), inputs)
    inputs |= {"ys": np.array(0.5, np.float32), "yz": any_of(left)}
    compare(typed_node("QGemm", inputs, **attributes), inputs, rtol=0, atol=0)


def test_the_gradient_is_that_of_the_product_of_real_numbers():
    inputs = {
        "a": RANDOM.standard_normal((3, 16)).astype(np.float32),
        "b": weight_of(np.int8, (16, 5)),
        "bs": COLUMN_SCALES,
        "bz": weight_of(np.int8, 5),
    }
    a = torch.tensor(inputs["a"], requires_grad=True)
    model = typed_node("DynamicQuantizeMatMul", inputs, domain="com.microsoft", constants=["b", "bs", "bz"])
    (gradient,) = torch.autograd.grad(onnxviz.load(model).network()({"a": a})["y"].sum(), a)
    real = (inputs["b"].astype(np.float32) - inputs["bz"]) * COLUMN_SCALES
    torch.testing.assert_close(gradient, torch.tensor(real.sum(1)).expand(3, 16), rtol=1e-4, atol=1e-5)


def test_a_zero_point_without_a_scale_is_refused():
    inputs = {
        "a": any_of(np.uint8, (3, 16)),
        "as": SCALE,
        "az": any_of(np.uint8),
        "b": weight_of(np.uint8, (16, 5)),
        "bs": SCALE,
        "bz": weight_of(np.uint8),
        "c": None,
        "ys": None,
        "yz": any_of(np.uint8),
    }
    with pytest.raises(EvaluationError, match="QGemm has a y_zero_point but no y_scale"):
        onnxviz.load(typed_node("QGemm", inputs, domain="com.microsoft")).network()(fed(inputs))


def test_sixteen_bit_products_are_those_of_onnx_runtime(compare):
    generator = np.random.default_rng(0)
    inputs = {
        name: generator.integers(-3000, 3000, shape).astype(np.int16) for name, shape in (("a", (4, 9)), ("b", (9, 5)))
    }
    model = typed_node("MatMulInteger16", inputs, domain="com.microsoft", opset=17)
    compare(model, inputs, rtol=0, atol=0)
