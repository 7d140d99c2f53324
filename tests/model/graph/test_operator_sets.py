"""A file whose operator set is too old for ONNX Runtime is told so, and the command in the sentence helps."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnxviz
from onnxviz.errors import EvaluationError
from onnxviz.model.graph.operator_sets import LEAST, too_old


def floats(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def file_of(
    tmp_path: Path, nodes: list[onnx.NodeProto], ends: list[onnx.ValueInfoProto], **weights: np.ndarray
) -> Path:
    held = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], held)
    path = tmp_path / "old.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 6)], ir_version=4), path)
    return path


def command_in(message: str) -> str:
    return re.search(r'python -c "(.*)"', message)[1]


def test_the_number_is_raised_where_the_operators_stay_the_same(tmp_path, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r"], ["h"], hidden_size=4),
        helper.make_node("Squeeze", ["h"], ["y"], axes=[1]),
    ]
    ends = [floats("x", 6, 1, 3), floats("y", 6, 1, 4)]
    path = file_of(tmp_path, nodes, ends, w=rng.normal(size=(1, 16, 3)), r=rng.normal(size=(1, 16, 4)))
    with pytest.raises(EvaluationError, match=r"no kernel for LSTM \(version 1\)") as caught:
        onnxviz.verify(path)
    assert f"operator set 6; ONNX Runtime runs {LEAST} and newer" in str(caught.value)
    monkeypatch.chdir(tmp_path)
    exec(command_in(str(caught.value)))
    raised = tmp_path / "old-7.onnx"
    assert onnxviz.verify(raised).ok
    x = rng.normal(size=(6, 1, 3)).astype(np.float32)
    # Torch reads the old operator set as well: both files compute the same.
    assert np.array_equal(
        onnxviz.load(path).network()({"x": x})["y"].detach(), onnxviz.load(raised).network()({"x": x})["y"].detach()
    )


def test_the_converter_is_named_where_an_operator_changed(tmp_path, monkeypatch) -> None:
    nodes = [helper.make_node("Add", ["x", "b"], ["y"], broadcast=1)]
    path = file_of(tmp_path, nodes, [floats("x", 2, 3), floats("y", 2, 3)], b=np.ones(3))
    with pytest.raises(EvaluationError) as caught:
        onnxviz.load(path).session()
    assert "onnx's converter, whose result must be checked" in str(caught.value)
    monkeypatch.chdir(tmp_path)
    exec(command_in(str(caught.value)))
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert onnxviz.load("old-17.onnx").session()({"x": x})["y"].tolist() == (x + 1).tolist()


def test_names_of_files_cannot_leave_the_quotation_marks() -> None:
    model = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], []))
    assert "rm -rf" not in too_old(model, 6, Path("a'); rm -rf $HOME; ('.onnx"))
    assert too_old(model, LEAST, None) == ""


def test_the_opsets_that_are_printed_are_those_that_the_file_imports() -> None:
    node = helper.make_node("LinearRegressor", ["x"], ["y"], domain="ai.onnx.ml", coefficients=[1.0, 2.0])
    graph = helper.make_graph([node], "g", [floats("x", 1, 2)], [floats("y", 1, 1)])
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 1)], ir_version=6)
    model = onnxviz.load(file)
    assert onnxviz.inspect(model).document()["model"]["opsets"] == {"ai.onnx.ml": 1}
    assert "opsets ai.onnx.ml 1;" in model._repr_html_()
