"""Values for all inputs with which a model runs, whatever its file leaves open."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import parser

import onnxviz
from onnxviz.model.probing.runnable_sizes import runnable_feed

SOUND = """<ir_version: 8, opset_import: ["" : 17]>
agraph (float[N, T] sound, int64 rate) => (float[N, 4] y) <int64 known = {8000}, int64[2] shape = {-1, 512}, float[512, 4] w> {
    right = Equal(rate, known)
    y = If (right) <
        then_branch = held () => (float[N, 4] a) { rows = Reshape(sound, shape) a = ReduceMean<axes = [1], keepdims = 1>(rows) },
        else_branch = lost () => (float[N, 4] b) { b = ReduceMean<axes = [1], keepdims = 1>(sound) }
    >
}"""


@pytest.fixture
def sound() -> onnxviz.Model:
    return onnxviz.load(parser.parse_model(SOUND.replace(", float[512, 4] w", "")))


def test_a_rate_that_the_graph_compares_is_the_one_it_knows(sound) -> None:
    values, _, _ = runnable_feed(sound, {}, {}, {}, 0)
    assert values["rate"].item() == 8000


def test_a_length_that_only_the_graph_knows_is_found_and_told(sound) -> None:
    values, (_, shapes), said = runnable_feed(sound, {}, {}, {}, 0)
    assert values["sound"].shape[1] % 512 == 0
    assert shapes["sound"] == values["sound"].shape
    assert "--shape settles its sizes" in said
    sound.session(["y"])(values)  # runs


def test_what_is_given_stays(sound) -> None:
    given = np.ones((1, 1024), np.float32)
    values, (dims, shapes), said = runnable_feed(sound, {"sound": given}, {}, {"sound": (1, 1024)}, 0)
    assert values["sound"] is given
    assert (dims, shapes, said) == ({}, {"sound": (1, 1024)}, "")
