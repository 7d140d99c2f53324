"""The budget of a report: a step is timed, the steps are cut once, and a later call does the same."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from onnxviz.analyses.maximization.request import MaximizationRequest
from onnxviz.errors import EvaluationError
from onnxviz.pages import pace
from onnxviz.pages.budget import Budget
from onnxviz.pages.pace import FEWEST, Pace, measure_pace
from onnxviz.pages.plan import Aim, Job
from onnxviz.pages.unit_search import run_job
from onnxviz.pages.work import UnitWork

APART = {"seconds.json", "data/seconds.js"}
"""What was measured of time: the only files that may differ."""


def content(folder: Path) -> dict[str, bytes]:
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: text for name, text in files.items() if name not in APART}


@pytest.fixture
def job(samples) -> tuple[Job, UnitWork]:
    work = UnitWork(samples / "digits.onnx", MaximizationRequest(wrt="image", device="cpu"), 1)
    return Job(Aim("logits", 0, 1, 10), 0, (0, 5)), work


def test_a_budget_counts_from_the_start_of_the_report() -> None:
    now = time.monotonic()
    spent, ample = Budget(now - 20, 10), Budget(now - 20, 1000)
    assert spent.left == pytest.approx(-10, abs=5)
    assert not spent.holds(0)
    assert ample.holds(900)
    assert not ample.holds(900, 0.5)
    assert (ample.until(0.5)(), ample.until(0.01)()) == (True, False)


def test_the_pace_is_that_of_the_search(job) -> None:
    found = measure_pace(*job)
    assert found is not None
    assert found.step > 0
    assert found.ready > 0
    asked = replace(job[1], request=replace(job[1].request, steps=2))
    searched = run_job(job[0], asked)
    assert measure_pace(job[0], asked).steps == 2
    assert [row["steps"] for row in searched.rows] == [2, 2]
    assert found.steps == max(row["steps"] for row in run_job(*job).rows) > 2


def test_a_job_that_cannot_be_searched_has_no_pace(job, monkeypatch) -> None:
    def refused(*_):
        raise EvaluationError("no")

    monkeypatch.setattr("onnxviz.analyses.maximization.preparation.prepare", refused)
    assert measure_pace(*job) is None


def test_a_job_past_its_time_has_no_result(job) -> None:
    searched = run_job(replace(job[0], seconds=-1.0), job[1])
    assert searched.late
    assert searched.rows == []
    assert replace(job[0], seconds=-1.0).key("digest", {}) == job[0].key("digest", {})


@pytest.fixture
def slow(monkeypatch) -> None:
    """Each step takes a hundred seconds, as far as anybody measures it."""
    monkeypatch.setattr(pace, "measure_pace", lambda job, work: Pace(1.0, 100.0, 96))
    monkeypatch.setattr(Budget, "holds", lambda self, seconds, share=1.0: False)


def test_a_slow_model_gets_fewer_steps_and_a_later_call_does_the_same(
    cli, samples, tmp_path, slow, monkeypatch
) -> None:
    words = ("report", samples / "digits.onnx", "--units", 10, "--tensors", "logits", "--json")
    first = cli(*words, "--budget", "60s", "-o", tmp_path / "parts")
    assert first.code == 0, first.err
    assert f"Large model for the time: {FEWEST} steps (change with --steps)" in first.err
    assert first.document["steps"] == FEWEST
    # One unit is always searched. For the rest and for the check there is no time.
    assert first.document["tensors"][0]["done"] == 1
    assert first.document["left_out"]["units"] == 9
    assert first.document["left_out"]["sections"] == ["verification"]
    page = (tmp_path / "parts" / "index.html").read_text("utf-8")
    assert f"{FEWEST} steps (change with <code>--steps</code>)" in page
    assert "Not done yet" in page
    monkeypatch.setattr(Budget, "holds", lambda self, seconds, share=1.0: True)
    later = cli(*words, "--budget", "none", "--resume", "-o", tmp_path / "parts")
    assert later.document["left_out"] == {"units": 0, "tensors": [], "seconds": None, "sections": []}
    assert later.document["verification"]["ok"]
    rows = [json.loads(file.read_text()) for file in (tmp_path / "parts" / "results").iterdir()]
    assert {row["steps"] for one in rows for row in one.get("rows", []) if "steps" in row} == {FEWEST}

    # The same cut without a stop: the same bytes.
    assert cli(*words, "--budget", "60s", "-o", tmp_path / "whole").document["left_out"]["units"] == 0
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_steps_that_were_asked_for_are_not_cut(cli, samples, tmp_path, slow) -> None:
    words = ("report", samples / "digits.onnx", "--units", 2, "--steps", 3, "--tensors", "logits", "--json")
    outcome = cli(*words, "--budget", "60s", "-o", tmp_path / "out")
    assert outcome.document["steps"] == 3
    assert outcome.document["tensors"][0]["done"] == 1
    assert "Large model" not in outcome.err


def test_a_report_with_results_is_not_forced_past_its_budget(cli, samples, tmp_path) -> None:
    words = ("report", samples / "digits.onnx", "--units", 10, "--steps", 2, "--tensors", "logits", "--json")
    first = cli(*words, "--budget", "0s", "-o", tmp_path / "out").document
    again = cli(*words, "--budget", "0s", "--resume", "-o", tmp_path / "out").document
    assert first["tensors"][0]["done"] == again["tensors"][0]["done"] == 1
