"""What each feature contributes to a score: how much is lost when it alone goes back to a reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 64
"""So many parts are measured; on wider inputs those that moved farthest."""


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """What parts of an input contribute.

    Attributes
    ----------
    parts : tuple of tuple of int
        The features of each, the largest contribution first.
    drops : (part,) float64
        The score that is lost without it; negative where the score would rise.
    unmeasured : int
        How many parts moved and were not looked at.
    """

    parts: tuple[tuple[int, ...], ...]
    drops: NDArray[np.float64]
    unmeasured: int


def contributions(
    score: Callable[[NDArray[Any]], NDArray[np.floating]],
    point: NDArray[Any],
    reference: NDArray[Any],
    parts: Sequence[Sequence[int]],
    distances: NDArray[np.floating],
    most: int = MOST,
) -> Contributions:
    """Measure the score with one part after the other set back to the reference.

    Of a linear model the contributions are exact, weight times distance, and sum up to the whole rise. Of any other they
    are the parts' last words: what two features do only together is counted for both.

    Parameters
    ----------
    score : callable
        From (sample, feature) to (sample,); larger is better.
    point, reference : (feature,)
        The input that was found, and where a feature goes back to.
    parts : sequence of sequence of int
        Features that go back together; a one-hot group is one part.
    distances : (feature,)
        How far each feature moved, in units that compare.
    most : int
        How many parts to look at, those that moved farthest.
    """
    moved = [tuple(part) for part in parts if not np.array_equal(point[list(part)], reference[list(part)])]
    moved.sort(key=lambda part: -float(np.abs(distances[list(part)]).max()))
    looked = moved[:most]
    if not looked:
        return Contributions((), np.empty(0), 0)
    without = np.repeat(point[None], len(looked) + 1, axis=0)
    for row, part in zip(without[1:], looked, strict=True):
        row[list(part)] = reference[list(part)]
    scores = np.asarray(score(without), dtype=np.float64)
    with np.errstate(invalid="ignore"):  # one infinity from another is no number
        drops = scores[0] - scores[1:]
    order = np.argsort(-np.nan_to_num(drops, nan=-np.inf), kind="stable")
    return Contributions(tuple(looked[place] for place in order), drops[order], len(moved) - len(looked))
