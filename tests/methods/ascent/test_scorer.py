"""Scores by a runtime: the same for many inputs at once, one by one, and by copies."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.errors import EvaluationError
from onnxviz.methods.ascent.scorer import Scorer
from onnxviz.methods.objectives.objectives import Objective
from onnxviz.target import Target

WEIGHTS = np.array([[1.0, -2.0], [0.5, 3.0], [2.0, 1.0]], np.float32)
INPUTS = np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32)
AIMS = [Objective.of(Target("y", (0,))), Objective.of(Target("y", (1,))) - 2 * Objective.of(Target("x", (2,)))]


class Runtime:
    """A linear model that notes the batches it was given, and takes one size alone if told so."""

    def __init__(self, fixed: int | None = None) -> None:
        self.fixed, self.batches = fixed, []

    def __call__(self, inputs):
        x = inputs["x"]
        if self.fixed is not None and len(x) != self.fixed:
            raise EvaluationError("another batch is wanted")
        self.batches.append(len(x))
        return {"y": x @ WEIGHTS * inputs["gain"]}


def scores(runtime: Runtime, **options: int) -> np.ndarray:
    scorer = Scorer(runtime, "x", {"gain": np.full((1, 1), 2, np.float32)}, INPUTS[0], **options)
    del runtime.batches[:]
    return scorer(AIMS, INPUTS)


@pytest.mark.parametrize(
    ("fixed", "options", "batches"),
    [
        (None, {"batch_size": 7}, [7]),
        (None, {"batch_size": 3}, [3, 3, 1]),
        (1, {"batch_size": 3}, [1] * 7),
        (4, {"batch_size": 3, "copies": 4}, [4] * 7),
    ],
    ids=str,
)
def test_every_way_of_batching_gives_the_same_scores(fixed, options, batches) -> None:
    runtime = Runtime(fixed)
    y = INPUTS.astype(np.float64) @ WEIGHTS * 2
    np.testing.assert_allclose(scores(runtime, **options), [y[:, 0], y[:, 1] - 2 * INPUTS[:, 2]], rtol=1e-5, atol=1e-6)
    assert runtime.batches == batches


class Joined:
    """Takes the parts of a vector apart."""

    def __call__(self, inputs):
        return {"y": inputs["a"] @ WEIGHTS[:1] + inputs["b"] @ WEIGHTS[1:]}


def parts(vectors):
    return {"a": vectors[:, :1], "b": vectors[:, 1:]}


def test_what_moves_is_turned_into_what_is_fed() -> None:
    scorer = Scorer(Joined(), "x", {}, INPUTS[0], feed=parts, batch_size=4)
    assert scorer.batch_size == 4
    y = INPUTS.astype(np.float64) @ WEIGHTS
    np.testing.assert_allclose(scorer(AIMS, INPUTS), [y[:, 0], y[:, 1] - 2 * INPUTS[:, 2]], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(scorer.alone(AIMS[1], INPUTS), scorer(AIMS, INPUTS)[1])
    assert scorer(AIMS, INPUTS[:0]).shape == (2, 0)


class Table:
    """Rows by their numbers; of a batch it may give the first row's answer to all."""

    def __init__(self, mixed: bool) -> None:
        self.mixed = mixed

    def __call__(self, inputs):
        rows = WEIGHTS[inputs["ids"]].sum(1)
        return {"y": rows[:1].repeat(len(rows), 0) if self.mixed else rows}


@pytest.mark.parametrize("mixed", [False, True])
def test_ids_are_tried_with_others_that_differ(mixed: bool) -> None:
    ids = np.array([[0, 1], [1, 2], [2, 2]])
    scorer = Scorer(Table(mixed), "ids", {}, ids[0], other=ids[1], batch_size=3)
    assert scorer.batch_size == (1 if mixed else 3)
    np.testing.assert_allclose(scorer.alone(AIMS[0], ids), WEIGHTS[ids].sum(1)[:, 0], rtol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("axis", [0, 2])
def test_responses_are_the_means_of_each_channel_over_all_positions(axis: int, batch_size: int) -> None:
    weights = np.random.default_rng(1).standard_normal((3, 4, 5, 6)).astype(np.float32)

    def runtime(inputs):
        return {"y": np.tensordot(inputs["x"], weights, 1)}

    scorer = Scorer(runtime, "x", {}, INPUTS[0], batch_size=batch_size)
    means = weights.mean(axis=tuple(place for place in (1, 2, 3) if place != axis + 1))
    np.testing.assert_allclose(scorer.responses({"y": axis}, INPUTS)["y"], INPUTS @ means, rtol=1e-4, atol=1e-5)


def test_responses_average_over_the_rows_that_a_sample_makes() -> None:
    def runtime(inputs):
        return {"y": np.stack([inputs["x"], 3 * inputs["x"]], 1).reshape(-1, 3)}

    scorer = Scorer(runtime, "x", {}, INPUTS[0], batch_size=4)
    np.testing.assert_allclose(scorer.responses({"y": 0}, INPUTS)["y"], 2 * INPUTS, rtol=1e-6)
