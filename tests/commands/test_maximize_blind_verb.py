"""`maximize` without gradients: trees, arg-max, and the same maximum as a search with gradients."""

from __future__ import annotations

import onnx
import onnx.numpy_helper
import onnx.parser
import onnx.utils
import pytest
from maximizing import aim, saved


def test_a_forest_is_searched_without_gradients_and_says_so(cli, samples, tmp_path, onnx_runtime) -> None:
    path, folder = samples / "forest.onnx", tmp_path / "out"
    words = ["maximize", path, "-t", "probabilities[0]", "--steps", 40, "--restarts", 2, "-o", folder, "--json"]
    outcome = cli(*words)
    assert outcome.code == 0
    assert "TreeEnsembleClassifier at probabilities passes no gradient" in outcome.err
    assert "CMA-ES" in outcome.err
    (row,) = outcome.document["runs"]
    assert (row["optimizer"], row["differentiable"]) == ("cma", False)
    array = saved(folder, "probabilities[0]")
    (moving,) = [value.name for value in onnx.load(path).graph.input]
    assert row["ort_score"] == pytest.approx(float(onnx_runtime(path, "probabilities", {moving: array})[0, 0]))
    assert row["ort_score"] > 0.9
    assert "without gradients" in row["units"]
    # A request for gradients fails with a message that there is none.
    refused = cli("maximize", path, "-t", "probabilities[0]", "--optimizer", "adam")
    assert refused.code == 1
    assert "TreeEnsemble" in refused.err
    assert "--optimizer cma" in refused.err


def test_with_a_gradient_and_without_the_same_maximum_is_found(cli, samples) -> None:
    words = ["maximize", samples / "wine.onnx", "-t", "logits[*]", "--data", samples / "wine.csv", "--json"]
    climbed = cli(*words).document["runs"]
    searched = cli(*words, "--optimizer", "cma", "--restarts", 2).document["runs"]
    assert {row["optimizer"] for row in searched} == {"cma"}
    assert {row["differentiable"] for row in searched} == {True}
    for one, other in zip(climbed, searched, strict=True):
        assert other["ort_score"] == pytest.approx(one["ort_score"], rel=0.01)


def test_an_argmax_is_searched(cli, written) -> None:
    graph = """agraph (float[N, 3] x) => (float[N, 1] y) {
        a = ArgMax <axis = 1, keepdims = 1> (x)
        y = Cast <to = 1> (a)
    }"""
    (row,) = aim(cli, written(graph), "-t", "y[0]", "--bounds", "0,1", "--restarts", 1)
    assert (row["optimizer"], row["differentiable"], row["ort_score"]) == ("cma", False, 2)


def test_an_interrupted_search_without_gradients_is_resumed_as_if_nothing_had_happened(
    cli, samples, tmp_path, monkeypatch
) -> None:
    from onnxviz.methods.ascent import scorer

    measure, looks = scorer.Scorer.__call__, 0

    def interrupted(self, objectives, inputs):
        nonlocal looks
        looks += 1
        if looks == 30:
            raise KeyboardInterrupt
        return measure(self, objectives, inputs)

    shared = ["maximize", samples / "forest.onnx", "-t", "probabilities[*]", "--steps", 20, "--restarts", 1]
    monkeypatch.setattr(scorer.Scorer, "__call__", interrupted)
    assert cli(*shared, "-o", tmp_path / "out").code == 130
    monkeypatch.undo()
    resumed = cli(*shared, "-o", tmp_path / "out", "--resume", "--json")
    assert resumed.code == 0
    assert {row["status"] for row in resumed.document["runs"]} <= {"ok", "no_progress"}
    assert cli(*shared, "-o", tmp_path / "whole").code == 0
    for target in ("probabilities[0]", "probabilities[1]"):
        files = [(tmp_path / folder / target / "arrays.npz").read_bytes() for folder in ("out", "whole")]
        assert files[0] == files[1]
