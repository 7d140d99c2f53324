"""Random numbers that depend only on the run."""

from __future__ import annotations

import itertools

import pytest
import torch

from onnxviz.methods.ascent.runs import Run, normal, uniform


def test_same_run_same_numbers() -> None:
    first, second = (normal([Run("logits[1]", 2, 3).generator("start")], (5,)) for _ in range(2))
    assert torch.equal(first, second)


def test_everything_about_a_run_changes_its_numbers() -> None:
    runs = [Run("a", 0, 0), Run("b", 0, 0), Run("a", 1, 0), Run("a", 0, 1)]
    draws = [normal([run.generator(purpose)], (4,)) for run in runs for purpose in ("start", "transform")]
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(draws, 2))


@pytest.mark.parametrize("draw", [normal, uniform])
def test_neighbors_do_not_matter(draw) -> None:
    alone = draw([Run("b").generator("start")], (2, 3))
    amid = draw([Run(key).generator("start") for key in "abc"], (2, 3))
    assert torch.equal(amid[1], alone[0])


def test_distributions() -> None:
    generators = [Run("a").generator("start")]
    flat, bell = uniform(generators, (40000,)), normal(generators, (40000,))
    assert flat.min() >= -1
    assert flat.max() <= 1
    assert flat.var() == pytest.approx(1 / 3, rel=0.03)
    assert bell.mean() == pytest.approx(0, abs=0.03)
    assert bell.var() == pytest.approx(1, rel=0.05)


def test_the_callers_random_state_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    normal([Run("a").generator("start")], (3,))
    assert torch.equal(before, torch.random.get_rng_state())
