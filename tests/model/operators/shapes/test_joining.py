"""Concat and Split: against ONNX Runtime, and each the other's inverse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from single_node import gradients_agree, outputs_of, written

import onnxviz
from onnxviz.errors import EvaluationError

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
FIVE = np.arange(5, dtype=np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("call", "inputs", "opset"),
    [
        ("y = Concat<axis=1>(a, b)", {"a": X, "b": X[:, :1]}, 13),
        ("y = Concat<axis=-1>(a, b, a)", {"a": X, "b": X[..., :0]}, 13),
        ("y = Concat<axis=0>(a)", {"a": X}, 4),
        ("p, q = Split<axis=-1>(x)", {"x": X}, 11),
        ("p, q = Split<axis=1, split=[1, 2]>(x)", {"x": X}, 2),
        ("p, q = Split<axis=1>(x, s)", {"x": X, "s": ints(3, 0)}, 13),
        ("p = Split(x)", {"x": X}, 13),
        ("p, q, r = Split<num_outputs=3>(x)", {"x": FIVE}, 18),
        ("p, q, r, s = Split<num_outputs=4>(x)", {"x": FIVE[:3]}, 18),
    ],
)
def test_onnx_runtime_agrees(compare, call, inputs, opset):
    compare(written(call, inputs, opset), inputs)


@pytest.mark.parametrize(
    ("call", "extra"),
    [
        ("p, q = Split<axis=2>(x)", {}),
        ("p, q = Split<axis=2, split=[2, 2]>(x)", {}),
        ("p, q = Split<axis=2>(x, s)", {"s": np.array([2, 2], np.float32)}),
    ],
)
def test_the_first_split_takes_its_lengths_from_the_node_or_from_an_input(call, extra):
    p, q = outputs_of(call, {"x": X, **extra}, 1)
    assert np.array_equal(p, X[..., :2])
    assert np.array_equal(q, X[..., 2:])


def test_the_first_concat_joins_channels():
    (ours,) = outputs_of("y = Concat(a, b)", {"a": X, "b": X[:, 1:]}, 1)
    assert np.array_equal(ours, np.concatenate([X, X[:, 1:]], 1))


def test_a_part_without_a_name_is_counted_all_the_same():
    model = written("p, q = Split<axis=-1>(x)", {"x": X}, 13)
    model.graph.node[0].output[0] = ""
    del model.graph.output[0]
    (ours,) = onnxviz.load(model).network()({"x": X}).values()
    assert np.array_equal(ours, X[..., 2:])


def test_concat_undoes_split():
    (ours,) = outputs_of("y = Concat<axis=1>(p, q) p, q = Split<axis=1>(x, s)", {"x": X, "s": ints(1, 2)}, 13)
    assert torch.equal(ours, torch.from_numpy(X))


@pytest.mark.parametrize("call", ["y = Concat<axis=-1>(a, b)", "y, z = Split<axis=-1>(a) w = Identity(b)"])
def test_gradients(call):
    assert gradients_agree(call, {"a": X, "b": X}, 13)


@pytest.mark.parametrize(
    ("call", "inputs", "opset", "message"),
    [
        ("p, q = Split(x)", {"x": FIVE}, 13, "whose size is 5, into 2 equal parts; give the lengths of the parts"),
        ("p, q = Split(x, s)", {"x": FIVE, "s": ints(2, 2)}, 13, "and their sum must be the size of the axis, 5"),
        ("p, q = Split(x, s)", {"x": FIVE, "s": ints(7, -2)}, 13, "and their sum must be the size of the axis, 5"),
        ("a, b, c, d = Split<num_outputs=4>(x)", {"x": FIVE}, 18, "3 parts of length 2 exceed its size 5"),
        ("y = Concat<axis=0>(a, b)", {"a": X, "b": X[:, :1]}, 13, "refuses its inputs"),
    ],
)
def test_refusals(call, inputs, opset, message):
    network = onnxviz.load(written(call, inputs, opset)).network()
    with pytest.raises(EvaluationError, match=message):
        network(inputs)
