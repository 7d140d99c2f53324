"""The other class of a Softmax over two classes, and tensors without one."""

from __future__ import annotations

import pytest

from onnxviz import load
from onnxviz.model.tensors.twin import rival, unsquashed
from onnxviz.target import Target

TWO = "agraph (float[N, 2] x) => (float[N, 2] p) { y = Relu(x)\n p = Softmax(y) }"
ANCHORS = "agraph (float[N, 5, 2] x) => (float[N, 5, 2] p) { y = Relu(x)\n p = Softmax<axis = 2>(y) }"
THREE = "agraph (float[N, 3] x) => (float[N, 3] p) { y = Relu(x)\n p = Softmax(y) }"
ACROSS = "agraph (float[N, 2, 2] x) => (float[N, 2, 2] p) { y = Relu(x)\n p = Softmax<axis = 1>(y) }"


@pytest.mark.parametrize(
    ("graph", "aim", "shape", "other"),
    [
        (TWO, "p[0]", (1, 2), "y[1]"),
        (TWO, "p[-1]", (1, 2), "y[0]"),
        (ANCHORS, "p[3, 1]", (1, 5, 2), "y[3, 0]"),
        (THREE, "p[0]", (1, 3), None),
        (ACROSS, "p[0, 1]", (1, 2, 2), None),
    ],
)
def test_two_classes_have_a_rival(written, graph: str, aim: str, shape, other) -> None:
    model = load(written(graph))
    twin = unsquashed(model, Target.parse(aim))
    found = rival(model, twin, shape)
    assert (None if found is None else str(found)) == other
