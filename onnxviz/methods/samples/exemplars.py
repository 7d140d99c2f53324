"""Which samples stand for a unit: those that drive it most, those that drive it least, and a spread between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_BINS = 32


@dataclass(frozen=True)
class Exemplars:
    """Samples of a data set, by their numbers.

    Attributes
    ----------
    highest : tuple of int
        The highest first; of equal scores the earlier sample.
    spread : tuple of int
        At even steps of rank between the highest and the lowest, from high to low.
    lowest : tuple of int
        The lowest first. In a small data set they may be among the highest.
    """

    highest: tuple[int, ...]
    spread: tuple[int, ...]
    lowest: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Distribution:
    """How a unit's scores lie over a data set.

    Attributes
    ----------
    count : int
        Of finite scores.
    not_finite : int
        Of the others.
    mean, std, low, high : float
        NaN where there is no finite score.
    zeros : float
        The share of scores that are exactly zero.
    percentiles : (7,) ndarray
        At `PERCENTILES`, linear between neighbors.
    counts : (32,) ndarray of int
        A histogram between `low` and `high`.
    """

    count: int
    not_finite: int
    mean: float
    std: float
    low: float
    high: float
    zeros: float
    percentiles: np.ndarray
    counts: np.ndarray

    @property
    def constant(self) -> bool:
        """Whether every sample scores the same, so that no sample stands out."""
        return self.count > 0 and self.low == self.high


def exemplars(scores: np.ndarray, k: int) -> Exemplars:
    """Choose samples by their scores.

    Parameters
    ----------
    scores : (sample,) ndarray
        What is not finite is left out.
    k : int
        How many of each.

    Examples
    --------
    >>> exemplars(np.array([0.0, 5.0, 1.0, 4.0, 2.0, 3.0]), 1)
    Exemplars(highest=(1,), spread=(4,), lowest=(0,))
    """
    # Falling, equal ones in their own order: by the mirrored array a stable sort from below would turn them round.
    finite = np.flatnonzero(np.isfinite(scores))
    order = finite[np.argsort(-scores[finite], kind="stable")]
    rising = finite[np.argsort(scores[finite], kind="stable")]
    middle = order[k : max(k, len(order) - k)]
    # The middles of k equal parts.
    steps = ((np.arange(min(k, len(middle))) + 0.5) * len(middle) / max(1, min(k, len(middle)))).astype(np.intp)
    return Exemplars(_numbers(order[:k]), _numbers(middle[steps]), _numbers(rising[:k]))


def distribution(scores: np.ndarray) -> Distribution:
    """Measure how scores lie, (sample,) ndarray."""
    values = np.asarray(scores, np.float64)
    values = values[np.isfinite(values)]
    lost = len(scores) - len(values)
    if not len(values):
        nan = float("nan")
        blank = np.full(len(PERCENTILES), nan)
        return Distribution(0, lost, nan, nan, nan, nan, 0.0, blank, np.zeros(_BINS, np.int64))
    low, high = float(values.min()), float(values.max())
    # By shares of the range, since scores that differ in their last digits alone leave no numbers for edges between them.
    shares = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    counts = np.bincount(np.minimum((shares * _BINS).astype(np.intp), _BINS - 1), minlength=_BINS)
    return Distribution(
        len(values),
        lost,
        float(values.mean()),
        float(values.std()),
        low,
        high,
        float((values == 0).mean()),
        np.percentile(values, PERCENTILES),
        counts.astype(np.int64),
    )


def _numbers(places: np.ndarray) -> tuple[int, ...]:
    return tuple(int(place) for place in places)
