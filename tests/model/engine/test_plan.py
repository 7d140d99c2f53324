"""The device of the values of an operator: one device for all, also for the elements of a sequence."""

from __future__ import annotations

import pytest
import torch
from onnx import parser

import onnxviz
from onnxviz.errors import EvaluationError, UnsupportedOperators
from onnxviz.model.engine.plan import Step, _together


def test_tensors_of_sequences_are_brought_together_too() -> None:
    here, there = torch.ones(2), torch.ones(3, device="meta")
    mixed = [[here, [there]], None, 2.0]
    (first, (second,)), nothing, number = _together(mixed, torch.device("meta"))
    assert (first.device.type, second.device.type) == ("meta", "meta")
    assert (nothing, number) == (None, 2.0)
    both = _together([[there], here], torch.device("meta"))
    assert both[1].device.type == "meta"


@pytest.fixture
def step() -> Step:
    text = '<ir_version: 8, opset_import: ["" : 17]> add (float[2] x) => (float[2] y) <float[2] c = {1, 2}> { y = Add(x, c) }'
    (only,) = onnxviz.load(parser.parse_model(text)).network(["y"]).plan.steps
    return only


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_constants_go_where_the_values_beside_them_lie_and_stay(step: Step, device: str) -> None:
    (place,) = [place for place, argument in enumerate(step.arguments) if isinstance(argument, torch.Tensor)]
    for _ in range(2):
        made = step.call([torch.ones(2, device=device), None], torch.device("meta"), None)
        assert made.device.type == step.arguments[place].device.type == device


SCALAR_WANTED = """<ir_version: 8, opset_import: ["" : 17]>
g (float[4] x, int64[N] k) => (float[M] y) { y, i = TopK <axis = 0> (x, k) }"""


def test_three_numbers_where_one_is_wanted_are_refused_in_a_sentence() -> None:
    network = onnxviz.load(parser.parse_model(SCALAR_WANTED)).network(["y"])
    with pytest.raises(EvaluationError, match=r"^TopK at y refuses its inputs"):
        network({"x": torch.ones(4), "k": torch.ones(3, dtype=torch.int64)})
    constant = SCALAR_WANTED.replace(", int64[N] k", "").replace("{", "<int64[3] k = {1, 2, 3}> {", 1)
    with pytest.raises(UnsupportedOperators, match="TopK at y refuses its inputs"):
        onnxviz.load(parser.parse_model(constant)).network(["y"])


def test_an_input_left_out_that_an_operator_takes_for_granted_is_told_of() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[4, 2] x) => (float[4, 2] y) {
        y = Scan <num_scan_inputs = 1, body = b (float[2] e) => (float[2] o) { o = Neg(e) }> (x) }"""
    proto = parser.parse_model(text)
    proto.graph.node[0].input[:] = ["x", ""]
    proto.graph.node[0].attribute[0].i = 2
    with pytest.raises(EvaluationError, match=r"^Scan at y"):
        onnxviz.load(proto).network(["y"])({"x": torch.ones(4, 2)})
