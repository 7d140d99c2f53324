"""Where the values of an operator lie: together, those of a sequence as well."""

from __future__ import annotations

import pytest
import torch
from onnx import parser

import onnxviz
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
