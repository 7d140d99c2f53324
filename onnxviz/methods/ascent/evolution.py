"""The search without gradients, for trees, arg-max and the like: CMA-ES (Hansen & Ostermeier 2001) over ONNX Runtime.

This search reads scores alone. It needs many more of them than an ascent needs gradients, and so moves only a few coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from cmaes import CMA, SepCMA
from numpy.typing import NDArray

from onnxviz.methods.ascent.coordinates import Coordinates
from onnxviz.methods.ascent.maximization import Ascent
from onnxviz.methods.ascent.runs import Run
from onnxviz.methods.ascent.scorer import Score
from onnxviz.methods.ascent.search import Found
from onnxviz.methods.ascent.settings import Settings
from onnxviz.methods.ascent.space import Space
from onnxviz.methods.ascent.status import Status
from onnxviz.methods.objectives.objectives import Objective

_WHOLE = 40
"""The most coordinates for which the whole covariance is learned. For more, only variances are learned (Ros & Hansen 2008)."""

_LEAST = 12
"""The least number of samples in a generation, since a few samples on a plateau learn nothing."""


def evolve(
    score: Score,
    space: Space,
    objectives: Sequence[Objective],
    settings: Settings,
    *,
    progress: Callable[[int, int, str], None] | None = None,
    wanted: Collection[str] | None = None,
) -> Iterator[list[Found]]:
    """Yield the inputs with the highest scores of every objective, searched without gradients from every start.

    Parameters
    ----------
    score : callable
        Returns the scores of inputs by ONNX Runtime.
    space : Space
        The space to search in.
    objectives : sequence of Objective
        One per target.
    settings : Settings
        The settings. `steps` is the number of generations of the first size that each start may use.
    progress : callable, optional
        Called with the steps done, the steps in all, and a few words.
    wanted : collection of str, optional
        The objectives whose results are needed; the others are passed over.

    Yields
    ------
    list of Found
        A list for one objective at a time, in order. After a `KeyboardInterrupt` the last list has ascents with the status
        "interrupted".
    """
    total = settings.steps * settings.restarts * len(objectives)
    for number, objective in enumerate(objectives):
        if wanted is not None and str(objective) not in wanted:
            continue
        runs = [Run(str(objective), restart, settings.seed) for restart in range(settings.restarts)]
        start = space.start(runs, torch.device("cpu"))
        ascents: list[Ascent] = []
        beginnings = []
        text = ""
        for place, run in enumerate(runs):
            search = _Search(score, objective, Coordinates.of(start, run.draw("coordinates")), run, settings.steps)
            text = search.coordinates.text
            done = (number * settings.restarts + place) * settings.steps
            try:
                search.begin(place)
                while search.advance():
                    if progress is not None:
                        progress(done + search.steps, total, f"score {search.best.score:.4g}")
            except KeyboardInterrupt:
                if not ascents and not search.history:
                    raise
                search.interrupted = True
            if search.history:
                ascents.append(search.result())
                beginnings.append(search.beginning)
            if search.interrupted:
                ascents = [_interrupted(one) for one in ascents]
                break
        yield [replace(Found.of(objective, ascents, np.stack(beginnings), start), text=text)]
        if ascents[0].status == Status.INTERRUPTED:
            return


@dataclass(frozen=True)
class _Best:
    """The best input so far, with its score and its distance from the middle, which decides between equal scores."""

    array: NDArray[np.float32]
    score: float
    distance: float

    def is_below(self, score: float, distance: float) -> bool:
        """Return whether another score and distance are better."""
        if not math.isfinite(self.score):
            return math.isfinite(score)
        return score > self.score or (score == self.score and distance < self.distance)


class _Search:
    """The search from one start: generations of CMA-ES, restarted with twice as many samples when they stop improving (IPOP).

    Auger & Hansen, "A restart CMA evolution strategy with increasing population size" (2005).
    """

    def __init__(self, score: Score, objective: Objective, coordinates: Coordinates, run: Run, steps: int) -> None:
        self.coordinates = coordinates
        self.history: list[float] = []
        self.interrupted = False
        self._score, self._objective = score, objective
        self._generator = np.random.default_rng(run.draw("evolution"))
        self._peak = _Best(np.zeros((), np.float32), math.nan, math.inf)
        self._idle = self._patience = 0
        self._size = self._first = max(_LEAST, 4 + int(3 * math.log(coordinates.count)))
        self._left = steps * self._first
        self._spent = 0

    def begin(self, sample: int) -> None:
        """Score the start of a sample of the parameterization, and begin there."""
        point = self.coordinates.start(sample)
        inputs = self.coordinates.place(point[None])
        self.beginning = inputs[0]
        scores, distances = self._look(inputs)
        self._initial = float(scores[0])
        self.best = _Best(inputs[0], self._initial, float(distances[0]))
        self._restart(point)

    @property
    def steps(self) -> int:
        """How many generations of the first size were used."""
        return self._spent // self._first

    def advance(self) -> bool:
        """Run one more generation, and return whether another may follow."""
        asked = np.stack([self._strategy.ask() for _ in range(self._size)])
        inputs = self.coordinates.place(asked)
        scores, distances = self._look(inputs)
        finite = np.isfinite(scores)
        worst = float(scores[finite].min()) if finite.any() else 0.0
        told = np.where(finite, scores, worst - 1 - abs(worst))
        # The strategy sorts by score and keeps the order of equal scores. So on a plateau the samples nearest to the middle lead.
        order = np.lexsort((distances, -told))
        with np.errstate(all="ignore"):
            # The strategy is told the points that it asked for, not the nearest allowed points. Beyond a bound the score is then
            # constant, and corners are found fastest.
            self._strategy.tell([(asked[place], -float(told[place])) for place in order])
        leader = int(order[0])
        self._idle += 1
        if finite[leader]:
            score, distance = float(scores[leader]), float(distances[leader])
            if self.best.is_below(score, distance):
                self.best = _Best(inputs[leader], score, distance)
            # On a plateau, a sample nearer to the middle is progress.
            if not score <= self._peak.score + 1e-6 * abs(score) or (
                score == self._peak.score and distance < 0.99 * self._peak.distance
            ):
                self._peak = _Best(inputs[leader], score, distance)
                self._idle = 0
        self.history.append(float(scores[leader]))
        self._spent += self._size
        self._left -= self._size
        if self._idle > self._patience or self._is_at_rest():
            self._size *= 2
            self._restart(self._generator.standard_normal(self.coordinates.count))
        return self._left >= self._size

    def result(self) -> Ascent:
        """Return the ascent so far."""
        status = Status.OK
        if not math.isfinite(self.best.score):
            status = Status.NOT_FINITE
        elif math.isfinite(self._initial) and not self.best.score > self._initial + 1e-6 * abs(self._initial):
            status = Status.NO_PROGRESS
        history = np.asarray(self.history, np.float32)
        return Ascent(self.best.array, self.best.score, self._initial, history, status, len(history))

    def _look(self, inputs: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the scores, (sample,), and the distances from the middle in standardized units."""
        standard = self.coordinates.standardized(inputs).reshape(len(inputs), -1)
        return self._score([self._objective], inputs)[0], np.linalg.norm(standard, axis=1)

    def _restart(self, point: NDArray[np.float64]) -> None:
        """Restart the strategy about a point, and keep the best input."""
        count = self.coordinates.count
        seed = int(self._generator.integers(1 << 31))
        kind = CMA if count <= _WHOLE else SepCMA
        self._strategy = kind(mean=np.array(point, np.float64), sigma=1.0, seed=seed, population_size=self._size)
        self._peak = replace(self._peak, score=math.nan)
        self._idle = 0
        self._patience = 10 + math.ceil(30 * count / self._size)

    def _is_at_rest(self) -> bool:
        """Return whether the strategy itself says that it cannot improve."""
        with np.errstate(all="ignore"):
            return bool(self._strategy.should_stop())


def _interrupted(ascent: Ascent) -> Ascent:
    detail = f"interrupted after {ascent.steps} generations; this is the best so far"
    return replace(ascent, status=Status.INTERRUPTED, detail=detail)
