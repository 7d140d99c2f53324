"""The paths of the best real samples through the layers, by ONNX Runtime: what found inputs are compared with and kept near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.maximization.scoring import scorer
from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.few_samples import SampleBatches
    from onnxviz.analyses.maximization.climb import Instruments
    from onnxviz.analyses.maximization.inner_samples import InnerBatches
    from onnxviz.analyses.maximization.trust import Trust
    from onnxviz.methods.ascent.scorer import Scorer
    from onnxviz.methods.evidence.path import LayerStatistics, Path
    from onnxviz.methods.objectives.near_data import NearData
    from onnxviz.methods.objectives.objectives import Objective

_BEST = 8
"""How many real samples with the highest scores a found input is compared with."""

_FEWEST = 4
"""The least number of real samples: fewer do not tell how far the channels vary."""

_BROAD = 64
"""How many real samples tell how far the channels vary: more would hardly change it, and each is a pass through the model."""

_Means = tuple[np.ndarray, np.ndarray]
"""The means and the deviations of a layer's channels, each (sample, channel)."""


@dataclass(frozen=True, eq=False)
class RealPath:
    """The path of the best real samples of one target.

    Attributes
    ----------
    channels : dict of str to int
        The layers, each with the axis of its channels.
    kept : dict of str to (channel,) bool ndarray
        The channels of each layer that are compared: not those of the target, which the search raises.
    every, best : dict of str to (ndarray, ndarray)
        The means and the deviations of the channels of each layer for a broad choice of real samples, and for the best ones.
    numbers : sequence of int
        The numbers of the best samples.
    """

    channels: dict[str, int]
    kept: dict[str, np.ndarray]
    every: dict[str, _Means]
    best: dict[str, _Means]
    numbers: Sequence[int]

    def statistics(self) -> dict[str, LayerStatistics]:
        """Return the statistics of the layers that tell samples apart."""
        from onnxviz.methods.evidence.path import LayerStatistics

        found = {
            name: LayerStatistics.of(self.every[name][0][:, kept], self.best[name][0][:, kept])
            for name, kept in self.kept.items()
        }
        return {name: one for name, one in found.items() if one is not None}

    def compared(self, means: dict[str, np.ndarray]) -> Path | None:
        """Return how alike the path of one input is, given the means of the channels of each layer, (channel,)."""
        from onnxviz.methods.evidence.path import path

        return path(self.statistics(), {name: means[name][kept] for name, kept in self.kept.items()})


@dataclass(frozen=True, eq=False)
class RealPaths:
    """The paths of real samples, measured as they are asked for.

    Attributes
    ----------
    tools : Instruments
        What scores them.
    trust : Trust
        The scores of the real samples.
    data : SampleBatches, InnerBatches or None
        The real samples.
    """

    tools: Instruments
    trust: Trust
    data: SampleBatches | InnerBatches | None
    _scorers: dict[tuple[str, ...], Scorer] = field(default_factory=dict)
    _broad: dict[tuple[str, ...], dict[str, _Means]] = field(default_factory=dict)
    _found: dict[str, RealPath | None] = field(default_factory=dict)

    def of(self, objective: Objective) -> RealPath | None:
        """Return the path of the best real samples of a target; None where there are too few samples or no layers."""
        name = str(objective)
        if name not in self._found:
            self._found[name] = self._measured(objective)
        return self._found[name]

    def compared(self, objective: Objective, array: np.ndarray) -> Path | None:
        """Return how alike the path of an input, (*shape), is to those of the best real samples of a target."""
        real = self.of(objective)
        if real is None or not np.isfinite(array).all():
            return None
        means = self._scorer(real.channels).responses(real.channels, array[None])
        return real.compared({name: one[0] for name, one in means.items()})

    def near(self, objective: Objective, climbed: Objective) -> NearData | None:
        """Return what is climbed in place of an objective, so that the input stays where the best real samples are."""
        from onnxviz.methods.objectives.near_data import Goal, LayerDistribution, NearData

        real = self.of(objective)
        if real is None or self.data is None:
            return None
        layers = [
            LayerDistribution.of(name, real.channels[name], real.every[name], real.best[name], kept)
            for name, kept in real.kept.items()
        ]
        typical = float(self.tools.score_climbed.alone(climbed, self.data.at(self._broad_numbers())).mean())
        best = float(self.tools.score_climbed.alone(climbed, self.data.at(real.numbers)).max())
        usable = tuple(one for one in layers if one is not None)
        return NearData(climbed.terms, Goal.of(typical, best), usable) if usable and best > typical else None

    def _measured(self, objective: Objective) -> RealPath | None:
        from onnxviz.model.tensors.path_layers import path_layers

        search, scores = self.tools.search, self.trust.samples.get(str(objective))
        if self.data is None or scores is None:
            return None
        order = [int(place) for place in np.argsort(-scores, kind="stable") if np.isfinite(scores[place])]
        if len(order) < _FEWEST:
            return None
        # A class may have fewer samples than that: those that score no better than others say nothing of it.
        high = (float(scores[order].mean()) + float(scores[order[0]])) / 2
        good = [place for place in order[:_BEST] if scores[place] >= high]
        numbers = good if len(good) > 1 else order[:2]
        moving = search.moving
        tensors = [name for name in moving.in_graph(objective.tensors) if name != search.wrt]
        layers = path_layers(search.model, tensors, moving.sources, moving.stops) if tensors else {}
        if not layers:
            return None
        key = tuple(layers)
        if key not in self._broad:
            self._broad[key] = self._statistics(layers, self._broad_numbers())
        every, best = self._broad[key], self._statistics(layers, numbers)
        own = self.trust.own_channels(objective)
        kept = {}
        for name in layers:
            if name in every and name in best:
                kept[name] = np.ones(every[name][0].shape[1], np.bool_)
                kept[name][own.get(name, (0, []))[1]] = False
        return RealPath(layers, kept, every, best, numbers) if kept else None

    def _broad_numbers(self) -> list[int]:
        """Return the numbers of a broad choice of samples, evenly spaced."""
        count = 0 if self.data is None else len(self.data)
        places = np.linspace(0, count - 1, min(_BROAD, count)).round()
        return [int(place) for place in np.unique(places)]

    def _statistics(self, layers: dict[str, int], numbers: Sequence[int]) -> dict[str, _Means]:
        """Return the statistics of the layers' channels for some real samples."""
        if self.data is None:
            return {}
        return self._scorer(layers).statistics(layers, self.data.at(numbers))

    def _scorer(self, layers: dict[str, int]) -> Scorer:
        """Return what computes some layers by ONNX Runtime."""
        key = tuple(layers)
        if key not in self._scorers:
            search = self.tools.search
            self._scorers[key] = scorer(search, search.session(list(layers)), self.tools.batch_size)
        return self._scorers[key]


def near_objectives(paths: RealPaths, todo: Sequence[tuple[Objective, Objective]]) -> dict[str, NearData]:
    """Return what is climbed for each target near real samples, by the text of what is climbed otherwise.

    Raises
    ------
    UsageError
        If a target has no layers, or the samples do not tell what is near.
    """
    near = {}
    for objective, climbed in todo:
        found = paths.near(objective, climbed)
        if found is None:
            count = 0 if paths.data is None else len(paths.data)
            raise UsageError(
                f"`near_data`: {count} samples do not tell where inputs of {objective} are; it needs at least 4 samples with different "
                "scores, and a layer with 3 channels before the target"
            )
        near[str(climbed)] = found
    return near
