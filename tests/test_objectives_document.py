"""docs/objectives.md names every function, and its examples run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from onnxviz.methods.objectives.objectives import FUNCTIONS
from onnxviz.question import ASKED, Question

REPOSITORY = Path(__file__).parents[1]
TEXT = (REPOSITORY / "docs" / "objectives.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"`(onnxviz maximize sample_models/[^`]+)`", TEXT)


def rows() -> list[str]:
    """The first cell of every row that explains a term."""
    return re.findall(r"^\| `([^`]+)` \|", TEXT.partition("## Terms")[2], re.MULTILINE)


def test_every_function_is_explained_as_it_is_written() -> None:
    written = {re.sub(r"TENSOR|TARGET", "T", term.signature) for term in FUNCTIONS.values()}
    assert set(rows()) == {"T", *(f"{name}(T)" for name in ASKED), *written}


def test_every_question_is_explained() -> None:
    assert [one.sentence for one in Question if f"| `{one.sentence}` |" not in TEXT] == []


def test_every_function_has_an_example() -> None:
    assert [name for name in (*FUNCTIONS, *ASKED) if not any(f"{name}(" in command for command in COMMANDS)] == []


def test_the_help_names_every_function(cli) -> None:
    said = cli("maximize", "--help").out
    assert [name for name in (*FUNCTIONS, *ASKED) if f"{name}(" not in said] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_runs(cli, monkeypatch, tmp_path, command: str) -> None:
    monkeypatch.chdir(REPOSITORY)
    words = shlex.split(command)[1:]
    words[words.index("-o") + 1] = str(tmp_path / "out")
    outcome = cli(*words, "--steps", "2", "--json")
    assert outcome.code == 0, outcome.err
    for row in outcome.document["runs"]:
        assert row["ort_score"] == pytest.approx(row["score"], rel=1e-3, abs=1e-3)
    assert any((tmp_path / "out").rglob("picture.png"))
