"""The standing of a score, against counting."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.methods.evidence.standing import standing


def test_a_score_is_placed_by_counting() -> None:
    scores = np.arange(100.0)
    found = standing(89.5, scores)
    assert (found.samples, found.percentile, found.max) == (100, 90, 99)
    assert found.margin == pytest.approx((89.5 - 99) / scores.std())
    assert found.statement == "above 90 % of 100 samples"


def test_nothing_is_rounded_up_to_all() -> None:
    assert standing(9998.5, np.arange(10_000.0)).statement == "above 99.9 % of 10000 samples"
    # A score is not above a sample with the same score.
    assert standing(3.0, np.array([1.0, 3.0])).percentile == 50


def test_a_score_above_all_tells_by_how_much() -> None:
    found = standing(5.0, np.array([1.0, 3.0]))
    assert (found.percentile, found.margin) == (100, 2)
    assert found.statement == "above all 2 samples, by 2 of their standard deviations"
    assert standing(5.0, np.array([1.0, 1.0])).statement == "above all 2 samples"


def test_what_is_not_finite_is_left_out() -> None:
    assert standing(1.0, np.array([0.0, np.nan, np.inf])).samples == 1
    assert standing(np.nan, np.array([0.0])) is None
    assert standing(1.0, np.array([np.nan])) is None
    assert standing(1.0, np.empty(0)) is None
