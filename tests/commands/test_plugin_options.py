"""--plugin and --custom-ops on the command line: every verb takes them, results carry their names, nothing else loads code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxviz.cli import _VERBS

PLUGIN = """
import torch
from onnxviz.model.operators.declaration import operator


@operator("Cubed", domain="test.cubes")
def cubed(x: torch.Tensor) -> torch.Tensor:
    return x**3
"""
W = np.array([[1, -2, 0], [0.5, 1, 3], [0, 0, -1], [2, 1, 1]], np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Cubed", ["a"], ["c"], domain="test.cubes"),
        helper.make_node("Identity", ["c"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(W, "w")])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("test.cubes", 1)]
    path = tmp_path / "cubes.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    (tmp_path / "cubes.py").write_text(PLUGIN)
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32))
    return path


def words(verb: str, folder: Path) -> list[object]:
    rows = folder / "rows.npy"
    return {
        "inspect": [],
        "verify": [],
        "filters": [],
        "maximize": ["-t", "y[1]", "--steps", 4, "--restarts", 1],
        "activations": [f"{rows}#0", "-t", "y"],
        "examples": [rows, "-t", "y[0]", "-k", 2],
        "embed": [rows, "-t", "y", "--method", "pca", "-o", folder / "map"],
        "attribute": [f"{rows}#1", "-t", "y[2]", "--method", "gradient"],
        "report": ["--budget", "none", "--units", 1, "--steps", 2, "--restarts", 1, "-o", folder / "report"],
    }[verb]


@pytest.mark.parametrize("verb", _VERBS)
def test_every_verb_works_through_a_plugin_and_says_what_is_not_confirmed(cli, model: Path, verb: str) -> None:
    folder = model.parent
    outcome = cli(verb, model, *words(verb, folder), "--plugin", folder / "cubes.py", "--json")
    assert outcome.code == 0, outcome.err
    assert "not confirmed: test.cubes.Cubed (once, first at c): ONNX Runtime does not know it" in outcome.err
    assert "--custom-ops" in outcome.err
    told = outcome.document["model"]
    assert told["plugins"] == [str((folder / "cubes.py").resolve())]
    assert told["unconfirmed"] == ["test.cubes.Cubed"]


def test_a_search_climbs_through_the_plugin_s_gradient(cli, model: Path) -> None:
    plugin = ("--plugin", model.parent / "cubes.py")
    (run,) = cli("maximize", model, "-t", "y[1]", *plugin, "--steps", 30, "--restarts", 1, "--json").document["runs"]
    # On a sphere of that norm no input scores more than this.
    largest = np.linalg.norm(W[:, 1]) ** 3 * 2.0**3
    assert run["differentiable"]
    assert run["ort_score"] == pytest.approx(run["score"], rel=1e-4)
    assert 0.9 * largest < run["ort_score"] < 1.001 * largest


def test_a_folder_is_resumed_with_its_plugin_alone(cli, model: Path) -> None:
    folder, plugin = model.parent, model.parent / "cubes.py"
    report = [*words("report", folder), "--tensors", "y"]
    assert cli("report", model, *report, "--plugin", plugin).code == 0
    page = "".join(path.read_text("utf-8") for path in (folder / "report").rglob("*.html"))
    assert "--plugin cubes.py" in page
    assert "nothing confirms its values" in page
    settings = json.loads((folder / "report" / "settings.json").read_text())["settings"]
    assert list(settings["extensions"]) == [str(plugin.resolve())]
    assert cli("report", model, *report, "--plugin", plugin, "--resume").code == 0
    mark = folder / "ran"
    plugin.write_text(PLUGIN + f"\nfrom pathlib import Path\nPath({str(mark)!r}).touch()\n")
    for more in ([], ["--resume"]):  # neither the folder nor its settings load anything
        outcome = cli("report", model, *report, *more)
        assert outcome.code == 2
    assert "was begun with other settings (extensions" in outcome.err
    assert not mark.exists()
    outcome = cli("report", model, *report, "--resume", "--plugin", plugin)  # the plugin has changed
    assert "was begun with other settings (extensions" in outcome.err


def test_without_a_plugin_the_error_names_the_way_on(cli, model: Path) -> None:
    outcome = cli("maximize", model, "-t", "y[1]", "--steps", 2)
    assert outcome.code == 1
    assert "give a torch function with --plugin, and ONNX Runtime's library with --custom-ops" in outcome.err


def test_a_library_alone_does_not_make_an_operator_differentiable(cli, model: Path) -> None:
    outcome = cli("verify", model, "--custom-ops", model.parent / "libcubes.so")
    assert outcome.code == 2
    assert "--custom-ops" in outcome.err
    assert "no such file" in outcome.err


def test_a_custom_tensor_cannot_be_verified_without_a_library(cli, model: Path) -> None:
    outcome = cli("verify", model, "-t", "c", "--plugin", model.parent / "cubes.py")
    assert outcome.code == 2
    assert "nothing to compare the plugin with; --custom-ops names a library" in outcome.err
