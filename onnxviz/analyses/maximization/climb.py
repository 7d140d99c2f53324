"""The climb: the network and the sessions of some targets, and the groups of targets that fit into memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.maximization.scoring import Measure, measurement, scorer, search_scorer, torch_copy
from onnxviz.methods.ascent.status import Status

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.task import Search
    from onnxviz.methods.ascent.scorer import Scorer
    from onnxviz.methods.ascent.search import Found
    from onnxviz.methods.ascent.settings import Settings
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.objectives.near_data import NearData
    from onnxviz.methods.objectives.objectives import Objective

Told = Callable[[int, str], None]
"""Takes how many steps of all targets are done, and a few words."""

Progress = Callable[[int, int, str], None]
"""Takes how many steps are done, how many there are, and a few words."""


@dataclass(frozen=True, eq=False)
class Instruments:
    """What climbs and scores some targets.

    Attributes
    ----------
    search : Search
        What is climbed, where, and how.
    network, check : callable or None
        Differentiable, to the tensors that are climbed and to those that the targets read; None where the search goes without
        gradients.
    measure : callable
        Scores single inputs by torch and by ONNX Runtime.
    score, score_climbed : Scorer
        Score many inputs by ONNX Runtime: the targets, and what is climbed in their place.
    score_moving : Scorer or None
        Scores what is climbed as a search without gradients moves it, where there is such a search.
    batch_size : int
        The most samples at once.
    near : mapping of str to NearData
        What is climbed in place of each climbed objective, where inputs are kept near real samples.
    """

    search: Search
    network: Any
    check: Any
    measure: Measure
    score: Scorer
    score_climbed: Scorer
    score_moving: Scorer | None
    batch_size: int
    near: Mapping[str, NearData] = field(default_factory=dict)

    @classmethod
    def of(cls, search: Search, todo: Sequence[tuple[Objective, Objective]]) -> Instruments:
        """Return the instruments for some targets, each given with what is climbed for it."""
        from onnxviz.model.probing.measured_sizes import samples_at_once

        tensors = list(dict.fromkeys(name for _, climbed in todo for name in climbed.tensors))
        measured = list(dict.fromkeys(name for objective, _ in todo for name in objective.tensors))
        blind = search.settings.optimizer == "cma"
        network = None if blind else search.network(tensors)
        session = search.session(measured)
        check = torch_copy(search, measured) if blind or measured != tensors else network
        at_once = samples_at_once(
            search.model, search.moving.in_graph(tensors), search.moving.stops, search.shape, search.held
        )
        score = scorer(search, session, at_once)
        climbed = score if measured == tensors else scorer(search, search.session(tensors), at_once)
        moving = search_scorer(search, tensors, at_once) if blind else None
        return cls(search, network, check, measurement(search, session, check), score, climbed, moving, at_once)

    def keeping_near(self, near: Mapping[str, NearData]) -> Instruments:
        """Return the same instruments with other objectives to climb, which keep inputs near real samples."""
        tensors = [name for one in (*near.values(), *self.search.objectives) for name in one.tensors]
        network = self.search.network(list(dict.fromkeys(tensors)))
        return replace(self, network=network, check=network, near=near)

    def groups(
        self,
        network: Any,
        space: Space,
        objectives: Sequence[Objective],
        settings: Settings,
        progress: Progress | None = None,
        wanted: Collection[str] | None = None,
    ) -> Iterator[list[Found]]:
        """Yield what is found for some objectives, a group at a time.

        Parameters
        ----------
        network : callable or None
            The network that is climbed; without gradients none.
        space : Space
            Where inputs are searched.
        objectives : sequence of Objective
            What is climbed.
        settings : Settings
            How the search goes.
        progress : callable, optional
            Hears of the progress.
        wanted : collection of str, optional
            The objectives whose results are needed. Default: all.
        """
        import torch

        plain = {str(one): one.climbed for one in objectives}
        objectives = [self.near.get(str(one), one).climbed for one in objectives]
        if self.score_moving is not None:
            from onnxviz.methods.ascent.evolution import evolve  # the library takes a second to load

            yield from evolve(self.score_moving, space, objectives, settings, progress=progress, wanted=wanted)
            return
        from onnxviz.methods.ascent.search import search

        for group in search(
            network,
            space,
            objectives,
            {name: torch.as_tensor(value) for name, value in self.search.numbers.items()},
            settings,
            device=torch.device(self.search.device),
            batch_size=self.batch_size,
            copies=self.search.copies,
            progress=progress,
            wanted=wanted,
        ):
            yield [self._scored(plain[str(one.objective)], one) if self.near else one for one in group]

    def _scored(self, objective: Objective, found: Found) -> Found:
        """Return what was found near real samples with the scores of the objective itself, by ONNX Runtime."""
        ends = self.score_climbed.alone(objective, np.stack([one.array for one in found.ascents]))
        begun = self.score_climbed.alone(objective, found.starts)
        ascents = tuple(
            replace(one, score=float(end), initial_score=float(start))
            for one, end, start in zip(found.ascents, ends, begun, strict=True)
        )
        return replace(found, objective=objective, ascents=ascents)


def climb(
    tools: Instruments,
    todo: Sequence[tuple[Objective, Objective]],
    told: Told,
    constant: Mapping[str, float],
    kept: Collection[str] = (),
) -> Iterator[tuple[Objective, Found, Space]]:
    """Yield each target with what its climb found and the space that was searched.

    Parameters
    ----------
    tools : Instruments
        What climbs them.
    todo : sequence of (Objective, Objective)
        What is scored, and what is climbed for it.
    told : callable
        Hears of the progress.
    constant : mapping of str to float
        The targets that no input changes, each with the score of what would be climbed. They are not climbed.
    kept : collection of str
        The targets whose results are there already. They are climbed only beside others, whose last digits depend on it.

    Yields
    ------
    objective, found, space
        In order. After a `KeyboardInterrupt` those of the running group say "interrupted", and are the last.
    """
    import torch

    from onnxviz.methods.ascent.stillness import at_rest

    search, done = tools.search, 0
    for space, part in search.spaces(list(todo)):
        moving = [pair for pair in part if str(pair[0]) not in constant]
        aims = [climbed for _, climbed in moving]
        wanted = {str(climbed) for objective, climbed in moving if str(objective) not in kept}
        progress = partial(_told, told, search.settings.steps, done, len(aims))
        groups = tools.groups(tools.network, space, aims, search.settings, progress, wanted) if wanted else iter(())
        results: deque[Found] = deque()
        stopped = False
        for objective, climbed in part:
            score = constant.get(str(objective))
            if score is not None:
                if str(objective) not in kept:
                    resting = at_rest(space, climbed, search.settings.seed, score, torch.device(search.device))
                    yield objective, resting, space
                continue
            done += 1
            if not results:
                results.extend(next(groups, ()))
            if str(objective) in kept:
                # A group of kept targets alone was passed over.
                if results and results[0].objective == climbed:
                    results.popleft()
                continue
            if not results:
                return
            found = results.popleft()
            stopped = stopped or found.ascent.status == Status.INTERRUPTED
            yield objective, found, space
        if stopped:
            return


def _told(told: Told, steps: int, before: int, count: int, step: int, total: int, words: str) -> None:
    """Tell how far all targets are, when `count` of them are being climbed after `before` others."""
    told(steps * before + step * steps * count // total, words)
