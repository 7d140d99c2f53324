"""Contributions: exact for linear models; those that are not measured are reported."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.methods.evidence.contributions import contributions

RANDOM = np.random.default_rng(0)


def test_of_a_linear_model_they_are_weight_times_distance_and_sum_to_the_rise():
    weights, point, reference = RANDOM.normal(size=(3, 12))
    found = contributions(lambda x: x @ weights, point, reference, [(place,) for place in range(12)], point - reference)
    expected = weights * (point - reference)
    assert found.drops == pytest.approx(np.sort(expected)[::-1])
    assert [expected[part[0]] for part in found.parts] == pytest.approx(found.drops)
    assert found.drops.sum() == pytest.approx(point @ weights - reference @ weights)


def test_a_group_goes_back_together():
    weights, point, reference = np.array([1.0, 2, 4]), np.array([0.0, 1, 5]), np.array([1.0, 0, 5])
    found = contributions(lambda x: x @ weights, point, reference, [(0, 1), (2,)], point - reference)
    assert found.parts == ((0, 1),)
    assert found.drops == pytest.approx([1.0])


def test_on_wide_inputs_the_farthest_are_looked_at():
    point = np.arange(1.0, 101)
    looked = []

    def score(samples):
        looked.append(len(samples))
        return samples.sum(1)

    found = contributions(score, point, np.zeros(100), [(place,) for place in range(100)], point, most=10)
    assert looked == [11]
    assert [part[0] for part in found.parts] == list(range(99, 89, -1))
    assert found.unmeasured == 90


def test_nothing_moved_nothing_measured():
    assert contributions(lambda x: x.sum(1), np.ones(3), np.ones(3), [(0,), (1,), (2,)], np.zeros(3)).parts == ()
