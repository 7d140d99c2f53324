"""A sample with several rows of output: its score is their mean, alone and in a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from onnxviz.methods.ascent.maximization import maximize
from onnxviz.methods.ascent.parameterizations import Direct
from onnxviz.methods.ascent.runs import Run
from onnxviz.methods.ascent.scorer import Scorer
from onnxviz.methods.ascent.settings import Settings
from onnxviz.methods.objectives.objectives import Objective
from onnxviz.methods.objectives.rows import first_rows, rows_by_sample, rows_of, shares
from onnxviz.target import Target

WEIGHTS = torch.tensor([[1.0, -2.0], [0.5, 3.0], [2.0, 1.0]])


def boxes(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return three rows for each sample, one for each of its numbers, and one row of another tensor."""
    x = inputs["x"]
    return {"boxes": (x[:, :, None] * WEIGHTS).flatten(0, 1), "logits": x @ WEIGHTS}


AIMS = [
    Objective.of(Target("boxes", (1,))),
    Objective.of(Target("boxes", (0,))) - 2 * Objective.of(Target("logits", (1,))),
]


def by_hand(x: Tensor) -> Tensor:
    rows = x[:, :, None] * WEIGHTS
    return torch.stack([rows[..., 1].mean(1), rows[..., 0].mean(1) - 2 * (x @ WEIGHTS)[:, 1]])


def test_rows_are_picked_and_averaged_by_sample() -> None:
    values = torch.arange(24.0).reshape(6, 4)
    assert torch.equal(rows_of(values, torch.tensor([2, 0]), 3), values[[4, 5, 0, 1]])
    assert torch.equal(rows_by_sample(values[:, 0], 3), values[:, 0].reshape(3, 2))
    assert torch.equal(first_rows(values, 3), values[:2])
    assert torch.equal(first_rows(values[:1], 3), values[:1])
    # Rows that cannot be divided among the samples are no rows of them.
    assert rows_by_sample(values[:, 0], 4) is None
    assert torch.equal(rows_of(values, torch.tensor([1]), 4), values[[1]])


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_score_is_the_mean_over_the_rows(batch_size: int) -> None:
    inputs = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    run = lambda fed: {key: value.numpy() for key, value in boxes({"x": torch.as_tensor(fed["x"])}).items()}  # noqa: E731  # a runtime in a line
    scorer = Scorer(run, "x", {}, inputs[0].numpy(), batch_size=batch_size)
    assert scorer.rows == {"boxes": 3}
    np.testing.assert_allclose(scorer(AIMS, inputs.numpy()), by_hand(inputs), rtol=1e-5)


def test_climbing_rows_climbs_their_mean() -> None:
    runs = [Run(str(place)) for place in range(4)]
    aims = [AIMS[place % 2] for place in range(4)]
    found = maximize(boxes, "x", aims, Direct.box(runs, (3,), -1.0, 1.0), runs, Settings(60, rate=0.3))
    for place, one in enumerate(found):
        x = torch.tensor(one.array[None])
        assert one.score == pytest.approx(by_hand(x)[place % 2].item(), rel=1e-5)
        # A linear score is highest in the corner that the signs of its slope point to.
        corner = torch.sign(torch.autograd.functional.jacobian(lambda v, row=place % 2: by_hand(v)[row], x)[0, 0])
        torch.testing.assert_close(x[0], corner, atol=0.05, rtol=0)


@pytest.mark.parametrize("groups", [[[0, 1, 2]], [[0], [1, 2]], [[2], [0], [1]], [[1, 2], [0]]])
@pytest.mark.parametrize("rows", [3, 6, 4])
def test_shares_are_the_rows_of_each_group(groups: list[list[int]], rows: int) -> None:
    values = torch.arange(float(2 * rows)).reshape(rows, 2).requires_grad_()
    parts = shares(values, groups, 3)
    wanted = [rows_of(values, torch.tensor(group), 3) for group in groups]
    # A group of all samples has all rows, also rows of no particular sample.
    wanted = [values] if len(groups) == 1 else wanted
    assert len(parts) == len(groups)
    assert all(torch.equal(part, other) for part, other in zip(parts, wanted, strict=True))
    weights = [torch.rand_like(part) for part in parts]
    (gradient,) = torch.autograd.grad(parts, values, weights)
    (expected,) = torch.autograd.grad(wanted, values, weights)
    assert torch.equal(gradient, expected)
