"""The samples that stand for a unit: those with the highest scores, those with the lowest, and some between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_BINS = 32


@dataclass(frozen=True)
class Exemplars:
    """The numbers of the samples that stand for a unit.

    Attributes
    ----------
    highest : tuple of int
        The samples with the highest scores, the highest first. Of equal scores the earlier sample comes first.
    spread : tuple of int
        Samples at even steps of rank between the highest and the lowest, from high to low.
    lowest : tuple of int
        The samples with the lowest scores, the lowest first. In a small data set they may be among the highest, too.
    """

    highest: tuple[int, ...]
    spread: tuple[int, ...]
    lowest: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Distribution:
    """The distribution of a unit's scores over a data set.

    Attributes
    ----------
    count : int
        The number of finite scores.
    not_finite : int
        The number of other scores.
    mean, std, low, high : float
        Mean, standard deviation, minimum and maximum of the finite scores; NaN where there is none.
    zeros : float
        The share of scores that are exactly zero.
    percentiles : (7,) ndarray
        The percentiles `PERCENTILES`, with linear interpolation.
    counts : (32,) ndarray of int
        The counts of a histogram between `low` and `high`.
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
        """Whether all samples have the same score, so that no sample stands out."""
        return self.count > 0 and self.low == self.high


def exemplars(scores: np.ndarray, k: int) -> Exemplars:
    """Return the samples with the highest and the lowest scores, and some between.

    Parameters
    ----------
    scores : (sample,) ndarray
        The scores. Scores that are not finite are left out.
    k : int
        How many samples of each kind to return.

    Examples
    --------
    >>> exemplars(np.array([0.0, 5.0, 1.0, 4.0, 2.0, 3.0]), 1)
    Exemplars(highest=(1,), spread=(4,), lowest=(0,))
    """
    # A stable sort of the negated scores keeps the order of equal scores. Reversing a rising sort would reverse it.
    finite = np.flatnonzero(np.isfinite(scores))
    order = finite[np.argsort(-scores[finite], kind="stable")]
    rising = finite[np.argsort(scores[finite], kind="stable")]
    middle = order[k : max(k, len(order) - k)]
    # The samples stand in the middles of k equal parts.
    steps = ((np.arange(min(k, len(middle))) + 0.5) * len(middle) / max(1, min(k, len(middle)))).astype(np.intp)
    return Exemplars(_numbers(order[:k]), _numbers(middle[steps]), _numbers(rising[:k]))


def distribution(scores: np.ndarray) -> Distribution:
    """Return the distribution of scores, (sample,) ndarray."""
    values = np.asarray(scores, np.float64)
    values = values[np.isfinite(values)]
    lost = len(scores) - len(values)
    if not len(values):
        nan = float("nan")
        blank = np.full(len(PERCENTILES), nan)
        return Distribution(0, lost, nan, nan, nan, nan, 0.0, blank, np.zeros(_BINS, np.int64))
    low, high = float(values.min()), float(values.max())
    # Bins are shares of the range. If scores differ only in their last digits, there are no numbers between them for the edges of bins.
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
