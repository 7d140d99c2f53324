"""Token swaps: for a linear model the gradient's estimate is exact."""

from __future__ import annotations

import numpy as np
import torch

from onnxviz.methods.ascent.swaps import greedy_swaps
from onnxviz.methods.ascent.token_swaps import TokenSwaps
from onnxviz.methods.objectives.objectives import Objective
from onnxviz.target import Target

RANDOM = np.random.default_rng(0)
ROWS, WEIGHTS = RANDOM.normal(size=(9, 3)).astype(np.float32), RANDOM.normal(size=(5, 3)).astype(np.float32)
VALUES = ROWS @ WEIGHTS.T  # (token, position)


def network(inputs):
    return {"y": (inputs["e"] * torch.as_tensor(WEIGHTS)).sum((1, 2))[:, None]}


def score(ids):
    return VALUES[ids, np.arange(5)].sum(1)


def swaps(movable=None):
    free = np.ones(5, bool) if movable is None else movable
    return TokenSwaps(network, "e", "ids", Objective.of(Target("y", (0,))), torch.as_tensor(ROWS), {}, free)


def test_the_first_proposal_is_the_best_single_swap_and_the_last_swaps_all():
    start = np.full(5, 4)
    proposals = swaps()(start)
    gains = VALUES - VALUES[4]
    token, position = np.unravel_index(gains.argmax(), gains.shape)
    assert proposals[0].tolist() == np.where(np.arange(5) == position, token, start).tolist()
    assert proposals[-1].tolist() == VALUES.argmax(0).tolist()


def test_swaps_reach_the_maximum_and_stop_there():
    found = greedy_swaps(score, np.zeros(5, np.int64), swaps())
    assert found.point.tolist() == VALUES.argmax(0).tolist()
    assert len(swaps()(found.point)) == 0


def test_positions_that_are_kept_never_change():
    movable = np.array([True, False, True, True, False])
    proposals = swaps(movable)(np.full(5, 4))
    assert (proposals[:, ~movable] == 4).all()
    found = greedy_swaps(score, np.full(5, 4), swaps(movable))
    assert found.point.tolist() == np.where(movable, VALUES.argmax(0), 4).tolist()
