"""Greedy swaps: a discrete input is improved change by change, each measured and not estimated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Score = Callable[[NDArray[Any]], NDArray[np.floating]]
"""From (candidate, *shape) to (candidate,) scores."""


@dataclass(frozen=True, slots=True, eq=False)
class Swapped:
    """What the swaps led to.

    Attributes
    ----------
    point : (*shape,)
        The best one met.
    score : float
        Its score.
    rounds : int
        How many times a better one was found.
    looks : int
        How many candidates were measured.
    """

    point: NDArray[Any]
    score: float
    rounds: int
    looks: int


_RISE = 1e-6
"""A rise by a smaller share of the score is rounding."""


def greedy_swaps(
    score: Score, start: NDArray[Any], propose: Callable[[NDArray[Any]], NDArray[Any]], *, rounds: int = 64
) -> Swapped:
    """Go to the best of the proposed points while it is better than the present one.

    Parameters
    ----------
    score : callable
        Larger is better; what is no number is never chosen.
    start : (*shape,)
        Where to begin.
    propose : callable
        From the present point to (candidate, *shape); none ends the search.
    rounds : int
        At most so many changes.
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
