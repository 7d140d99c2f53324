"""Scatters: against ONNX Runtime, each the inverse of its gather, gradients against finite differences."""

from __future__ import annotations

import numpy as np
import onnx.reference
import pytest
from single_node import gradients_agree, outputs_of, written

import onnxviz
from onnxviz.errors import EvaluationError

X = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
PLACES = np.array([[1, -1, 0, 2], [0, 0, -1, 1]], np.int64)
UPDATES = np.array([[5, -7, 2, 0.5], [3, 4, -1, 9]], np.float32)
TUPLES = np.array([[[0], [-1]], [[1], [1]]], np.int64)
ROWS = np.arange(16, dtype=np.float32).reshape(2, 2, 4) - 7
REDUCTIONS = ["none", "add", "mul", "max", "min"]
DISTINCT = np.array([[0, 1], [-1, 3]], np.int64)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("kind", [np.float32, np.int64])
def test_scatter_elements(compare, reduction, kind):
    inputs = {"x": X.astype(kind), "i": PLACES.astype(np.int32), "u": UPDATES.astype(kind)}
    compare(written(f'y = ScatterElements<reduction="{reduction}">(x, i, u)', inputs, 18), inputs)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("kind", [np.float32, np.int64])
def test_scatter_nd(compare, reduction, kind):
    tuples = np.array([[[0], [-1]]], np.int64) if reduction == "none" else TUPLES
    inputs = {"x": X.astype(kind), "i": tuples, "u": ROWS[: len(tuples)].astype(kind)}
    compare(written(f'y = ScatterND<reduction="{reduction}">(x, i, u)', inputs, 18), inputs)


@pytest.mark.parametrize(
    ("call", "inputs", "opset"),
    [
        ("y = Scatter<axis=1>(x, i, u)", {"x": X, "i": PLACES[:, :1], "u": UPDATES[:, :1]}, 9),
        ("y = ScatterElements<axis=-1>(x, i, u)", {"x": X, "i": PLACES[:1], "u": UPDATES[:1]}, 11),
        ("y = ScatterND(x, i, u)", {"x": X, "i": DISTINCT, "u": np.float32([50, 60])}, 11),
        ("y = ScatterND(x, i, u)", {"x": X, "i": DISTINCT[:0], "u": np.zeros(0, np.float32)}, 13),
        (
            'y = ScatterElements<reduction="add">(x, i, u)',
            {"x": X > 5, "i": PLACES, "u": UPDATES > 0},
            16,
        ),
        (
            'y = ScatterElements<reduction="mul">(x, i, u)',
            {"x": X > 5, "i": PLACES, "u": UPDATES > 0},
            16,
        ),
    ],
)
def test_onnx_runtime_agrees(compare, call, inputs, opset):
    compare(written(call, inputs, opset), inputs)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_one_tuple_for_each_element(compare, reduction):
    inputs = {"x": X, "i": DISTINCT, "u": np.float32([-3, 60])}
    compare(written(f'y = ScatterND<reduction="{reduction}">(x, i, u)', inputs, 18), inputs)


@pytest.mark.parametrize(
    "call",
    [
        'y = TensorScatter<mode="linear">(x, u, w)',
        'y = TensorScatter<mode="circular">(x, u, w)',
        "y = TensorScatter(x, u)",
        "y = TensorScatter<axis=1>(x, u, w)",
    ],
)
def test_tensor_scatter(call):
    cache = np.arange(2 * 4 * 4 * 3, dtype=np.float32).reshape(2, 4, 4, 3)
    update = -cache[:, :2] if "axis=1" in call else -cache[:, :, :2]
    inputs = {"x": cache, "u": update, "w": np.array([1, 3 if "circular" in call else 2], np.int64)}
    inputs = {name: value for name, value in inputs.items() if name in call.partition("(")[2]}
    model = written(call, inputs, 24)
    (wanted,) = onnx.reference.ReferenceEvaluator(model).run(None, inputs)
    (ours,) = outputs_of(call, inputs, 24)
    assert np.array_equal(ours, wanted)


def test_what_is_scattered_can_be_gathered():
    calls = "y = GatherElements(z, i) z = ScatterElements(x, i, u)"
    distinct = PLACES[:1]
    (ours,) = outputs_of(calls, {"x": X, "i": distinct, "u": UPDATES[:1]}, 13)
    assert np.array_equal(ours, UPDATES[:1])


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gradients(reduction):
    places = np.array([[0, -1, 2, 0]], np.int64) if reduction == "none" else PLACES
    rows = {"x": X, "i": np.array([[[0], [2]]]) if reduction == "none" else TUPLES, "u": ROWS * 1.1 + 0.123}
    rows["u"] = rows["u"][: len(rows["i"])]
    elements = {"x": X, "i": places, "u": UPDATES[: len(places)]}
    assert gradients_agree(f'y = ScatterElements<reduction="{reduction}">(x, i, u)', elements, 18)
    assert gradients_agree(f'y = ScatterND<reduction="{reduction}">(x, i, u)', rows, 18)


def test_the_gradient_of_a_product_with_zeros_is_finite():
    inputs = {"x": X * 0, "i": np.array([[0, 0, 0, 0], [0, 1, 1, 1]]), "u": UPDATES * (np.abs(UPDATES) < 4)}
    assert gradients_agree('y = ScatterElements<reduction="mul">(x, i, u)', inputs, 18)


@pytest.mark.parametrize(
    ("call", "inputs", "opset", "message"),
    [
        (
            'y = ScatterElements<reduction="mean">(x, i, u)',
            {"x": X, "i": PLACES, "u": UPDATES},
            18,
            "the reduction 'mean'; none, add, mul, max, min are known",
        ),
        (
            'y = TensorScatter<mode="ring">(x, u)',
            {"x": X[None], "u": X[None]},
            24,
            "the mode 'ring'; linear and circular are known",
        ),
        ("y = ScatterElements(x, i, u)", {"x": X, "i": PLACES + 2, "u": UPDATES}, 18, "refuses its inputs"),
    ],
)
def test_refusals(call, inputs, opset, message):
    network = onnxviz.load(written(call, inputs, opset)).network()
    with pytest.raises(EvaluationError, match=message):
        network(inputs)
