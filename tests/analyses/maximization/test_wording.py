"""The words of a row: in the table all findings of a verdict, on a chart the gravest one."""

from __future__ import annotations

import pytest

from onnxviz.analyses.maximization.wording import caption, detail, in_short

AGREED = {"restarts": 5, "agreeing": 1, "score_spread": 0.92, "resemblance": None}
ROW = {
    "ort_score": 1.0,
    "restarts": 5,
    "set": None,
    "consistency": AGREED,
    "robustness": {"kept": 0.2},
    "data": None,
    "optimizer": "adam",
    "status": "ok",
    "message": "",
}


@pytest.mark.parametrize(
    ("word", "message", "said"),
    [
        ("ok", "above all 64 random inputs", "1 of 5 starts agree"),
        (
            "unreliable",
            "five starts gave five inputs, scores ±92 %",
            "unreliable: five starts gave five inputs, scores ±92 %",
        ),
        (
            "weak",
            "the class has a probability of 0.39 at this input; several: five starts gave two inputs",
            "weak: the class has a probability of 0.39 at this input; 1 of 5 starts agree",
        ),
        (
            "constant",
            "answers 0.37 to every input tried; not maximized; state is held at 0",
            "constant: answers 0.37 to every input tried; not maximized; 1 of 5 starts agree",
        ),
    ],
)
def test_a_verdict_is_told_in_the_table_and_on_the_chart(word: str, message: str, said: str) -> None:
    row = {**ROW, "verdict": {"word": word, "message": message}}
    assert caption(row) == said
    assert in_short(row)["verdict"] == ("ok" if word == "ok" else f"{word}: {message}")
    assert detail(row) == ("1" if word == "ok" else f"1, {word}")
