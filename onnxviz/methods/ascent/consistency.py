"""The agreement of several starts on one maximum, which Erhan, Bengio, Courville & Vincent (2009) report for their units."""

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
        How many restarts have a finite score and a finite input. The others are left out.
    score_mean, score_std : float or None
        Mean and standard deviation (of the population) of their scores; None without a restart.
    cosine_mean, cosine_min : float or None
        Mean and minimum of the cosines of all pairs of standardized inputs, -1 to 1; None for fewer than two restarts.
    clusters : int
        The number of different inputs. In the order of their scores, an input counts as equal to a better input if their cosine is
        above .9, else as a new one.
    agreeing : int
        How many inputs count as equal to the best one, which is included.
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
        """The agreement in words: whether the same input was found from every start. What that means, the verdict says."""
        if self.cosine_mean is None:
            return "one start: nothing to compare it with" if self.restarts else "no start reached a finite score"
        if self.clusters == 1:
            return f"{self.restarts} of {self.restarts} starts agree: cosine {self.cosine_mean:.2f}"
        best = f"{self.agreeing} of {self.restarts} gave the best one"
        return f"{self.restarts} starts gave {self.clusters} different inputs; {best}"


def score_spread(scores: Sequence[float], starts: Sequence[float]) -> float | None:
    """Return the standard deviation of the restarts' scores as a share of their mean rise.

    Parameters
    ----------
    scores, starts : sequence of float
        The scores of the inputs that were found and of the starts, one of each per restart.

    Returns
    -------
    float or None
        None for fewer than two finite scores, or where scores did not rise.

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
"""A rise by less than this share of the score does not count, since rounding makes changes as large."""

_SAME = 0.9
"""Two inputs with a cosine above this count as equal."""


def consistency(scores: Sequence[float], inputs: NDArray[np.floating]) -> Consistency:
    """Return how far the restarts of one target agree.

    Parameters
    ----------
    scores : sequence of float
        One per restart.
    inputs : ndarray
        (restarts, *shape) standardized inputs, which are 0 where an element is at its mean or the middle of its range. The cosine of
        two inputs that are 0 everywhere is taken as 1, and that of one such input and another as 0.

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
    """Return for each different input, the best first, how many starts found it."""
    members: dict[int, int] = {}
    for place in np.argsort(-scores, kind="stable").tolist():
        leader = next((other for other in members if cosines[place, other] > _SAME), place)
        members[leader] = members.get(leader, 0) + 1
    return members
