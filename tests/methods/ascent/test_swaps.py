"""Greedy swaps on functions with a known maximum."""

from __future__ import annotations

import numpy as np

from onnxviz.methods.ascent.swaps import greedy_swaps

WEIGHTS = np.array([3.0, -1, 2, -5])


def flips(point):
    return np.stack([np.where(np.arange(4) == place, 1 - point, point) for place in range(4)])


def linear(points):
    return points @ WEIGHTS


def test_of_a_linear_score_the_maximum_is_reached_in_as_many_rounds_as_bits_are_wrong():
    found = greedy_swaps(linear, np.array([0, 1, 0, 1]), flips)
    assert found.point.tolist() == [1, 0, 1, 0]
    assert (found.score, found.rounds) == (5.0, 4)
    assert found.looks == 4 * 5


def test_nothing_is_done_at_the_top_without_proposals_or_rounds():
    top = np.array([1, 0, 1, 0])
    assert greedy_swaps(linear, top, flips).rounds == 0
    assert greedy_swaps(linear, 1 - top, flips, rounds=2).rounds == 2
    assert greedy_swaps(linear, 1 - top, lambda point: np.empty((0, 4))).looks == 0


def test_what_is_no_number_is_never_chosen():
    found = greedy_swaps(lambda points: np.where(points[:, 0] == 1, np.nan, linear(points)), np.zeros(4), flips)
    assert found.point.tolist() == [0, 0, 1, 0]
