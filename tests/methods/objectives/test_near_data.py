"""The objective near real samples: a goal in units of real scores, and distances in units of real samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onnxviz.methods.objectives.channel_statistics import channel_statistics
from onnxviz.methods.objectives.near_data import Goal, LayerDistribution, NearData
from onnxviz.methods.objectives.objectives import Objective

RNG = np.random.default_rng(1)


def statistics(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    found = channel_statistics(torch.as_tensor(values), axis, len(values))
    assert found is not None
    return found[0].numpy(), found[1].numpy()


@pytest.mark.parametrize("axis", [0, 2])
def test_statistics_are_those_of_numpy_whatever_the_layout(axis: int) -> None:
    values = RNG.standard_normal((4, 6, 5, 7))
    places = tuple(place for place in (1, 2, 3) if place != 1 + axis)
    mean, deviation = statistics(values, axis)
    np.testing.assert_allclose(mean, values.mean(places))
    np.testing.assert_allclose(deviation, values.std(places))


def test_rows_of_a_sample_count_together_and_a_vector_has_no_deviation() -> None:
    rows = torch.as_tensor(RNG.standard_normal((6, 5)))
    two = channel_statistics(rows, 0, 2)
    assert two is not None
    np.testing.assert_allclose(two[0], rows.reshape(2, 3, 5).mean(1))
    assert channel_statistics(rows, 0, 4) is None
    flat = rows.clone().requires_grad_()
    found = channel_statistics(flat, 0, 6)
    assert found is not None
    assert not found[1].any()
    (found[0].sum() + found[1].sum()).backward()
    assert torch.isfinite(flat.grad).all()


def test_a_typical_sample_misses_the_goal_by_one() -> None:
    goal = Goal.of(2.0, 10.0)
    assert goal.best < goal.score <= 1.5 * goal.best
    missing = goal.missing(torch.tensor([2.0, goal.score, 2 * goal.score]))
    assert missing.tolist() == [1.0, 0.0, 0.0]


def _near() -> tuple[NearData, np.ndarray, np.ndarray]:
    every, best = RNG.standard_normal((64, 6, 5, 5)), 1 + 0.3 * RNG.standard_normal((8, 6, 5, 5))
    layer = LayerDistribution.of("a", 0, statistics(every, 0), statistics(best, 0), np.ones(6, np.bool_))
    assert layer is not None
    return NearData(Objective.parse("f[1]", ["a", "f"]).terms, Goal.of(0.0, 4.0), (layer,)), every, best


def test_the_best_samples_lie_at_most_one_away_from_the_others() -> None:
    near, every, best = _near()
    means, deviations = statistics(best, 0)
    distances = []
    for place in range(len(best)):
        others = [np.delete(part, place, 0) for part in (means, deviations)]
        away = [
            (part[place] - other.mean(0)) / np.maximum(broad.std(0), 0.05 * np.median(broad.std(0)))
            for part, other, broad in zip((means, deviations), others, statistics(every, 0), strict=True)
        ]
        distances.append(np.mean(np.square(away)))
    assert near.layers[0].farthest == pytest.approx(np.max(distances))


def test_the_value_falls_with_the_distance_and_its_gradient_is_that_of_differences() -> None:
    near, every, best = _near()
    assert near.tensors == ("f", "a")
    assert str(near) == "f[1]"
    score = torch.tensor([[0.0, 3.0, 0.0]], dtype=torch.float64)
    values = [float(near({"a": torch.as_tensor(one[None]), "f": score}, 1)) for one in (best[0], every[0])]
    assert 0 > values[0] > values[1]
    moved = torch.as_tensor(every[:1]).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, f: near({"a": a, "f": f}, 1), (moved, score.requires_grad_()))


def test_channels_that_do_not_count_may_move_freely() -> None:
    every, best = RNG.standard_normal((64, 6, 5, 5)), RNG.standard_normal((8, 6, 5, 5))
    kept = np.arange(6) != 2
    layer = LayerDistribution.of("a", 0, statistics(every, 0), statistics(best, 0), kept)
    assert layer is not None
    moved = best.copy()
    moved[:, 2] += 1000
    plain, other = (layer.distance({"a": torch.as_tensor(one)}, 8) for one in (best, moved))
    torch.testing.assert_close(plain, other)
    assert LayerDistribution.of("a", 0, statistics(every[:1], 0), statistics(best, 0), kept) is None
