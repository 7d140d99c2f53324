"""TopK and Unique: against ONNX Runtime, ties and NaN included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from single_node import gradients_agree, outputs_of, written

import onnxviz
from onnxviz.errors import EvaluationError

TIES = np.float32([[1, 3, 3, 2, 3, 1], [0, 0, 0, 0, -1, 5]])
WITH_NAN = np.float32([1, np.nan, 3, 2])


@pytest.mark.parametrize(
    ("call", "inputs", "opset"),
    [
        ("v, i = TopK(x, k)", {"x": TIES, "k": np.array([4])}, 11),
        ("v, i = TopK<largest=0>(x, k)", {"x": TIES, "k": np.array([4])}, 11),
        ("v, i = TopK<largest=0>(x, k)", {"x": TIES, "k": np.array([1])}, 11),
        ("v, i = TopK<axis=0>(x, k)", {"x": TIES, "k": np.array([1])}, 11),
        ("v, i = TopK(x, k)", {"x": TIES.astype(np.int64), "k": np.array([1])}, 11),
        ("v, i = TopK<axis=0>(x, k)", {"x": TIES, "k": np.array([2])}, 10),
        ("v, i = TopK<k=3>(x)", {"x": TIES}, 1),
        ("v, i = TopK(x, k)", {"x": TIES, "k": np.array([0])}, 11),
        ("v, i = TopK(x, k)", {"x": WITH_NAN, "k": np.array([3])}, 11),
        ("v, i = TopK(x, k)", {"x": WITH_NAN, "k": np.array([1])}, 11),
        ("v, i = TopK<largest=0>(x, k)", {"x": WITH_NAN, "k": np.array([3])}, 11),
        ("y, f, v, c = Unique(x)", {"x": TIES}, 11),
        ("y, f, v, c = Unique<sorted=0>(x)", {"x": TIES}, 11),
        ("y, f, v, c = Unique<axis=1>(x)", {"x": TIES}, 11),
        ("y, f, v, c = Unique<axis=-1, sorted=0>(x)", {"x": TIES.astype(np.int64)}, 11),
        ("y, f, v, c = Unique(x)", {"x": TIES[:0]}, 11),
        ("y, f, v, c = Unique<axis=0>(x)", {"x": TIES[:0]}, 11),
        ("y = Unique(x)", {"x": TIES}, 11),
        ("y, v, c = com.microsoft.Unique(x)", {"x": TIES[0]}, 13),
    ],
)
def test_onnx_runtime_agrees(compare, call, inputs, opset):
    compare(written(call, inputs, opset), inputs)


def test_unsorted_top_k_holds_the_same_elements():
    (ours, places) = outputs_of("v, i = TopK<sorted=0>(x, k)", {"x": TIES, "k": np.array([4])}, 11)
    (wanted, wanted_places) = outputs_of("v, i = TopK(x, k)", {"x": TIES, "k": np.array([4])}, 11)
    assert np.array_equal(np.sort(ours), np.sort(wanted))
    assert np.array_equal(np.sort(places), np.sort(wanted_places))


@settings(deadline=None, max_examples=30)  # each example is a model
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=12), st.booleans())
def test_unique_can_be_undone(values, ascending):
    x = np.array(values, np.float32)
    y, first, inverse, counts = (
        part.numpy() for part in outputs_of(f"y, f, v, c = Unique<sorted={int(ascending)}>(x)", {"x": x}, 11)
    )
    assert np.array_equal(y[inverse], x)
    assert np.array_equal(x[first], y)
    assert first.tolist() == [values.index(value) for value in y]
    assert counts.tolist() == [values.count(value) for value in y]
    assert np.all(np.diff(y if ascending else first) > 0)


@pytest.mark.parametrize("extra", ["", "<largest=0>", "<axis=0>"])
@pytest.mark.parametrize("count", [1, 2])
def test_gradients_of_top_k(extra, count):
    distinct = np.random.default_rng(0).permutation(12).reshape(2, 6).astype(np.float32)
    assert gradients_agree(f"v, i = TopK{extra}(x, k)", {"x": distinct, "k": np.array([count])}, 11)


def test_gradients_of_unique_go_to_where_a_value_first_stands():
    assert gradients_agree("y = Unique(x)", {"x": np.float32([3, 1, 2])}, 11)


@pytest.mark.parametrize(
    ("call", "opset"), [("v, i = TopK<k=7>(x)", 1), ("v, i = TopK(x, k)", 11), ("v, i = TopK<axis=0>(x, k)", 11)]
)
def test_more_than_there_are_is_refused(call, opset):
    inputs = {"x": TIES, "k": np.array([7])} if opset > 1 else {"x": TIES}
    network = onnxviz.load(written(call, inputs, opset)).network()
    with pytest.raises(EvaluationError, match="TopK of 7 elements along axis"):
        network(inputs)
