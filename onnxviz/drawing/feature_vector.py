"""The description of a vector input that was found: its features, what is known of them, and their scales in a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnxviz.errors import DataError
from onnxviz.wording import quoted

# A chart of more features than the first number shows only as many as the second: people do not read longer charts.
_MOST_ROWS, _SHOWN_ROWS = 40, 30


@dataclass(frozen=True, slots=True, eq=False)
class FeatureVector:
    """A vector input that was found, and what is known about its features.

    Attributes
    ----------
    values : (feature,)
        The input that was found, in the model's own units.
    names : sequence of str
        One per feature. Default: the features' numbers.
    mean, std : (feature,) or float, optional
        Mean and standard deviation of real data, in the model's own units. Bars then have the length
        ``(values - mean) / std``. A feature that never varies (std 0) is measured in its own units.
    start : (feature,) or float, optional
        The start of the search.
    low, high : (feature,) or float, optional
        The bounds of the search; an infinite bound is none. Where the bounds differ from feature to feature and no std is
        given, each feature is drawn on a scale of its own, from its low to its high bound.
    restarts : (restart, feature), optional
        The result of each restart.
    units : str
        The units where no std is given.
    drops : (feature,), optional
        How far the score drops when this feature alone is set to the reference; NaN where it was not measured. The features
        are then sorted by the drop, the largest first.
    reference : (feature,), optional
        The values to which single features are set.
    rows : (row, feature), optional
        Real samples to draw beside the vector, three at most; NaN for a missing value.
    row_names : sequence of str
        A few words for each of these samples.
    texts : sequence of sequence of str
        For each feature the texts that its numbers stand for, () for numbers. Default: all are numbers.
    """

    values: ArrayLike
    names: Sequence[str] = ()
    mean: ArrayLike = 0.0
    std: ArrayLike | None = None
    start: ArrayLike | None = None
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    restarts: ArrayLike | None = None
    units: str = ""
    drops: ArrayLike | None = None
    reference: ArrayLike | None = None
    rows: ArrayLike | None = None
    row_names: Sequence[str] = ()
    texts: Sequence[Sequence[str]] = ()

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        if values.ndim != 1 or not values.size:
            raise DataError(f"an array of shape {values.shape} is no vector; (feature,) is")
        if not np.isfinite(values).all():
            raise DataError(
                f"feature {int(np.argmin(np.isfinite(values)))} is not finite, so the vector cannot be drawn"
            )
        if self.names and len(self.names) != values.size:
            raise DataError(f"{len(self.names)} names were given for {values.size} features")
        for what in ("mean", "std", "start", "low", "high", "restarts", "drops", "reference", "rows"):
            given = getattr(self, what)
            if given is not None:
                _check_part(what, np.asarray(given, dtype=np.float64), values.size)

    @property
    def scaled(self) -> bool:
        """Whether each feature is drawn on a scale of its own, between its bounds."""
        if self.std is not None or self.low is None or self.high is None:
            return False
        low, high = self.ends()
        with np.errstate(invalid="ignore"):
            span = (high - low)[high > low]
        differ = np.ptp(low) > 0 or np.ptp(high) > 0
        return bool(differ and span.size and np.isfinite(low).all() and np.isfinite(span).all())

    def ends(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the low and the high bounds of all features, infinite where there are none."""
        given = ((self.low, -np.inf), (self.high, np.inf))
        low, high = (np.asarray(none if end is None else end, dtype=np.float64) for end, none in given)
        return np.broadcast_to(low, np.shape(self.values)), np.broadcast_to(high, np.shape(self.values))

    def origin(self) -> NDArray[np.float64]:
        """Return where each bar begins, (feature,) as `standardized`: at 0, or at the reference or middle of its own scale."""
        if not self.scaled:
            return np.zeros(np.shape(self.values))
        low, high = self.ends()
        return self.standardized((low + high) / 2 if self.reference is None else self.reference)

    def standardized(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return values, (feature,) or (restart, feature), in the units of the chart's axis.

        These are standard deviations from the mean; without std the model's own units; where each feature has its own scale,
        0 is its low bound and 1 its high bound.
        """
        if self.scaled:
            low, high = self.ends()
            room = np.where(high > low, high - low, 1.0)
            return np.asarray(np.where(high > low, (np.asarray(values, dtype=np.float64) - low) / room, 0.5))
        spread = np.asarray(1.0 if self.std is None else self.std, dtype=np.float64)
        distance = np.asarray(values, dtype=np.float64) - np.asarray(self.mean, dtype=np.float64)
        return np.asarray(distance / np.where(spread > 0, spread, 1.0))

    def shown(self) -> NDArray[np.intp]:
        """Return the features that the chart shows: up to 40 features all of them, else 30.

        The features that contribute most come first; where contributions are not known, those with the longest bars.
        """
        distance = np.abs(self.standardized(self.values) - self.origin())
        order = np.argsort(-distance, kind="stable")
        if self.drops is not None:
            drops = np.asarray(self.drops, dtype=np.float64)[order]
            # Features that were not measured follow those that were, the longest bars first.
            order = order[np.argsort(np.where(np.isnan(drops), np.inf, -np.abs(drops)), kind="stable")]
        return order if order.size <= _MOST_ROWS else order[:_SHOWN_ROWS]

    def name(self, feature: int) -> str:
        """Return a feature's name, or its number where it has no name."""
        return str(self.names[feature]) if self.names else f"[{feature}]"

    def text(self, feature: int, value: float) -> str:
        """Return the text that a feature's value stands for, in quotes; "" for a number."""
        known = self.texts[feature] if self.texts else ()
        return quoted(known[min(max(0, round(value)), len(known) - 1)]) if known else ""


def _check_part(what: str, part: NDArray[np.float64], count: int) -> None:
    fits = part.ndim == 2 and len(part) > 0 if what in ("restarts", "rows") else part.ndim < 2
    if not fits or part.shape[-1:] not in ((), (count,)):
        raise DataError(f"{what} has the shape {part.shape}, the vector ({count},)")
    wrong = (
        np.isnan(part)
        if what in ("low", "high")
        else np.isinf(part)
        if what in ("drops", "rows")
        else ~np.isfinite(part)
    )
    if wrong.any():
        raise DataError(f"{what} has values that are not finite, so the vector cannot be drawn")
    if what == "std" and (part < 0).any():
        raise DataError("std has values below zero")
