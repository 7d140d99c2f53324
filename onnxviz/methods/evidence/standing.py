"""Where a found score stands among those of real samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Standing:
    """A score among those of samples.

    Attributes
    ----------
    samples : int
        How many had a finite score.
    percentile : float
        The percentage of them whose score is below.
    max, mean, std : float
        Of their scores.
    margin : float or None
        How far the score lies above the highest of them, in their standard deviations, negative below it; None where all
        are equal.
    """

    samples: int
    percentile: float
    max: float
    mean: float
    std: float
    margin: float | None

    @property
    def statement(self) -> str:
        """The same in words."""
        if self.percentile == 100:
            by = "" if self.margin is None else f", by {self.margin:.2g} of their standard deviations"
            return ("above the only sample" if self.samples == 1 else f"above all {self.samples} samples") + by
        # Not rounded up: it is not above all of them.
        percent = np.floor(self.percentile * 10) / 10
        return (
            "no higher than the only sample" if self.samples == 1 else f"above {percent:g} % of {self.samples} samples"
        )


def standing(score: float, samples: NDArray[np.floating]) -> Standing | None:
    """Place a score.

    Parameters
    ----------
    score : float
        Of what was found.
    samples : (sample,) ndarray
        Of the data.

    Returns
    -------
    Standing or None
        None where the score is not finite, or none of the samples' is.

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
    """Return where a score stands among those of the samples, in words; "" where nothing can be said.

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
