"""The standing of a found score among the scores of real samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Standing:
    """A score compared with the scores of real samples.

    Attributes
    ----------
    samples : int
        How many samples have a finite score.
    percentile : float
        The percentage of samples whose score is below.
    max, mean, std : float
        Maximum, mean and standard deviation of the samples' scores.
    margin : float or None
        How far the score lies above the samples' highest score, in their standard deviations; negative below it. None where all
        samples have the same score.
    """

    samples: int
    percentile: float
    max: float
    mean: float
    std: float
    margin: float | None

    @property
    def statement(self) -> str:
        """The standing in words."""
        if self.percentile == 100:
            by = "" if self.margin is None else f", by {self.margin:.2g} of their standard deviations"
            return ("above the only sample" if self.samples == 1 else f"above all {self.samples} samples") + by
        # The percentage is rounded down, since the score is not above all samples.
        percent = np.floor(self.percentile * 10) / 10
        return (
            "no higher than the only sample" if self.samples == 1 else f"above {percent:g} % of {self.samples} samples"
        )


def standing(score: float, samples: NDArray[np.floating]) -> Standing | None:
    """Return the standing of a score among the scores of samples.

    Parameters
    ----------
    score : float
        The score of the input that was found.
    samples : (sample,) ndarray
        The scores of the real samples.

    Returns
    -------
    Standing or None
        None where the score is not finite, or where no sample has a finite score.

    Examples
    --------
    >>> standing(5.0, np.array([1.0, 2.0, 3.0, 6.0])).statement
    'above 75 % of 4 samples'
    """
    scores = np.asarray(samples, np.float64)
    scores = scores[np.isfinite(scores)]
    if not len(scores) or not np.isfinite(score):
        return None
    highest, deviation = float(scores.max()), float(scores.std())
    margin = (score - highest) / deviation if deviation > 0 else None
    return Standing(len(scores), 100 * float((scores < score).mean()), highest, float(scores.mean()), deviation, margin)


def standing_of(real: Mapping[str, Any], score: float | None) -> str:
    """Return the standing of a score among the scores of samples, in words; "" where nothing can be said.

    Parameters
    ----------
    real : mapping
        ``statistics`` (count, mean, std, max) and ``order`` (sorted scores, lowest first) of the samples.
    score : float or None
        The score of the input that was found.
    """
    known = real["statistics"]
    if score is None or not np.isfinite(score) or not known["count"]:
        return ""
    share = 100 * float(np.searchsorted(real["order"], score, side="left")) / len(real["order"])
    deviation = known["std"]
    margin = (score - known["max"]) / deviation if deviation > 0 else None
    found = Standing(known["count"], share, known["max"], known["mean"], deviation, margin)
    return found.statement
