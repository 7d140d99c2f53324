"""The layers on the way to a target: those with stored weights, evenly spread, the first and the last among them."""

from __future__ import annotations

import numpy as np

import onnxviz
from onnxviz.model.tensors.path_layers import path_layers


def test_layers_lie_between_the_input_and_the_target(written) -> None:
    graph = """
    net (float[N, 3, 8, 8] x, float[N, 3, 8, 8] other) => (float[N, 5, 8, 8] e) {
        a = Conv(x, w1)
        s = Mul(a, k)
        b = Relu(s)
        c = Conv(b, w2)
        beside = Conv(other, w1)
        d = Conv(beside, w2)
        e = Add(c, d)
    }
    """
    weights = {"w1": np.ones((4, 3, 1, 1), np.float32), "w2": np.ones((5, 4, 1, 1), np.float32)}
    model = onnxviz.load(written(graph, k=np.ones((1, 4, 1, 1), np.float32), **weights))
    assert path_layers(model, ["e"], ["x"]) == {"a": 0, "c": 0}
    assert path_layers(model, ["b"], ["x"]) == {"a": 0}
    assert path_layers(model, ["e"], ["b"], ["b"]) == {"c": 0}
    assert path_layers(model, ["e"], ["x", "other"], most=2) == {"a": 0, "d": 0}


def test_channels_that_come_last_are_found(samples) -> None:
    model = onnxviz.load(samples / "wine.onnx")
    found = path_layers(model, ["logits"], ["features"])
    assert list(found)[-1] == "logits"
    assert set(found.values()) == {0}
