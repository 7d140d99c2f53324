"""Whether several starts find the same maximum, as Erhan, Bengio, Courville & Vincent (2009) report of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Consistency:
    """How far the restarts of one target agree.

    Attributes
    ----------
    restarts : int
        How many had a finite score and input; the others are left out.
    score_mean, score_std : float or None
        Of their scores, the deviation that of the population; None without any.
    cosine_mean, cosine_min : float or None
        Over all pairs of standardized inputs, -1 to 1; None for fewer than two.
    clusters : int
        How many different inputs were found: in the order of their scores, each counts as a better one whose cosine
        with it is above .9, or as a new one.
    agreeing : int
        How many count as the best one, itself included.
    """

    restarts: int
    score_mean: float | None
    score_std: float | None
    cosine_mean: float | None
    cosine_min: float | None
    clusters: int = 0
    agreeing: int = 0

    @property
    def statement(self) -> str:
        """Whether this unit's maximum is found from every start, in words (Erhan et al. report that of theirs it is)."""
        if self.cosine_mean is None or self.score_mean is None or self.score_std is None:
            return "one start: nothing to compare it with" if self.restarts else "no start came to a finite score"
        if self.clusters == 1:
            return f"{self.restarts} of {self.restarts} starts agree: cosine {self.cosine_mean:.2f}"
        equal = self.score_std <= 0.01 * abs(self.score_mean)
        scores = "of the same score" if equal else f"{self.agreeing} of {self.restarts} end in the best"
        return f"starts disagree: {self.clusters} different inputs, {scores}"


def score_spread(scores: Sequence[float], starts: Sequence[float]) -> float | None:
    """Return how far the restarts' scores lie apart: their standard deviation as a share of their mean rise.

    Parameters
    ----------
    scores, starts : sequence of float
        Of what was found and of where each search began, one per restart.

    Returns
    -------
    float or None
        None for fewer than two finite scores, or where they did not rise.

    Examples
    --------
    >>> score_spread([9.0, 11.0], [0.0, 0.0])
    0.1
    """
    pairs = np.array([scores, starts], dtype=np.float64)
    ends, begun = pairs[:, np.isfinite(pairs).all(axis=0)]
    if len(ends) < 2:
        return None
    rise = float(ends.mean() - begun.mean())
    return float(ends.std()) / rise if rise > LEAST_RISE * float(np.abs(ends).max()) else None


LEAST_RISE = 1e-5
"""A rise by less than this part of the score is none: it is as large as what rounding does."""

_SAME = 0.9
"""Above this cosine two inputs are one finding."""


def consistency(scores: Sequence[float], inputs: NDArray[np.floating]) -> Consistency:
    """Measure how far the restarts of one target agree.

    Parameters
    ----------
    scores : sequence of float
        One per restart.
    inputs : ndarray
        (restarts, *shape), standardized: 0 where the input is at its mean or the middle of its range. Two inputs at 0
        agree, one at 0 has nothing in common with another that is not.

    Examples
    --------
    >>> consistency([1.0, 3.0], np.array([[1.0, 0.0], [1.0, 1.0]])).score_std
    1.0
    """
    flat = np.asarray(inputs, dtype=np.float64).reshape(len(scores), -1)
    values = np.asarray(scores, dtype=np.float64)
    finite = np.isfinite(values) & np.isfinite(flat).all(axis=1)
    flat, values = flat[finite], values[finite]
    if not len(values):
        return Consistency(0, None, None, None, None)
    mean, deviation = float(values.mean()), float(values.std())
    if len(values) < 2:
        return Consistency(1, mean, deviation, None, None, 1, 1)
    norms = np.linalg.norm(flat, axis=1)
    directions = flat / np.where(norms > 0, norms, 1)[:, None]
    cosines = directions @ directions.T
    at_rest = norms == 0
    cosines[np.ix_(at_rest, at_rest)] = 1
    pairs = np.clip(cosines[np.triu_indices(len(values), 1)], -1, 1)
    members = _clusters(values, cosines)
    return Consistency(
        len(values),
        mean,
        deviation,
        float(pairs.mean()),
        float(pairs.min()),
        len(members),
        next(iter(members.values())),
    )


def _clusters(scores: NDArray[np.float64], cosines: NDArray[np.float64]) -> dict[int, int]:
    """Return how many starts found the same as each leader, the best first."""
    members: dict[int, int] = {}
    for place in np.argsort(-scores, kind="stable").tolist():
        leader = next((other for other in members if cosines[place, other] > _SAME), place)
        members[leader] = members.get(leader, 0) + 1
    return members
