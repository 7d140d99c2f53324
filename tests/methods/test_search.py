"""Searches whose answer is known: the corner of a box, the edge of a ball."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onnxviz.errors import EvaluationError, UsageError
from onnxviz.methods.objectives import Objective
from onnxviz.methods.runs import Run
from onnxviz.methods.search import Settings, Space, search
from onnxviz.model.target import Target

WEIGHTS = torch.tensor([[1.0, -2.0, 0.5, 3.0], [-1.0, 1.0, 1.0, -0.5], [0.2, 0.1, -0.3, 0.4]])
CPU = torch.device("cpu")


def linear(inputs):
    return {"y": (inputs["x"].flatten(1)[:, None] * WEIGHTS).sum(2)}


def unit(place: int) -> Objective:
    return Objective.of(Target("y", (place,)))


def found(space, objectives, settings, network=linear, batch_size=64, **options):
    groups = search(network, space, objectives, {}, settings, device=CPU, batch_size=batch_size, **options)
    return [one for group in groups for one in group]


def box(low: float = -1.0, high: float = 2.0) -> Space:
    return Space("x", (4,), ("feature",), "vector", low=np.full(4, low), high=np.full(4, high))


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_linear_target_in_a_box_ends_in_its_corner(optimizer) -> None:
    settings = Settings(steps=60, restarts=2, optimizer=optimizer, rate=0.2)
    for weights, one in zip(WEIGHTS, found(box(), [unit(place) for place in range(3)], settings), strict=True):
        corner = np.where(weights.numpy() > 0, 2.0, -1.0)
        np.testing.assert_allclose(one.ascent.array, corner, atol=0.05)
        assert one.ascent.array.min() >= -1
        assert one.ascent.array.max() <= 2


def test_a_linear_target_in_a_ball_ends_where_its_weights_point() -> None:
    mean, scale = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 0.5, 2.0, 1.0])
    space = Space("x", (4,), ("feature",), "vector", mean=mean, scale=scale, norm=2.0)
    (one,) = found(space, [unit(0)], Settings(steps=150, restarts=3))
    gradient = WEIGHTS[0].numpy() * scale
    wanted = mean + scale * 2.0 * gradient / np.linalg.norm(gradient)
    np.testing.assert_allclose(one.ascent.array, wanted, atol=0.05)
    assert np.linalg.norm((one.ascent.array - mean) / scale) <= 2.0 * (1 + 1e-5)
    # There is one maximum, so that every start finds it.
    assert one.consistency.restarts == 3
    assert one.consistency.cosine_min > 0.99
    assert one.consistency.score_std < 0.01 * one.consistency.score_mean


def test_the_best_start_is_the_one_kept() -> None:
    def bumps(inputs):
        return {"y": (torch.cos(3 * inputs["x"]) + 0.1 * inputs["x"]).sum(1, keepdim=True)}

    (one,) = found(box(-4, 4), [unit(0)], Settings(steps=20, restarts=6), bumps)
    scores = [ascent.score for ascent in one.ascents]
    assert one.ascent.score == max(scores) > min(scores)
    assert one.consistency.score_std > 0
    with torch.no_grad():
        start = bumps({"x": torch.as_tensor(one.start)[None]})["y"].item()
    assert start == pytest.approx(one.ascent.initial_score, rel=1e-4)


def test_opposite_targets_end_at_opposite_ends() -> None:
    high, low = found(box(), [unit(0), -unit(0)], Settings(steps=60, rate=0.2))
    np.testing.assert_allclose(high.ascent.array + low.ascent.array, np.full(4, 1.0), atol=0.1)


PICTURE = Space("x", (1, 2, 2), ("channel", "height", "width"), "image", low=np.zeros(()), high=np.ones(()))


@pytest.mark.parametrize("space", [box(), PICTURE], ids=["vector", "image"])
def test_what_is_climbed_beside_a_target_changes_nothing(space: Space) -> None:
    settings = Settings(steps=8, restarts=2, seed=3)
    together = found(space, [unit(0), unit(1), unit(2)], settings)
    alone = found(space, [unit(1)], settings, batch_size=1)
    apart = found(space, [unit(2), unit(1)], settings, batch_size=2)
    for one in (alone[0], apart[1]):
        assert one.best == together[1].best
        for mine, other in zip(one.ascents, together[1].ascents, strict=True):
            np.testing.assert_allclose(mine.array, other.array, rtol=1e-5, atol=1e-5)


def test_starts_scatter_over_a_box_whatever_its_width() -> None:
    runs = [Run("y", restart) for restart in range(8)]
    narrow, wide = (box(*ends).start(runs, CPU).realize().detach().numpy() for ends in ((0.0, 1.0), (-2e3, 6e3)))
    np.testing.assert_allclose((wide + 2e3) / 8e3, narrow, atol=1e-5)
    # Not all in the corners, nor all in the middle.
    assert 0.05 < narrow.std() < 0.4


def test_the_seed_decides() -> None:
    first, same, other = (
        found(box(), [unit(0)], Settings(steps=3, restarts=2, seed=seed))[0].ascent.array for seed in (5, 5, 6)
    )
    assert first.tobytes() == same.tobytes()
    assert first.tobytes() != other.tobytes()


def test_a_network_of_a_fixed_batch_is_climbed_one_by_one() -> None:
    def fixed(inputs):
        if len(inputs["x"]) != 1:
            raise EvaluationError("a batch of one is wanted")
        return linear(inputs)

    settings = Settings(steps=5, restarts=2)
    objectives = [unit(0), unit(1)]
    for one, other in zip(found(box(), objectives, settings, fixed), found(box(), objectives, settings), strict=True):
        np.testing.assert_allclose(one.ascent.array, other.ascent.array, rtol=1e-5)


def test_after_an_interruption_nothing_more_is_begun() -> None:
    calls = 0

    def interrupted(inputs):
        nonlocal calls
        calls += 1
        if calls == 25:
            raise KeyboardInterrupt
        return linear(inputs)

    results = found(box(), [unit(0), unit(1), unit(2)], Settings(steps=12), interrupted, batch_size=1)
    assert [one.ascent.status for one in results][-1] == "interrupted"
    assert len(results) < 3
    assert all(one.ascent.status == "ok" for one in results[:-1])


def test_progress_rises_to_the_total() -> None:
    told = []
    found(
        box(),
        [unit(0), unit(1), unit(2)],
        Settings(steps=4),
        batch_size=2,
        progress=lambda step, total, words: told.append((step, total)),
    )
    steps = [step for step, _ in told]
    assert steps == sorted(steps)
    assert told[-1] == (8, 8)


def test_lbfgs_refuses_random_transforms() -> None:
    with pytest.raises(UsageError, match="--no-transforms"):
        found(PICTURE, [unit(0)], Settings(steps=2, optimizer="lbfgs"))
    assert found(PICTURE, [unit(0)], Settings(steps=2, optimizer="lbfgs", robust=False))
