"""The contribution of each feature to a score: how far the score drops when this feature alone is set to a reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 64
"""At most this many parts are measured: those that moved farthest."""


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """The contributions of the parts of an input.

    Attributes
    ----------
    parts : tuple of tuple of int
        The features of each part, the largest contribution first.
    drops : (part,) float64
        How far the score drops without the part; negative where the score rises.
    unmeasured : int
        How many parts moved and were not measured.
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
    """Return how far the score drops as one part after another is set to the reference.

    For a linear model a contribution is weight times distance, and the contributions add up to the whole rise. For other models an
    effect that two features have only together counts for both of them.

    Parameters
    ----------
    score : callable
        The score, a function from (sample, feature) to (sample,); larger is better.
    point, reference : (feature,)
        The input that was found, and the values to which features are set.
    parts : sequence of sequence of int
        The features of each part, which are set together. A one-hot group is one part.
    distances : (feature,)
        How far each feature moved, in units that can be compared.
    most : int
        How many parts to measure at most: those that moved farthest.
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
    with np.errstate(invalid="ignore"):  # an infinite score minus another is no number
        drops = scores[0] - scores[1:]
    order = np.argsort(-np.nan_to_num(drops, nan=-np.inf), kind="stable")
    return Contributions(tuple(looked[place] for place in order), drops[order], len(moved) - len(looked))
