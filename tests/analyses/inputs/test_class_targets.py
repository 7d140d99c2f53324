"""Targets that name a class: every verb takes the name for the number, and a wrong name is a sentence."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest

import onnxviz
from onnxviz.errors import TargetError

GRAPH = """classes (float[N, 2] x) => (float[N, 3] y, float[N, 5, 3] z) {
    y = Gemm(x, w)
    s = Unsqueeze(y, one)
    z = Expand(s, five)
}"""
NAMES = ("left", "Golden Retriever", "small, right")
ROWS = np.array([[1, 2], [3, 4], [5, 7]], np.float32)
LINEAR = """g (float[n,2] x) => (string[n] label, float[n,2] p)
    { label, p = ai.onnx.ml.LinearClassifier<classlabels_strings = ["no", "yes"], coefficients = [1.0, -1.0, -1.0, 1.0],
        intercepts = [0.0, 0.0], multi_class = 0, post_transform = "SOFTMAX">(x) }"""


@pytest.fixture
def model(written):
    return written(
        GRAPH,
        w=np.array([[1, 2, 4], [-1, 3, 1]], np.float32),
        one=np.array([1], np.int64),
        five=np.array([1, 5, 1], np.int64),
    )


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("y[left]", "y[0]"),
        ("y[golden retriever]", "y[1]"),
        ("y[small, right]", "y[2]"),
        ("y['left']", "y[0]"),
        ("z[:, left]", "z[:, 0]"),
        ("z[..., left]", "z[..., 0]"),
        ("y[left] - 0.5*y[Golden Retriever]", "y[0] - 0.5*y[1]"),
    ],
)
def test_every_verb_takes_a_name_for_its_number(model, text: str, same: str) -> None:
    said = {"classes": NAMES}
    assert onnxviz.examples(model, ROWS, text, **said).row() == onnxviz.examples(model, ROWS, same, **said).row()
    found = onnxviz.maximize(model, text, steps=2, restarts=1, **said)
    assert found.target == onnxviz.maximize(model, same, steps=2, restarts=1, **said).target == same
    explained = onnxviz.attribute(model, ROWS[0], text, methods=["gradient"], baseline="zero", **said)
    assert explained.row()["target"] == same
    if "-" not in text:
        seen = onnxviz.activations(model, ROWS[:1], [text], **said)
        assert seen.row()["targets"][0]["target"] == same


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("y[lefd]", r"y\[lefd\]: no class is named 'lefd'. Close: left"),
        ("y[retriever]", "Close: Golden Retriever"),
        ("y[qqq]", "Classes: left, Golden Retriever, small, right"),
        ("z[left]", r"3 classes have names, but axis 1 of z has 5 places; write z\[:, NAME\]"),
        ("yy[left]", "yy.*: no tensor of that name"),
    ],
)
def test_a_wrong_name_is_a_sentence(model, text: str, sentence: str) -> None:
    with pytest.raises(TargetError, match=sentence):
        onnxviz.examples(model, ROWS, text, classes=NAMES)


def test_names_that_nobody_gave_are_asked_for(model) -> None:
    with pytest.raises(TargetError, match=r"names no classes of y; write a number, as in y\[0\], or give .*`classes`"):
        onnxviz.maximize(model, "y[left]", steps=1)


def test_two_classes_of_one_name_are_told(model) -> None:
    with pytest.raises(TargetError, match=r"2 classes are named 'crane'; write the number: y\[0\], y\[2\]"):
        onnxviz.maximize(model, "y[crane]", steps=1, classes=("crane", "dog", "crane"))


def test_the_labels_of_a_classifier_are_its_classes() -> None:
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]>\n{LINEAR}')
    assert onnxviz.inspect(proto)["outputs"][1]["classes"] == ["no", "yes"]
    rows = onnxviz.examples(proto, ROWS, "p[yes]")
    assert (rows.target, rows.label) == ("p[1]", "yes")
