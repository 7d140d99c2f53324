"""Scores of many units at once equal each target's own `select`, and the maxima lie at the reported positions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onnxviz.errors import DataError, TargetError
from onnxviz.methods.samples.unit_scores import UnitScores
from onnxviz.question import Question
from onnxviz.target import Target

PATTERNS = [
    "c[*]",
    "c",
    "c[2]",
    "c[:, 3, 3]",
    "c[..., *]",
    "c[*, 2, *]",
    "c[1:5:2]",
    "c[*, 2:5]",
    "c[-1, :, 1::2]",
    "c[2, 3, 4]",
]


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((5, 6, 7, 8)).astype(np.float32)


@pytest.mark.parametrize("text", PATTERNS)
@pytest.mark.parametrize("question", Question)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_scores_are_those_of_each_target(values, text, question, dtype) -> None:
    pattern = replace(Target.parse(text), fitting=question, units=0)
    scores, _ = UnitScores(pattern, (6, 7, 8))(values.astype(dtype))
    targets = pattern.expand((6, 7, 8))
    wanted = np.stack([target.select(values.astype(dtype).astype(np.float32)) for target in targets], axis=1)
    np.testing.assert_allclose(scores, wanted, atol=2e-6)


@pytest.mark.parametrize("text", PATTERNS)
def test_the_maximum_is_at_its_position(values, text) -> None:
    unit_scores = UnitScores(Target.parse(f"max({text})"), (6, 7, 8))
    scores, places = unit_scores(values)
    for unit, target in enumerate(unit_scores.targets):
        for sample in range(len(values)):
            picked = values[sample][target.index]
            assert scores[sample, unit] == picked.max()
            if places is not None:
                position = unit_scores.position(unit, int(places[sample, unit]))
                assert values[(sample, *position)] == picked.max()


def test_a_position_is_read_whatever_size_the_map_had() -> None:
    unit_scores = UnitScores(Target.parse("c[*]"), (2, 3, 3))
    wide = np.zeros((1, 2, 40, 70), np.float32)
    wide[0, 1, 33, 61] = 1
    _, places = unit_scores(wide)
    assert unit_scores.position(1, int(places[0, 1])) == (1, 33, 61)


def test_units_that_change_their_number_are_refused() -> None:
    unit_scores = UnitScores(Target.parse("c[*]"), (4, 3))
    with pytest.raises(DataError, match="`shapes`"):
        unit_scores(np.zeros((1, 5, 3), np.float32))
    with pytest.raises(TargetError):
        UnitScores(Target.parse("c[4]"), (4, 3))


def test_an_empty_tensor_has_no_score() -> None:
    scores, places = UnitScores(Target("boxes"), (3, 4))(np.empty((2, 0, 4), np.float32))
    assert np.isnan(scores).all()
    assert scores.shape == places.shape == (2, 1)
