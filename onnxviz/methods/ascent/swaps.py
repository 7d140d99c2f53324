"""Greedy swaps, which improve a discrete input change by change, and score each change instead of estimating it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Score = Callable[[NDArray[Any]], NDArray[np.floating]]
"""A function from (candidate, *shape) points to (candidate,) scores."""


@dataclass(frozen=True, slots=True, eq=False)
class Swapped:
    """The result of the swaps.

    Attributes
    ----------
    point : (*shape,)
        The best point.
    score : float
        The score of the best point.
    rounds : int
        How many times a better point was found.
    looks : int
        How many candidates were scored.
    """

    point: NDArray[Any]
    score: float
    rounds: int
    looks: int


_RISE = 1e-6
"""A rise by a smaller share of the score is taken for rounding."""


def greedy_swaps(
    score: Score, start: NDArray[Any], propose: Callable[[NDArray[Any]], NDArray[Any]], *, rounds: int = 64
) -> Swapped:
    """Return the point that is reached by moving to the best proposed point as long as it is better than the present one.

    Parameters
    ----------
    score : callable
        The score, of which larger is better. A point whose score is no number is never chosen.
    start : (*shape,)
        The first point.
    propose : callable
        Returns (candidate, *shape) points for the present point. Without a candidate the search ends.
    rounds : int
        The most changes.
    """
    point, best = start, float(score(start[None])[0])
    done = looks = 0
    for _ in range(rounds):
        candidates = propose(point)
        if not len(candidates):
            break
        scores = np.asarray(score(candidates), dtype=np.float64)
        looks += len(candidates)
        scores = np.where(np.isnan(scores), -np.inf, scores)
        place = int(scores.argmax())
        if not scores[place] > best + _RISE * abs(best):
            break
        point, best = candidates[place], float(scores[place])
        done += 1
    return Swapped(point, best, done, looks)
