"""Closed forms of the agreement of restarts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from onnxviz.methods.ascent.consistency import Consistency, consistency, score_spread


def test_closed_form() -> None:
    inputs = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    found = consistency([1.0, 2.0, 6.0], inputs)
    assert found.restarts == 3
    assert found.score_mean == pytest.approx(3.0)
    assert found.score_std == pytest.approx(math.sqrt(14 / 3))
    assert found.cosine_mean == pytest.approx(math.sqrt(2) / 3)
    assert found.cosine_min == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("shape", [(7,), (2, 3, 4)])
def test_scale_does_not_matter_and_sign_does(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    assert consistency([0, 0], np.stack([x, 5 * x])).cosine_min == pytest.approx(1.0)
    assert consistency([0, 0, 0], np.stack([x, 5 * x, -x])).cosine_mean == pytest.approx(-1 / 3)


def test_what_is_not_finite_is_left_out() -> None:
    inputs = np.array([[1.0, 0.0], [np.nan, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert consistency([1.0, 2.0, 3.0, np.inf], inputs) == Consistency(2, 2.0, 1.0, 1.0, 1.0, 1, 2)


def test_too_few_to_compare() -> None:
    assert consistency([4.0], np.ones((1, 3))) == Consistency(1, 4.0, 0.0, None, None, 1, 1)
    assert consistency([np.nan], np.ones((1, 3))) == Consistency(0, None, None, None, None)


def test_inputs_at_rest_agree_with_each_other_alone() -> None:
    found = consistency([0.0, 0.0, 0.0], np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]]))
    assert found.cosine_mean == pytest.approx(1 / 3)
    assert found.cosine_min == 0.0


def test_inputs_that_point_the_same_way_are_one_finding() -> None:
    inputs = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.1], [0.1, 3.0], [1.0, 0.05]])
    found = consistency([1.0, 5.0, 1.1, 4.9, 1.05], inputs)
    # The best start leads to [0, 1], which another start finds too.
    assert (found.clusters, found.agreeing) == (2, 2)
    assert found.statement == "5 starts gave 2 different inputs; 2 of 5 gave the best one"
    equal = consistency([2.0, 2.0, 2.0], np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
    assert equal.statement == "3 starts gave 3 different inputs; 1 of 3 gave the best one"


def test_one_finding_is_agreement_and_one_start_is_none() -> None:
    assert consistency([1.0, 1.0], np.ones((2, 3))).statement == "2 of 2 starts agree: cosine 1.00"
    assert (consistency([1.0], np.ones((1, 3))).clusters, consistency([1.0], np.ones((1, 3))).agreeing) == (1, 1)
    assert "one start" in consistency([1.0], np.ones((1, 3))).statement
    assert "no start" in consistency([np.nan], np.ones((1, 3))).statement


def test_the_spread_of_scores_is_a_share_of_their_rise() -> None:
    scores, starts = np.array([9.0, 11.0, 10.0]), np.array([1.0, -1.0, 0.0])
    assert score_spread(scores, starts) == pytest.approx(scores.std() / 10)
    # Neither the zero of the scale nor its unit matters.
    assert score_spread(5 * scores - 70, 5 * starts - 70) == pytest.approx(scores.std() / 10)
    assert score_spread([*scores, np.nan], [*starts, 0.0]) == pytest.approx(scores.std() / 10)


@pytest.mark.parametrize("scores", [[], [3.0], [0.0, 1.0], [np.inf, 4.0], [1.0, 1.000001]])
def test_without_a_rise_there_is_no_spread(scores: list[float]) -> None:
    assert score_spread(scores, [1.0] * len(scores)) is None
