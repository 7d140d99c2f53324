"""The strength of units: means, strengths and positions, the strongest first."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.methods.samples.activity import unit_activity
from onnxviz.question import Question


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_unit_is_measured(axis) -> None:
    values = np.random.default_rng(axis).standard_normal((4, 5, 6))
    units = unit_activity(values, axis)
    assert sorted(one.index for one in units) == list(range(values.shape[axis]))
    for one in units:
        own = np.take(values, one.index, axis)
        assert one.mean == pytest.approx(own.mean())
        assert one.strength == pytest.approx(np.sqrt((own**2).mean()))
        assert (one.low, one.high) == (own.min(), own.max())
        assert own[one.position] == own.max()
        assert one.spread == pytest.approx(own.std())
    assert [one.spread for one in units] == sorted((one.spread for one in units), reverse=True)


def test_a_map_that_is_the_same_everywhere_comes_last() -> None:
    values = np.stack([np.full((3, 3), 9.0), np.eye(3), np.zeros((3, 3))])
    assert [one.index for one in unit_activity(values, 0)] == [1, 0, 2]
    assert unit_activity(values, 0, Question.HIGHEST)[0].score == 1


def test_units_of_one_value_are_ranked_by_it() -> None:
    assert [one.index for one in unit_activity(np.array([1.0, -9.0, 3.0]), 0)] == [2, 0, 1]


def test_what_is_no_number_comes_last_and_is_no_maximum() -> None:
    units = unit_activity(np.array([[np.nan, 1.0], [2.0, 0.0]]), 0)
    assert [one.index for one in units] == [1, 0]
    assert units[1].position == (1,)
    assert unit_activity(np.zeros((3, 0)), 0) == []
