"""An objective that keeps an input where the best real samples are: a goal for the score, and the statistics of the layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onnxviz.methods.objectives.channel_statistics import channel_statistics
from onnxviz.methods.objectives.fixed_array import FixedArray
from onnxviz.methods.objectives.objectives import Objective

_LEAST_SPREAD = 0.05
"""The least unit of a channel, as a share of the layer's median: a channel that hardly varies must not outweigh all others."""

_LEAST_DISTANCE = 0.01
"""The least squared distance that counts, where the best real samples are nearly the same: a tenth of a deviation."""


@dataclass(frozen=True)
class Goal:
    """The score that is asked for, in the unit of real samples.

    Attributes
    ----------
    typical, best : float
        The mean score of real samples, and the best one.
    score : float
        The score that is asked for.

    Examples
    --------
    >>> Goal.of(0.0, 10.0).score, Goal.of(-8.0, 10.0).score, Goal.of(-5.0, -1.0).score
    (15.0, 15.0, 1.0)
    """

    typical: float
    best: float
    score: float

    @classmethod
    def of(cls, typical: float, best: float) -> Goal:
        """Return the goal half as far again from the mean as the best real sample, and at most 1.5 times its score."""
        score = best + (best - typical) / 2
        return cls(typical, best, min(score, 1.5 * best) if best > 0 else score)

    def missing(self, scores: Tensor) -> Tensor:
        """Return how far scores stay below the goal: 1 for the score of a typical real sample, 0 from the goal on."""
        return torch.relu((self.score - scores) / (self.score - self.typical))


@dataclass(frozen=True)
class LayerDistribution:
    """The distribution of a layer's channels over the best real samples.

    Attributes
    ----------
    tensor : str
        The layer.
    axis : int
        The axis of its channels, counted from the first axis after the batch.
    centers, spreads : FixedArray
        (statistic, channel): the mean and the unit of each channel's mean and deviation.
    farthest : float
        The largest mean squared distance of one of them from the mean of the others, in these units.
    """

    tensor: str
    axis: int
    centers: FixedArray
    spreads: FixedArray
    farthest: float

    @classmethod
    def of(
        cls,
        tensor: str,
        axis: int,
        every: tuple[NDArray[np.floating], NDArray[np.floating]],
        best: tuple[NDArray[np.floating], NDArray[np.floating]],
        kept: NDArray[np.bool_],
    ) -> LayerDistribution | None:
        """Return the distribution of a layer; None where its channels are the same for all real samples.

        Parameters
        ----------
        tensor, axis
            The layer, and the axis of its channels.
        every, best : (ndarray, ndarray)
            The means and the deviations of the channels, each (sample, channel), for a broad choice of real samples, which tell the
            unit of each channel, and for the best ones.
        kept : (channel,) bool ndarray
            The channels that count.
        """
        centers, spreads = [], []
        away = []
        for broad, top in zip(every, best, strict=True):
            spread = broad.std(0)
            varying = spread[(spread > 0) & kept]
            if not len(varying):
                continue
            unit = np.where(kept, np.maximum(spread, _LEAST_SPREAD * np.median(varying)), np.inf)
            others = (top.sum(0) - top) / (len(top) - 1)
            centers.append(top.mean(0))
            spreads.append(unit)
            away.append(((top - others) / unit) ** 2)
        if not centers:
            return None
        farthest = max(float(np.mean(away, axis=(0, 2)).max()), _LEAST_DISTANCE)
        return cls(tensor, axis, FixedArray(np.stack(centers)), FixedArray(np.stack(spreads)), farthest)

    def distance(self, tensors: Mapping[str, Tensor], samples: int) -> Tensor:
        """Return the mean squared distance from the mean of the best real samples, (batch,): at most 1 among them."""
        found = channel_statistics(tensors[self.tensor], self.axis, samples)
        if found is None:
            raise ValueError(f"{self.tensor} has no rows for each of {samples} samples")
        centers, spreads = self.centers.beside(found[0]), self.spreads.beside(found[0])
        away = (torch.stack(found, 1)[:, : len(centers)] - centers) / spreads
        return away.square().mean((1, 2)) / self.farthest


@dataclass(frozen=True)
class NearData(Objective):
    """An objective up to a goal, less the distance of the input's path from the best real samples.

    Both parts are in units of the real samples themselves, so that no weight has to be chosen: a typical real sample misses the goal
    by 1, and the best real samples lie at most 1 away from the mean of the others.

    Attributes
    ----------
    goal : Goal
        The score that is asked for.
    layers : tuple of LayerDistribution
        The distribution of each layer.
    """

    goal: Goal = field(default_factory=lambda: Goal(0.0, 1.0, 1.5))
    layers: tuple[LayerDistribution, ...] = ()

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of the tensors that the objective reads: those of its terms, and the layers."""
        return tuple(dict.fromkeys((*super().tensors, *(layer.tensor for layer in self.layers))))

    @property
    def climbed(self) -> NearData:
        """The same objective with a slope to climb."""
        return replace(self, terms=super().climbed.terms)

    def __call__(self, tensors: Mapping[str, Tensor], samples: int | None = None) -> Tensor:
        """Return the (batch,) values, of which the highest possible one is 0."""
        scores = super().__call__(tensors, samples)
        distances = [layer.distance(tensors, len(scores)) for layer in self.layers]
        return -self.goal.missing(scores).square() - torch.stack(distances).mean(0)
