"""Whether an input's first axis is the batch, from the operators that read it."""

from __future__ import annotations

import onnx.parser
import pytest

import onnxviz
from onnxviz.model.expectations.first_axis import lacks_batch

WEIGHTS = "float[1, 8, 4] w, float[1, 8, 2] r"
CASES = {
    "float[5, 2, 4] x": ("y, h, c = LSTM<hidden_size = 2>(x, w, r)", "LSTM"),
    "float[T, 1, 4] x": ("i = Identity(x) y, h, c = LSTM<hidden_size = 2>(i, w, r)", "LSTM"),
    "float[2, 5, 4] x": ("y, h, c = LSTM<hidden_size = 2, layout = 1>(x, w, r)", ""),
    "float[N, 5, 4] x": ("t = Transpose<perm = [1, 0, 2]>(x) y, h, c = LSTM<hidden_size = 2>(t, w, r)", ""),
    "float[5, 4] x": ("y = Neg(x)", ""),
    "float[4] x": ("y = Neg(x)", "one axis"),
    "float[N] x": ("y = Neg(x)", ""),
}


@pytest.mark.parametrize("declared", CASES)
def test_what_steps_along_the_first_axis_is_told(declared: str) -> None:
    nodes, told = CASES[declared]
    text = f'<ir_version: 8, opset_import: ["" : 17]> g ({declared}, {WEIGHTS}) => (float[A] y) {{ {nodes} }}'
    said = lacks_batch(onnxviz.load(onnx.parser.parse_model(text)), "x")
    assert told in said
    assert bool(said) == bool(told)


def test_a_scan_tells_by_its_axes() -> None:
    for axes, told in (("", True), (", scan_input_axes = [1]", False)):
        text = f"""<ir_version: 8, opset_import: ["" : 17]> g (float[3] s, float[4, 3] x) => (float[3] last)
        {{ last = Scan<num_scan_inputs = 1, body = step (float[3] a, float[3] b) => (float[3] c) {{ c = Add(a, b) }}{axes}>(s, x) }}"""
        opened = onnxviz.load(onnx.parser.parse_model(text))
        assert bool(lacks_batch(opened, "x")) == told
