"""Scores of moved inputs, for which the effect of the move is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onnxviz.methods.ascent.space import Space
from onnxviz.methods.evidence.robustness import robustness
from onnxviz.methods.objectives.objectives import Objective
from onnxviz.target import Target

AIM = Objective.of(Target("y", (0,)))
PICTURE = Space("x", (1, 32, 32), ("channel", "height", "width"), "image", low=np.zeros(()), high=np.ones(()))
VECTOR = Space("x", (3,), ("feature",), "vector", low=np.zeros(3), high=np.full(3, 4.0))


def measured(space, array, function, clean, start=0.0, seed=0):
    seen = []

    def score(objectives, inputs):
        seen.append(inputs)
        return np.stack([function(inputs) for _ in objectives])

    return robustness(score, AIM, space, array, seed, clean, start), seen[0]


def test_what_moving_does_not_change_is_kept_whole() -> None:
    found, copies = measured(PICTURE, np.full((1, 32, 32), 0.5, np.float32), lambda x: np.full(len(x), 3.0), 3.0, 1.0)
    assert (found.mean, found.std, found.min, found.share, found.kept) == (3, 0, 3, 1, 1)
    assert found.moves == len(copies) == 16


def test_a_score_that_hangs_on_one_pixel_is_lost() -> None:
    array = np.full((1, 32, 32), 0.5, np.float32)
    array[0, 16, 16] = 1.0
    found, _ = measured(PICTURE, array, lambda x: x[:, 0, 16, 16].astype(float), 1.0, 0.5)
    assert found.kept < 0.6
    assert found.min < 0.6
    assert found.std > 0


def test_moved_vectors_stay_within_their_bounds_and_near() -> None:
    array = np.array([0.0, 2.0, 4.0], np.float32)
    found, copies = measured(VECTOR, array, lambda x: x.sum(1).astype(float), 6.0)
    assert copies.min() >= 0
    assert copies.max() <= 4
    assert 0 < np.abs(copies - array).max() < 0.5
    assert found.mean == pytest.approx(copies.sum(1).mean())
    again = measured(VECTOR, array, lambda x: x.sum(1).astype(float), 6.0)[1]
    other = measured(VECTOR, array, lambda x: x.sum(1).astype(float), 6.0, seed=1)[1]
    np.testing.assert_array_equal(copies, again)
    assert not np.array_equal(copies, other)


def test_shares_are_told_only_of_what_they_can_be() -> None:
    array = np.zeros(3, np.float32)
    found, _ = measured(VECTOR, array, lambda x: np.full(len(x), -2.0), clean=-1.0, start=-3.0)
    assert (found.share, found.kept) == (None, 0.5)
    assert measured(VECTOR, array, lambda x: np.zeros(len(x)), clean=0.0, start=0.0)[0].kept is None
    assert measured(VECTOR, array, lambda x: np.full(len(x), np.nan), clean=1.0)[0] is None


def test_what_a_unit_sees_is_moved_inside_of_its_window() -> None:
    array = np.full((1, 32, 32), 0.5, np.float32)
    array[0, 4:12, 4:12] = 1.0
    window = (slice(0, 1), slice(4, 12), slice(4, 12))
    _, copies = measured(replace(PICTURE, window=window), array, lambda x: x.sum((1, 2, 3)).astype(float), 1.0)
    outside = np.ones((1, 32, 32), bool)
    outside[window] = False
    assert (copies[:, outside] == 0.5).all()
    # An eighth of 8 pixels, and not of 32, is the reach of a shift.
    assert copies[:, 0, 6:10, 6:10].min() > 0.5
