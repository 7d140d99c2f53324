"""Findings about letters: the nearest sequence, improved letter by letter, and the contribution of each position."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.formats.letters import text_of
from onnxviz.methods.ascent.status import Status
from onnxviz.methods.ascent.swaps import greedy_swaps

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.task import Search
    from onnxviz.contract import InputContract
    from onnxviz.methods.ascent.lattice import Lattice
    from onnxviz.methods.ascent.scorer import Scorer
    from onnxviz.methods.ascent.search import Found
    from onnxviz.methods.objectives.objectives import Objective

_SWAPPED = 2
"""So many of the starts are improved letter by letter, the best ones."""

_MOST_LOOKS = 1 << 15
_MOST_ELEMENTS = 1 << 25
"""Of long sequences fewer changes are tried: candidates, and elements of all candidates of one round."""


@dataclass(frozen=True, eq=False)
class LetterFindings:
    """Findings about letters.

    Attributes
    ----------
    array : (letter, position) or (position, letter) ndarray
        The one-hot codes that are fed.
    text : str
        Their letters.
    rounded_score : float
        The score, by ONNX Runtime, of the best of the nearest sequences.
    swaps, looks : int
        How many letters were changed after that, and how many changes were tried.
    drops : (position,) float64 ndarray
        The mean loss when another letter takes the position's place; NaN where nothing was measured.
    """

    array: np.ndarray
    text: str
    rounded_score: float
    swaps: int
    looks: int
    drops: np.ndarray

    def summary(self) -> dict[str, Any]:
        """Return what result.json tells."""
        return {
            "text": self.text,
            "contributions": [float(drop) for drop in self.drops],
            "rounded_score": self.rounded_score,
            "swaps": self.swaps,
            "candidates": self.looks,
        }


def letter_findings(
    search: Search, lattice: Lattice, expected: InputContract, objective: Objective, found: Found, score: Scorer
) -> LetterFindings:
    """Return the best sequence near the results of the ascents, after changes of letters that raise the score.

    Parameters
    ----------
    search : Search
        The search, of one-hot letters.
    lattice : Lattice
        The letters of each position as groups.
    expected : InputContract
        The contract of the input.
    objective : Objective
        The target. Changes are measured by it.
    found : Found
        The result of the ascents.
    score : Scorer
        The scorer of the target, by ONNX Runtime.
    """
    measured = partial(score.alone, objective)
    points = np.unique(lattice.nearest(np.stack([one.array for one in found.ascents]).astype(np.float32)), axis=0)
    scores = np.nan_to_num(measured(points), nan=-np.inf)
    looks = sum(len(group) - 1 for group in lattice.groups)
    rounds = max(1, min(256, _MOST_LOOKS // max(looks, 1)))
    if looks * points[0].size > _MOST_ELEMENTS or found.ascent.status == Status.INTERRUPTED:
        rounds = 0
    ends = [
        greedy_swaps(measured, points[place], lattice.neighbors, rounds=rounds)
        for place in np.argsort(-scores, kind="stable")[:_SWAPPED]
    ]
    best = max(ends, key=lambda end: end.score)
    drops = _drops(measured, lattice, best.point) if rounds else np.full(len(lattice.groups), np.nan)
    text = text_of(best.point, expected.axes, expected.letters)
    return LetterFindings(best.point, text, float(scores.max()), best.rounds, best.looks, drops)


def _drops(measured: Any, lattice: Lattice, point: np.ndarray) -> np.ndarray:
    """Return for each position the mean loss, over all other letters, when one takes the place of its letter."""
    scores = np.asarray(measured(np.concatenate([point[None], lattice.neighbors(point)])), np.float64)
    counts = [len(group) - 1 for group in lattice.groups]
    losses = np.split(scores[0] - scores[1:], np.cumsum(counts)[:-1])
    return np.asarray([float(loss.mean()) for loss in losses])
