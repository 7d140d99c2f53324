"""The search without gradients: against known maxima, and against the ascent."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onnxviz.methods.ascent.evolution import evolve
from onnxviz.methods.ascent.search import search
from onnxviz.methods.ascent.settings import Settings
from onnxviz.methods.ascent.space import Space
from onnxviz.methods.ascent.status import Status
from onnxviz.methods.objectives.objectives import Objective
from onnxviz.target import Target

AIMS = [Objective.of(Target("y", (place,))) for place in range(2)]
BOX = Space("x", (4,), ("feature",), "vector", low=np.full(4, -1.0), high=np.full(4, 2.0))
SPHERE = Space("x", (4,), ("feature",), "vector", mean=np.arange(4.0), scale=np.array([1, 0.5, 2, 1]), norm=2.0)
WEIGHTS = np.array([1.0, -2.0, 0.5, 3.0])
SETTINGS = Settings(steps=60, restarts=2, optimizer="cma")


def linear(inputs: np.ndarray) -> np.ndarray:
    return inputs @ WEIGHTS


def smooth(inputs: np.ndarray) -> np.ndarray:
    return -((inputs - np.array([0.5, -0.5, 1.0, 1.5])) ** 2 * [1, 3, 2, 5]).sum(1) + 0.3 * inputs[:, 0] * inputs[:, 3]


def leaf(inputs: np.ndarray) -> np.ndarray:
    """Return what a tree does: two levels, and one corner that is higher."""
    return (inputs[:, 0] > 1.2) * 1.0 + (inputs[:, 2] < -0.4) * 1.0


class Measured:
    """A function of (sample, 4) inputs as `Scorer` offers it; may be interrupted at a look."""

    def __init__(self, function, interrupted_at: int = 0) -> None:
        self.function, self.interrupted_at, self.looks = function, interrupted_at, 0

    def __call__(self, objectives, inputs):
        self.looks += 1
        if self.looks == self.interrupted_at:
            raise KeyboardInterrupt
        return np.stack([self.function(inputs.astype(np.float64)) * (1 - 2 * (o == AIMS[1])) for o in objectives])


def found(function, space=BOX, aims=AIMS[:1], settings=SETTINGS):
    return [one for group in evolve(Measured(function), space, aims, settings) for one in group]


def test_a_linear_target_in_a_box_ends_in_its_corner() -> None:
    (one,) = found(linear)
    np.testing.assert_allclose(one.ascent.array, np.where(WEIGHTS > 0, 2.0, -1.0), atol=1e-3)
    assert one.ascent.array.max() <= 2
    assert one.ascent.array.min() >= -1
    assert one.ascent.status == Status.OK
    assert one.ascent.score > one.ascent.initial_score
    assert "without gradients" in one.text


def test_a_linear_target_on_a_sphere_ends_where_its_weights_point() -> None:
    (one,) = found(linear, SPHERE)
    slope = WEIGHTS * SPHERE.scale
    wanted = SPHERE.mean + SPHERE.scale * 2 * slope / np.linalg.norm(slope)
    np.testing.assert_allclose(one.ascent.array, wanted, atol=0.02)
    assert one.consistency.cosine_min > 0.99


@pytest.mark.parametrize("space", [BOX, SPHERE], ids=["box", "sphere"])
def test_it_agrees_with_the_ascent_where_there_is_a_gradient(space: Space) -> None:
    def network(inputs):
        x = inputs["x"]
        off = (x - torch.tensor([0.5, -0.5, 1.0, 1.5])) ** 2 * torch.tensor([1.0, 3, 2, 5])
        return {"y": (-off.sum(1) + 0.3 * x[:, 0] * x[:, 3])[:, None]}

    (group,) = search(
        network, space, AIMS[:1], {}, Settings(steps=256, restarts=2), device=torch.device("cpu"), batch_size=4
    )
    (blind,) = found(smooth, space, settings=Settings(steps=100, restarts=2, optimizer="cma"))
    assert blind.ascent.score == pytest.approx(group[0].ascent.score, rel=0.01, abs=0.01)
    np.testing.assert_allclose(blind.ascent.array, group[0].ascent.array, atol=0.05)


def test_of_all_inputs_on_a_plateau_the_nearest_to_the_middle_is_found() -> None:
    (one,) = found(leaf, settings=Settings(steps=100, restarts=1, optimizer="cma"))
    assert one.ascent.score == 2
    # The middle of the box is .5; the thresholds lie at 1.2 and -.4, and the other features do not matter.
    np.testing.assert_allclose(one.ascent.array, [1.2, 0.5, -0.4, 0.5], atol=0.06)
    assert one.ascent.array[0] > 1.2
    assert one.ascent.array[2] < -0.4


def test_a_level_target_is_no_progress() -> None:
    (one,) = found(lambda inputs: np.full(len(inputs), 3.0))
    assert one.ascent.status == Status.NO_PROGRESS
    assert one.ascent.message
    assert one.ascent.score == one.ascent.initial_score == 3


def test_scores_that_are_not_finite_are_passed_by() -> None:
    (one,) = found(lambda inputs: np.where(inputs[:, 0] > 1, np.nan, linear(inputs)))
    assert one.ascent.status == Status.OK
    assert 0.9 < one.ascent.array[0] <= 1
    (one,) = found(lambda inputs: np.full(len(inputs), np.inf))
    assert one.ascent.status == Status.NOT_FINITE


def test_the_seed_decides_and_the_neighbors_do_not() -> None:
    together = found(smooth, aims=AIMS[::-1])
    alone = found(smooth)
    other = found(smooth, settings=Settings(steps=60, restarts=2, optimizer="cma", seed=1))
    for mine, its in zip(alone[0].ascents, together[1].ascents, strict=True):
        assert mine.array.tobytes() == its.array.tobytes()
    assert other[0].ascent.array.tobytes() != alone[0].ascent.array.tobytes()


def test_the_budget_is_kept_to() -> None:
    seen = []

    def counted(inputs):
        seen.append(len(inputs))
        return linear(inputs)

    told = []
    list(
        evolve(
            Measured(counted),
            BOX,
            AIMS[:1],
            Settings(steps=30, restarts=1, optimizer="cma"),
            progress=lambda step, total, words: told.append((step, total)),
        )
    )
    generation = seen[1]
    assert sum(seen[1:]) <= 30 * generation
    assert [step for step, _ in told] == sorted(step for step, _ in told)
    assert told[-1][0] <= told[-1][1] == 30


@pytest.mark.parametrize("place", [5, 40])
def test_after_an_interruption_the_best_so_far_is_kept_and_nothing_more_begun(place: int) -> None:
    settings = Settings(steps=30, restarts=2, optimizer="cma")
    groups = list(evolve(Measured(linear, place), BOX, AIMS, settings))
    assert len(groups) == 1
    ((one,),) = groups
    assert {ascent.status for ascent in one.ascents} == {Status.INTERRUPTED}
    assert one.ascent.score >= one.ascent.initial_score
    with pytest.raises(KeyboardInterrupt):
        list(evolve(Measured(linear, 1), BOX, AIMS, settings))


def test_a_single_number_is_searched() -> None:
    space = Space("x", (1,), ("feature",), "vector", low=np.zeros(1), high=np.ones(1))
    (one,) = found(lambda inputs: -((inputs[:, 0] - 0.3) ** 2), space)
    assert one.ascent.array[0] == pytest.approx(0.3, abs=0.01)
