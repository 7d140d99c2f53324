"""`maximize` is interrupted, and continues."""

from __future__ import annotations

import json

import numpy as np
import pytest

from onnxviz.methods.ascent import search


@pytest.fixture
def one_by_one(written):
    """A model that takes one sample at a time, whose targets are so climbed one after the other."""
    graph = "agraph (float[1, 3] x) => (float[1, 3] y) { a = Reshape(x, s)\ny = MatMul(a, w) }"
    return written(graph, w=np.diag([1, 2, 3]).astype(np.float32), s=np.array([1, 3]))


@pytest.mark.parametrize("where", ["between", "inside"])
def test_an_interruption_keeps_what_is_done_and_resume_completes_it(
    cli, one_by_one, tmp_path, monkeypatch, where: str
) -> None:
    climb, calls = search.maximize, 0

    def interrupted(*arguments, progress=None, **options):
        nonlocal calls
        calls += 1
        if calls < 2:
            return climb(*arguments, progress=progress, **options)
        if where == "between":
            raise KeyboardInterrupt

        def told(step, scores):
            raise KeyboardInterrupt

        return climb(*arguments, progress=told, **options)

    folder = tmp_path / "out"
    words = ["maximize", one_by_one, "-t", "y[*]", "--bounds", "0,1", "--steps", 3, "--restarts", 2, "-o", folder]
    monkeypatch.setattr(search, "maximize", interrupted)
    outcome = cli(*words)
    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    assert not folder.exists()
    assert "out.partial" in outcome.err
    partial = tmp_path / "out.partial"
    first = (partial / "y[0]" / "arrays.npz").read_bytes()
    assert json.loads((partial / "y[0]" / "result.json").read_text("utf-8"))["status"] != "interrupted"
    assert not (partial / "y[2]").exists()

    monkeypatch.undo()
    resumed = cli(*words, "--resume", "--json")
    assert resumed.code == 0
    assert [row["target"] for row in resumed.document["runs"]] == ["y[0]", "y[1]", "y[2]"]
    assert "interrupted" not in {row["status"] for row in resumed.document["runs"]}
    assert (folder / "y[0]" / "arrays.npz").read_bytes() == first
    assert not partial.exists()
    # The result is the same as without the interruption.
    assert cli(*words[:-1], tmp_path / "whole").code == 0
    for target in ("y[0]", "y[1]", "y[2]"):
        whole = (tmp_path / "whole" / target / "arrays.npz").read_bytes()
        assert (folder / target / "arrays.npz").read_bytes() == whole


def test_resume_does_not_climb_again_what_is_done(cli, one_by_one, tmp_path, monkeypatch) -> None:
    words = ["maximize", one_by_one, "-t", "y[*]", "--bounds", "0,1", "--steps", 2, "-o", tmp_path / "out"]
    assert cli(*words).code == 0

    def never(*_, **__):
        raise AssertionError("climbed again")

    monkeypatch.setattr(search, "maximize", never)
    assert cli(*words, "--resume").code == 0
    other = cli(*words[:-4], "--steps", 5, "-o", tmp_path / "out", "--resume")
    assert other.code == 2
    assert "steps" in other.err


@pytest.mark.parametrize(
    "words",
    [["--bounds", "0,2"], ["--norm", "3"], ["--seed", "1"], ["--set", "gain=2", "--bounds", "0,1"], []],
    ids=" ".join,
)
def test_resume_refuses_another_search(cli, written, tmp_path, words: list[str]) -> None:
    path = written("agraph (float[N, 3] x, float[1] gain) => (float[N, 3] y) { y = Mul(x, gain) }")
    shared = ["maximize", path, "--wrt", "x", "-t", "y[0]", "--steps", 2, "-o", tmp_path / "out"]
    assert cli(*shared, "--bounds", "0,1").code == 0
    assert cli(*shared, "--bounds", "0,1", "--resume").code == 0
    assert cli(*shared, *words, "--resume").code == 2
