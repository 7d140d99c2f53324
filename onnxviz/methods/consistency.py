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
    """

    restarts: int
    score_mean: float | None
    score_std: float | None
    cosine_mean: float | None
    cosine_min: float | None


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
        return Consistency(1, mean, deviation, None, None)
    norms = np.linalg.norm(flat, axis=1)
    directions = flat / np.where(norms > 0, norms, 1)[:, None]
    cosines = directions @ directions.T
    at_rest = norms == 0
    cosines[np.ix_(at_rest, at_rest)] = 1
    pairs = np.clip(cosines[np.triu_indices(len(values), 1)], -1, 1)
    return Consistency(len(values), mean, deviation, float(pairs.mean()), float(pairs.min()))
