"""Scores: the same numbers in a batch and one by one, through torch and through arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onnxviz.errors import EvaluationError
from onnxviz.methods.attribution.scores import Scores, through_arrays
from onnxviz.methods.objectives.objectives import Objective
from onnxviz.target import Target

AIM = Objective.of(Target("y", (1,)))
SAMPLES = [torch.tensor([[1.0, 2.0]]), torch.tensor([[5.0]])]


def network(inputs):
    return {"y": torch.cat((inputs["a"], inputs["a"].sum(1, keepdim=True) * inputs["b"] + inputs["c"]), 1)[:, 1:]}


def one_at_a_time(inputs):
    if len(inputs["a"]) != 1:
        raise EvaluationError("takes one")
    return network(inputs)


@pytest.mark.parametrize("run", [network, one_at_a_time])
@pytest.mark.parametrize("at_once", [1, 2, 8])
def test_how_many_go_together_makes_no_difference(run, at_once: int) -> None:
    score = Scores(run, AIM, ["a", "b"], SAMPLES, {"c": torch.tensor([[3.0]])}, at_once=at_once)
    a, b = torch.arange(10.0).reshape(5, 2), torch.arange(5.0).reshape(5, 1)
    torch.testing.assert_close(score(a, b), a.sum(1) * b[:, 0] + 3)
    assert score.at_once == (1 if run is one_at_a_time else at_once)
    assert score.count == 5


def test_a_fixed_batch_is_filled_with_copies() -> None:
    def three(inputs):
        assert all(len(value) == 3 for value in inputs.values())
        return network(inputs)

    score = Scores(three, AIM, ["a", "b"], SAMPLES, {"c": torch.full((3, 1), 3.0)}, copies=3)
    torch.testing.assert_close(score(*SAMPLES), torch.tensor([18.0]))


def test_arrays_go_through_widened() -> None:
    halves = np.array([[40000.0, 60000.0]], np.float16)
    found = through_arrays(lambda inputs: {"y": halves * inputs["x"].astype(np.float16)})({"x": torch.ones(1, 1)})["y"]
    assert found.dtype == torch.float64
    assert float(Objective.of(Target("y"))({"y": found})[0]) == pytest.approx(50000, rel=1e-3)
