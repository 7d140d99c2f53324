"""Sizes that the graph needs and the input does not declare are found by running the graph."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest

import onnxviz
from onnxviz.model.expectations.resting import resting_input
from onnxviz.model.model import Model
from onnxviz.model.probing.runnable_sizes import runnable_sizes


def model(text: str) -> Model:
    return onnxviz.load(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]>\n{text}'))


HIDDEN_BATCH = """g (float[batch, 3, 8, 8] x) => (float[2, 192] y)
    <int64[2] s = {2, 192}, int64[4] q = {2, 3, 4, 16}> { h = Reshape(x, q)
    y = Reshape(h, s) }"""
HIDDEN_LENGTH = """g (float[N, T] x) => (float[N, 4, 128] y) <int64[3] s = {-1, 4, 128}> { y = Reshape(x, s) }"""
FREE = "g (float[N, T] x) => (float[N, T] y) { y = Neg(x) }"


def test_a_batch_that_only_an_output_declares_is_taken() -> None:
    (dims, shapes), said = runnable_sizes(model(HIDDEN_BATCH), "x", {}, {}, {})
    assert (dims, shapes) == ({"batch": 2}, {"x": (2, 3, 8, 8)})
    assert "1x3x8x8" in said
    assert "2x3x8x8" in said


def test_an_output_s_size_may_be_that_of_every_open_axis() -> None:
    opened = model("g (float[S, B, 5] x) => (float[7, B, 5] y) <int64[3] s = {7, 7, 5}> { y = Reshape(x, s) }")
    (_, shapes), said = runnable_sizes(opened, "x", {}, {}, {})
    assert shapes == {"x": (7, 7, 5)}
    assert "7x7x5" in said


def test_a_length_in_use_is_taken_where_the_usual_one_does_not_run() -> None:
    (_, shapes), said = runnable_sizes(model(HIDDEN_LENGTH), "x", {}, {}, {})
    assert shapes == {"x": (1, 512)}
    assert "1x512" in said


@pytest.mark.parametrize(
    ("text", "dims", "shapes"),
    [(FREE, {}, {}), (HIDDEN_LENGTH, {}, {"x": (1, 640)}), (HIDDEN_LENGTH, {"T": 1024}, {})],
)
def test_what_runs_or_was_given_is_left_alone(text: str, dims: dict, shapes: dict) -> None:
    assert runnable_sizes(model(text), "x", {}, dims, shapes) == ((dims, shapes), "")


def test_what_never_runs_is_left_for_the_run_to_tell() -> None:
    never = """g (float[N, T] x) => (float[2, 5] y) <int64[2] s = {1, 2}, int64[2] q = {1, 3}> { a = Reshape(x, s)
    b = Reshape(x, q) y = Concat<axis = 1>(a, b) }"""
    assert runnable_sizes(model(never), "x", {}, {}, {}) == (({}, {}), "")


def test_a_rate_that_the_graph_asks_for_is_what_the_input_rests_at() -> None:
    opened = model(
        """g (float[1, 4] x, int64 rate, int64 mode) => (float[1, 4] y)
        <int64 wanted = {16000}> { is = Equal(rate, wanted)
        twice = Add(x, x)
        f = Cast<to = 1>(mode)
        z = Mul(twice, f)
        y = Where(is, z, x) }"""
    )
    assert resting_input(opened, "rate", ()) == np.int64(16000)
    assert resting_input(opened, "mode", ()) == 0
