"""The names of classes that a person gives: they reach every verb, win over the file's own, and are counted."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import onnxviz
from onnxviz.errors import DataError, UsageError

GRAPH = """classes (float[N, 2] x) => (float[N, 3] y, float[N, 3] p) {
    y = Gemm(x, w)
    p = Softmax <axis = 1> (y)
}"""
NAMES = ("left", "middle", "right")


@pytest.fixture
def model(written):
    return written(GRAPH, w=np.eye(2, 3, dtype=np.float32))


@pytest.fixture
def owned(model):
    proto = onnx.load(model)
    onnx.helper.set_model_props(proto, {"classes": "a,b,c"})
    onnx.save(proto, model)
    return model


def test_names_reach_every_verb_of_a_file_without_names(model, tmp_path) -> None:
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    said = {"classes": tmp_path / "names.txt"}
    rows = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    assert onnxviz.attribute(model, rows[0], "y[1]", methods=["gradient"], **said).label == "middle"
    seen = onnxviz.activations(model, rows[:1], ["y"], **said).row()
    assert {one["label"] for one in seen["targets"][0]["strongest"]} == {*NAMES}
    assert [one.label for one in onnxviz.examples(model, rows, "y[*]", **said)] == [*NAMES]
    assert onnxviz.maximize(model, "y[2]", steps=2, restarts=1, **said).row()["label"] == "right"
    assert onnxviz.inspect(model, **said)["outputs"][0]["classes"] == [*NAMES]
    assert onnxviz.inspect(model)["outputs"][0]["classes"] == []


def test_the_report_shows_names(model, tmp_path) -> None:
    onnxviz.report(model, tmp_path / "r", classes=NAMES, budget=0, steps=1, units=1, patterns=["y"])
    page = (tmp_path / "r" / "index.html").read_text(encoding="utf-8")
    assert all(name in page for name in NAMES)


def test_given_names_win_and_it_is_said(owned) -> None:
    class Heard(list):
        def note(self, text):
            self.append(text)

    heard = Heard()
    assert onnxviz.inspect(owned)["outputs"][0]["classes"] == ["a", "b", "c"]
    assert onnxviz.inspect(owned, classes=NAMES, listener=heard)["outputs"][0]["classes"] == [*NAMES]
    assert heard == ["3 class names from the call in place of the file's own (a, b, c)"]


def test_a_loaded_model_keeps_its_own_names(owned) -> None:
    model = onnxviz.load(owned)
    onnxviz.inspect(model, classes={0: "left", 1: "middle", 2: "right"})
    assert model.class_names == ("a", "b", "c")


def test_a_wrong_count_and_a_missing_file_are_sentences(model) -> None:
    with pytest.raises(DataError, match=r"2 names, but no output has so many scores \(y has 3, p has 3\)"):
        onnxviz.inspect(model, classes=["left", "right"])
    with pytest.raises(UsageError, match="no such file"):
        onnxviz.inspect(model, classes="absent.txt")


def test_a_label_may_have_positions_behind_it(written) -> None:
    path = written(
        "map (float[N, 2, 4, 4] x) => (float[N, 3, 4, 4] y) { y = Conv(x, w) }", w=np.ones((3, 2, 1, 1), np.float32)
    )
    found = onnxviz.maximize(path, "y[1, 2, 2]", steps=1, classes=NAMES)
    assert found.row()["label"] == "middle"
