"""Searches with known answers: the corner of a box, the edge of a ball."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from onnxviz.errors import AllocationError, EvaluationError, UsageError
from onnxviz.methods.ascent.runs import Run
from onnxviz.methods.ascent.search import search
from onnxviz.methods.ascent.settings import Settings
from onnxviz.methods.ascent.space import Space
from onnxviz.methods.ascent.status import Status
from onnxviz.methods.objectives.objectives import Objective
from onnxviz.methods.objectives.surroundings import Surroundings
from onnxviz.target import Target

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
    assert [one.ascent.status for one in results][-1] == Status.INTERRUPTED
    assert len(results) < 3
    assert all(one.ascent.status == Status.OK for one in results[:-1])


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
    assert told[-1] == (12, 12)


def test_lbfgs_refuses_random_transforms() -> None:
    with pytest.raises(UsageError, match="`no_transforms`"):
        found(PICTURE, [unit(0)], Settings(steps=2, optimizer="lbfgs"))
    assert found(PICTURE, [unit(0)], Settings(steps=2, optimizer="lbfgs", robust=False))


# Sets of restarts.

FOUR = Settings(steps=30, seed=2, restarts=3)


def read(text: str) -> Objective:
    return Objective.parse(text, ["x", "y"], "x").settled(Surroundings({"x": (4,), "y": (3,)}, moving="x"))


def test_a_set_has_as_many_restarts_as_its_terms_suggest_and_others_as_they_are_told() -> None:
    texts = ["y[0]", "y[0] - diversity(y)", "interpolate(y[0], y[1])"]
    objectives = [read(text) for text in texts]
    assert [len(one.ascents) for one in found(box(), objectives, FOUR)] == [3, 4, 6]
    chosen = Settings(steps=2, restarts=2, members=2)
    assert [len(one.ascents) for one in found(box(), objectives, chosen)] == [2, 2, 2]


def test_diversity_leads_the_restarts_apart() -> None:
    def two_tops(inputs):
        x = inputs["x"]
        return {"y": torch.stack([x[:, 0].abs() + x[:, 1].abs(), x[:, 0], x[:, 1]], 1)}

    def directions(text: str) -> int:
        (one,) = found(box(-1, 1), [read(text)], Settings(steps=60, restarts=2, members=2, rate=0.2), two_tops)
        angles = np.array([ascent.array[:2] for ascent in one.ascents])
        angles /= np.linalg.norm(angles, axis=1, keepdims=True)
        return abs(float(angles[0] @ angles[1]))

    # Without the comparison, both end in a corner, in equal, opposite or orthogonal directions. With the comparison, they differ.
    assert directions("y[0] - 100*diversity(x[:2])") < 0.05


@pytest.mark.parametrize("space", [box(), PICTURE], ids=["vector", "image"])
def test_a_set_changes_nothing_beside_it_and_nothing_changes_it(space: Space) -> None:
    settings = Settings(steps=8, restarts=2, seed=3)
    objectives = [unit(0), read("y[1] - 2*diversity(y)"), unit(2)]
    together = found(space, objectives, settings)
    for place, objective in enumerate(objectives):
        (alone,) = found(space, [objective], settings, batch_size=4)
        for mine, other in zip(alone.ascents, together[place].ascents, strict=True):
            np.testing.assert_allclose(mine.array, other.array, rtol=1e-5, atol=1e-5)


def test_a_network_that_takes_one_sample_gives_the_same_set() -> None:
    def single(inputs):
        if len(inputs["x"]) != 1:
            raise EvaluationError("one at a time")
        return linear(inputs)

    objective = read("y[1] - 2*diversity(y)")
    (one,), (other,) = (found(box(), [objective], Settings(steps=8), network) for network in (linear, single))
    for mine, theirs in zip(one.ascents, other.ascents, strict=True):
        np.testing.assert_allclose(mine.array, theirs.array, rtol=1e-5, atol=1e-5)


def test_a_passage_begins_at_one_place_and_ends_at_either_target() -> None:
    (one,) = found(box(), [read("interpolate(y[0], y[1])")], Settings(steps=60, rate=0.2))
    assert all((start == one.starts[0]).all() for start in one.starts)
    for weights, ascent in zip(WEIGHTS[:2], (one.ascents[0], one.ascents[-1]), strict=True):
        np.testing.assert_allclose(ascent.array, np.where(weights.numpy() > 0, 2.0, -1.0), atol=0.05)


def test_the_members_of_a_set_are_kept_of_one_step() -> None:
    # The scores are those of the kept inputs, computed as one set.
    objective = read("y[0] - 3*diversity(y)")
    (one,) = found(box(), [objective], Settings(steps=25, rate=1.0))
    kept = torch.tensor(np.stack([ascent.array for ascent in one.ascents]))
    scores = objective({**linear({"x": kept}), "x": kept})
    np.testing.assert_allclose([ascent.score for ascent in one.ascents], scores, rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        ("diversity(y)", Settings(restarts=1, members=1), "2 or more"),
        ("diversity(y)", Settings(members=9), "give `restarts` 8"),
        ("diversity(y)", Settings(optimizer="lbfgs"), "use adam"),
    ],
)
def test_a_set_that_cannot_be_is_refused(text: str, settings: Settings, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        found(box(), [read(text)], settings, batch_size=8)


def test_what_is_tied_to_its_place_is_climbed_without_random_moves() -> None:
    moved = []

    def watching(inputs):
        moved.append(inputs["x"].detach().clone())
        return {"y": inputs["x"].flatten(1)}

    space = Space("x", (1, 24, 24), ("channel", "height", "width"), "image", low=np.zeros(()), high=np.ones(()))
    reference = {"y": np.linspace(0, 1, 576)}
    objective = Objective.parse("inversion(y)", ["y"]).settled(Surroundings(references=reference))
    settings = Settings(steps=1, rate=1e-9)
    (one,) = found(space, [objective], settings, watching)
    assert all(float((seen[:1] - torch.tensor(one.start)).abs().max()) < 1e-5 for seen in moved[-3:])
    moved.clear()
    found(space, [Objective.of(Target("y", (3,)))], settings, watching)
    assert any(float((seen[:1] - torch.tensor(one.start)).abs().max()) > 1e-2 for seen in moved[-3:])


def test_a_batch_that_the_memory_does_not_hold_is_halved() -> None:
    sizes: list[int] = []

    def scarce(inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        x = inputs["x"]
        if x.requires_grad:
            sizes.append(len(x))
            if len(x) > 2:
                raise MemoryError("all is taken")
        return {"y": x * 1.0}

    space = Space("x", (5,), ("feature",), "vector", low=np.zeros(()), high=np.ones(()))
    objectives = [Objective.of(Target("y", (unit,))) for unit in range(5)]
    settings = Settings(steps=3)
    climbed = [
        one
        for network in (scarce, lambda inputs: {"y": inputs["x"] * 1.0})
        for group in search(network, space, objectives, {}, settings, device=torch.device("cpu"), batch_size=8)
        for one in group
    ]
    assert sizes[0] == 5
    assert max(sizes[1:]) <= 3
    for halved, whole in zip(climbed[:5], climbed[5:], strict=True):
        assert halved.objective == whole.objective
        assert np.array_equal(halved.ascent.array, whole.ascent.array)
    with pytest.raises(AllocationError, match="`restarts`"):
        list(search(scarce, space, objectives[:1], {}, Settings(3, 4), device=torch.device("cpu"), batch_size=8))
