"""Tensors that depend on random operators are found, through subgraphs too, and nothing else is."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest

import onnxviz
from onnxviz.model.operators import declaration
from onnxviz.model.tensors.randomness import RANDOM, random_note, random_tensors

HEADER = '<ir_version: 8, opset_import: ["" : 17]>\n'


def load(text: str) -> onnxviz.Model:
    return onnxviz.load(onnx.parser.parse_model(HEADER + text))


def test_the_random_operators_are_those_that_torch_draws_for() -> None:
    declaration.find("", "Relu", 17)  # reads all declarations
    drawn = {
        name
        for (domain, name), listed in declaration._registry.items()
        if not domain and not all(one.deterministic for one in listed)
    }
    assert drawn >= RANDOM
    assert {name for name in drawn if "Random" in name or name in ("Bernoulli", "Multinomial")} == RANDOM


def test_all_that_depends_on_a_draw_is_random() -> None:
    model = load(
        """g (float[N, 3] x) => (float[N, 3] y, float[N, 3] z) {
            r = RandomNormalLike(x)
            s = Add(x, r)
            y = Relu(s)
            z = Neg(x)
        }"""
    )
    found = random_tensors(model)
    assert list(found) == ["r", "s", "y"]
    assert str(found["y"]) == "RandomNormalLike at r"
    assert random_note(model, ["z"]) == ""
    assert "y is random: it depends on RandomNormalLike at r" in random_note(model, ["z", "y"])


def test_a_draw_inside_a_subgraph_makes_the_node_random() -> None:
    model = load(
        """g (float[N, 3] x, bool c) => (float[N, 3] y) {
            y = If(c) <
                then_branch = a () => (float[N, 3] p) { u = Bernoulli(x) p = Identity(u) },
                else_branch = b () => (float[N, 3] q) { q = Identity(x) }
            >
        }"""
    )
    assert str(random_tensors(model)["y"]) == "Bernoulli at y"


def test_a_draw_inside_a_function_is_found() -> None:
    model = onnxviz.load(
        onnx.parser.parse_model(
            """<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
            g (float[N, 3] x) => (float[N, 3] y) { y = own.noisy(x) }
            <domain: "own", opset_import: ["" : 17]> noisy (a) => (b) { r = RandomUniformLike(a) b = Add(a, r) }"""
        )
    )
    assert "y" in random_tensors(model)
    assert onnxviz.verify(model).ok


@pytest.mark.parametrize(("ratio", "training", "drawn"), [(0.5, True, True), (0.5, False, False), (0.0, True, False)])
def test_a_dropout_draws_in_training_mode_alone(ratio: float, training: bool, drawn: bool) -> None:
    text = "g (float[N, 3] x, float ratio, bool training) => (float[N, 3] y) { y = Dropout(x, ratio, training) }"
    model = load(text)
    assert ("y" in random_tensors(model, {"ratio": np.float32(ratio), "training": np.array(training)})) is drawn
    assert "y" in random_tensors(model)  # nothing tells: it may be random
    assert random_tensors(load("g (float[N, 3] x) => (float[N, 3] y) { y = Dropout(x) }")) == {}
