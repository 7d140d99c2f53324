"""Verdicts, each from the least evidence that causes it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from onnxviz.methods.evidence.verdict import Agreement, ClassProbability, Evidence, Word, constant, judge

PROBES = np.linspace(-3, 2, 64)
ALIVE = Evidence(found=5.0, start=0.5, torch=5.0, probes=PROBES, samples=np.empty(0))
RELU = {"low": 0.0, "high": math.inf, "operator": "Relu"}
SIGMOID = {"low": 0.0, "high": 1.0, "operator": "Sigmoid"}
CASES = {
    "alive": ({}, "ok"),
    "no finite score": ({"found": math.nan}, "not_finite"),
    "an empty target": ({"found": math.nan, "empty": "boxes is empty"}, "empty"),
    "random numbers move it": ({"torch": 4.0, "draws": np.array([4.0, 6.0])}, "ok"),
    "a rectifier at 0": ({"found": 0.0, "start": 0.0, "torch": 0.0, "probes": np.zeros(64), **RELU}, "dead"),
    "a clip at its floor": (
        {"found": 0.0, "start": 0.0, "probes": np.zeros(64), "low": 0.0, "high": 6.0, "operator": "Clip"},
        "dead",
    ),
    "a clip at its ceiling": (
        {"found": 6.0, "start": 6.0, "probes": np.full(64, 6.0), "low": 0.0, "high": 6.0, "operator": "Clip"},
        "saturated",
    ),
    "a sigmoid at 1 for everything": ({"found": 1.0, "start": 1.0, "probes": np.ones(64), **SIGMOID}, "saturated"),
    "a sigmoid at 0 for everything": ({"found": 0.0, "start": 0.0, "probes": np.zeros(64), **SIGMOID}, "saturated"),
    "a sigmoid between": ({"found": 0.4, "start": 0.4, "probes": np.full(64, 0.4), **SIGMOID}, "constant"),
    "a constant": ({"found": 3.0, "start": 3.0, "probes": np.full(64, 3.0)}, "constant"),
    "at the bound from the start": (
        {"found": 0.99999, "start": 0.9995, "torch": 0.99999, "probes": PROBES / 10 + 0.5, **SIGMOID},
        "saturated",
    ),
    "a rectifier that lives": ({**RELU, "probes": np.maximum(PROBES, 0)}, "ok"),
    "only the data move it": ({**RELU, "found": 0.0, "start": 0.0, "torch": 0.0, "probes": np.zeros(64)}, "weak"),
    "a random input is higher": ({"probes": PROBES + 4}, "weak"),
    "a random input is as high": ({"probes": np.append(PROBES, 5.0)}, "weak"),
    "torch says otherwise": ({"torch": 7.0}, "unconfirmed"),
    "torch was not asked": ({"torch": None}, "ok"),
    "the start was higher": ({"start": 5.5, "probes": np.empty(0)}, "weak"),
    "the start was as high": ({"start": 5.0}, "weak"),
    "probes are not finite": ({"probes": np.full(64, np.nan)}, "ok"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_verdict_follows_from_the_evidence(case: str) -> None:
    changes, word = CASES[case]
    if case == "only the data move it":
        changes = {**changes, "samples": np.array([0.0, 2.0])}
    verdict = judge(replace(ALIVE, **changes))
    assert verdict.word == word
    assert isinstance(verdict.word, Word)
    assert verdict.word.sentence
    assert verdict.message or word == "ok"


def test_what_blocks_the_gradient_from_every_start_is_told() -> None:
    dead = replace(ALIVE, found=0.0, start=0.0, probes=np.zeros(9), blocked=5, starts=5, **RELU)
    assert "from all 5 starts" in judge(dead).message
    assert "from all" not in judge(replace(dead, blocked=4)).message


def test_rounding_is_no_difference() -> None:
    rng = np.random.default_rng(0)
    constant = replace(ALIVE, found=3.0, start=3.0, torch=3.0, probes=3 * (1 + 1e-6 * rng.standard_normal(64)))
    assert judge(constant).word == "constant"


def test_the_spread_of_a_random_target_is_told() -> None:
    message = judge(replace(ALIVE, torch=4.0, draws=np.array([4.0, 6.0]))).message
    assert "with new random numbers this input scores 4 to 6" in message


CLASS = ClassProbability
STARTS = {
    "all agree": (Agreement(5, 1, 5, 0.3), "ok"),
    "scores and inputs differ": (Agreement(5, 5, 1, 0.92), "unreliable"),
    "one start stays behind": (Agreement(5, 2, 4, 0.4), "unreliable"),
    "inputs differ, scores do not": (Agreement(5, 5, 1, 0.006), "several"),
    "scores did not rise": (Agreement(3, 3, 1, None), "unreliable"),
    "one start": (None, "ok"),
}


@pytest.mark.parametrize("case", STARTS)
def test_starts_that_disagree_are_never_ok(case: str) -> None:
    agreed, word = STARTS[case]
    verdict = judge(replace(ALIVE, agreement=agreed))
    assert verdict.word == word
    assert word == "ok" or "starts gave" in verdict.message


def test_the_sentence_on_starts_tells_their_numbers() -> None:
    assert (
        judge(replace(ALIVE, agreement=Agreement(5, 5, 1, 0.92))).message
        == "five starts gave five inputs, scores ±92 %"
    )
    several = judge(replace(ALIVE, agreement=Agreement(12, 3, 4, 0.0)))
    assert several.message == "12 starts gave three inputs, equal scores; four of them gave the best one"


@pytest.mark.parametrize(
    ("likely", "word", "said"),
    [
        (CLASS(0.39), "weak", "a probability of 0.39"),
        (CLASS(0.21, "class 4 (cat)", 0.45), "weak", "a probability of 0.21 at this input, and class 4 (cat) has 0.45"),
        (CLASS(0.5), "ok", ""),
        (CLASS(0.99), "ok", ""),
        (None, "ok", ""),
    ],
)
def test_a_class_that_stays_unlikely_is_weak(likely: ClassProbability | None, word: str, said: str) -> None:
    verdict = judge(replace(ALIVE, probability=likely))
    assert verdict.word == word
    assert said in verdict.message


@pytest.mark.parametrize(
    ("kept", "word"), [(0.49, "fragile"), (-0.2, "fragile"), (0.5, "ok"), (0.98, "ok"), (None, "ok")]
)
def test_a_picture_that_loses_half_of_its_rise_when_moved_is_fragile(kept: float | None, word: str) -> None:
    verdict = judge(replace(ALIVE, kept=kept))
    assert verdict.word == word
    assert word == "ok" or ("49 %" if kept > 0 else "nothing") in verdict.message


def test_the_gravest_finding_is_the_word_and_the_others_are_told() -> None:
    seen = replace(ALIVE, probability=CLASS(0.39), agreement=Agreement(5, 5, 1, 0.92), kept=0.23)
    verdict = judge(seen)
    assert verdict.word == "weak"
    assert "; unreliable: five starts gave five inputs" in verdict.message
    assert "; fragile: 23 % of the score's rise is left" in verdict.message
    # What shows nothing at all is not doubted further.
    assert judge(replace(seen, found=math.nan)).word == "not_finite"
    lower = judge(replace(seen, start=5.5, probes=np.empty(0)))
    assert lower.word == "weak"
    assert lower.message.count("weak") == 0


def test_a_target_that_was_not_maximized_says_so() -> None:
    still = replace(ALIVE, found=0.37, start=0.37, torch=0.37, probes=np.full(16, 0.37), maximized=False)
    assert judge(still).word == "constant"
    assert judge(still).message == "answers 0.37 to every input tried; not maximized"
    assert constant(np.array([3.0, 3.0 + 1e-6, np.nan]))
    assert not constant(np.array([3.0, 3.1]))
    assert not constant(np.array([np.nan]))
