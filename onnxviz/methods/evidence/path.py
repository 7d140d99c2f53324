"""The path of an input through the layers, beside the paths of the best real samples (Geirhos et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEWEST = 3
"""The least number of channels of a layer. Between fewer channels a correlation says little."""

_LEAST_SPREAD = 0.05
"""The least deviation of a channel, as a share of the layer's median: a channel that hardly varies must not outweigh all others."""


@dataclass(frozen=True, slots=True)
class Path:
    """How alike the path of an input is to the paths of real samples.

    Attributes
    ----------
    similarity : float
        The mean over the layers of the correlation between the input and the best real samples.
    between_samples : float
        The same between the best real samples themselves.
    samples : int
        The number of the best real samples.
    layers : list of dict
        For each layer its name (``tensor``), ``similarity`` and ``between_samples``.
    """

    similarity: float
    between_samples: float
    samples: int
    layers: list[dict[str, Any]]

    @property
    def share(self) -> float | None:
        """The similarity as a share of that between real samples; None where real samples are not alike themselves."""
        return self.similarity / self.between_samples if self.between_samples > 0 else None

    @property
    def short(self) -> str:
        """Two numbers: the similarity, and that between real samples."""
        return f"{self.similarity:.2f} of {self.between_samples:.2f}"

    @property
    def statement(self) -> str:
        """The similarity in words."""
        return f"path {self.short} between real samples"


@dataclass(frozen=True, eq=False)
class LayerStatistics:
    """What a layer answers to real samples, as the means of its channels.

    Attributes
    ----------
    center, spread : (channel,) float64
        The mean and the deviation of each channel's mean over a broad choice of real samples.
    best : (sample, channel) float64
        The means of the channels for the best real samples.
    """

    center: NDArray[np.float64]
    spread: NDArray[np.float64]
    best: NDArray[np.float64]

    @classmethod
    def of(cls, every: NDArray[np.floating], best: NDArray[np.floating]) -> LayerStatistics | None:
        """Return the statistics of a layer; None where too few of its channels vary.

        Parameters
        ----------
        every, best : (sample, channel) ndarray
            The means of the channels for a broad choice of real samples, and for the best ones.
        """
        broad, top = np.asarray(every, np.float64), np.asarray(best, np.float64)
        spread = broad.std(0)
        if np.count_nonzero(spread > 0) < FEWEST or not (np.isfinite(broad).all() and np.isfinite(top).all()):
            return None
        usual = float(np.median(spread[spread > 0]))
        return cls(broad.mean(0), np.maximum(spread, _LEAST_SPREAD * usual), top)

    def standardized(self, means: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return (sample, channel) means as deviations from the real samples, in their standard deviations."""
        found: NDArray[np.float64] = (np.asarray(means, np.float64) - self.center) / self.spread
        return found


def path(statistics: Mapping[str, LayerStatistics], found: Mapping[str, NDArray[np.floating]]) -> Path | None:
    """Return how alike an input's path is to the paths of the best real samples.

    Each channel's mean over its positions is standardized by the real samples, so that two real samples of no kinship have a
    correlation near 0; without that, channels that are large for every input would make all inputs alike.

    Parameters
    ----------
    statistics : mapping of str to LayerStatistics
        Of each layer.
    found : mapping of str to (channel,) ndarray
        The means of the channels of each layer for the input.

    Returns
    -------
    Path or None
        None for fewer than two real samples, or where no layer has statistics.
    """
    layers, count = [], 0
    for name, real in statistics.items():
        best = real.standardized(real.best)
        own = real.standardized(found[name])
        count = len(best)
        if count < 2 or not np.isfinite(own).all():
            return None
        among = [float(one) for place, first in enumerate(best) for one in _correlations(first, best[place + 1 :])]
        layers.append(
            {
                "tensor": name,
                "similarity": float(np.mean(_correlations(own, best))),
                "between_samples": float(np.mean(among)),
            }
        )
    if not layers:
        return None
    means = [float(np.mean([layer[key] for layer in layers])) for key in ("similarity", "between_samples")]
    return Path(means[0], means[1], count, layers)


def _correlations(one: NDArray[np.float64], others: Sequence[NDArray[np.float64]] | NDArray[np.float64]) -> Any:
    """Return the Pearson correlation of a row with each of some rows; 0 for a constant row."""
    first, rest = one - one.mean(), np.asarray(others) - np.mean(others, axis=1, keepdims=True)
    size = np.linalg.norm(first) * np.linalg.norm(rest, axis=1)
    return np.where(size > 0, rest @ first / np.where(size > 0, size, 1), 0.0)
