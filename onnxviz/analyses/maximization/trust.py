"""How far a found input is to be trusted, measured by ONNX Runtime.

The verdict on its unit, what is left of its score when it is moved, and where the score stands among real samples.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.inputs.emptiness import filling
from onnxviz.analyses.maximization.scoring import scorer
from onnxviz.methods.ascent.status import Status
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.few_samples import SampleBatches
    from onnxviz.analyses.maximization.climb import Instruments
    from onnxviz.analyses.maximization.findings import Findings
    from onnxviz.analyses.maximization.inner_samples import InnerBatches
    from onnxviz.analyses.maximization.task import Search
    from onnxviz.methods.ascent.scorer import Scorer
    from onnxviz.methods.ascent.search import Found
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.evidence.resemblance import Resemblance
    from onnxviz.methods.evidence.verdict import Agreement
    from onnxviz.methods.objectives.objectives import Objective

_PROBES, _FEW_PROBES = 64, 16
"""The number of random inputs, and the number where inputs are large."""

_LARGE = 4096
_SCORES = 50_000_000
"""The most scores that are kept: of many targets, fewer samples are scored."""

_FEATURES = 16
"""Where the climbed tensor has too few channels to compare restarts, the nearest tensor before it with so many is used."""

_RUNS = 8
"""The number of further runs with the best input, where the model draws random numbers."""

_NONE = np.empty(0, np.float32)


@dataclass(frozen=True)
class Trust:
    """How far results are to be trusted: what is measured once for all targets, and the judgment of each.

    Attributes
    ----------
    search : Search
        What is climbed, where, and how.
    score, score_climbed : Scorer
        Score the objectives themselves, and the objectives that are climbed for them.
    probes, samples : mapping of str to (sample,) ndarray
        The scores of each objective on random inputs and on real samples, by the objective's text; there may be no samples.
    """

    search: Search
    score: Scorer
    score_climbed: Scorer
    probes: dict[str, np.ndarray]
    samples: dict[str, np.ndarray]

    @classmethod
    def measured(
        cls, tools: Instruments, objectives: list[Objective], data: SampleBatches | InnerBatches | None
    ) -> Trust:
        """Return the scores of random inputs and of the data.

        Parameters
        ----------
        tools : Instruments
            What scores them.
        objectives : list of Objective
            The targets.
        data : SampleBatches, InnerBatches or None
            Real samples, if there are some.

        Raises
        ------
        DataError
            If the data cannot be read or does not fit.
        """
        from onnxviz.methods.evidence.probes import probes

        search, score = tools.search, tools.score
        # What compares restarts says nothing of one input; and between token ids nothing is near.
        objectives = [objective for objective in objectives if not objective.members and search.tokens is None]
        if not objectives:
            return cls(search, score, tools.score_climbed, {}, {})
        names = [str(objective) for objective in objectives]
        count = _FEW_PROBES if np.prod(search.shape[1:]) > _LARGE else _PROBES
        alike: dict[float | None, list[Objective]] = {}
        for objective in objectives:
            alike.setdefault(search.space_of(objective).contrast, []).append(objective)
        probed: dict[str, np.ndarray] = {}
        for some in alike.values():
            inputs = probes(search.space_of(some[0]), count, search.settings.seed)
            probed |= dict(zip(map(str, some), score(some, search.settled(inputs)), strict=True))
        scores = np.zeros((len(objectives), 0), np.float32)
        if data is not None:
            most = max(1, _SCORES // len(objectives))
            parts = []
            for batch in data.batches(max(score.batch_size, 8)):
                parts.append(score(objectives, batch).astype(np.float32))
                if sum(part.shape[1] for part in parts) >= most:
                    break
            scores = np.concatenate(parts, 1)
        return cls(search, score, tools.score_climbed, probed, dict(zip(names, scores, strict=True)))

    def tried(self, objective: Objective) -> np.ndarray:
        """Return the scores of the random inputs and of the data, (input,); none where a target was not scored there."""
        name = str(objective)
        return np.concatenate([self.probes.get(name, _NONE), self.samples.get(name, _NONE)])

    def random_inputs(self, count: int) -> np.ndarray:
        """Return the first of the random inputs that were scored, (input, *shape)."""
        from onnxviz.methods.evidence.probes import probes

        return self.search.settled(probes(self.search.space, count, self.search.settings.seed))

    def range_of(self, objective: Objective) -> tuple[float, float, str]:
        """Return the lowest and highest possible value of an objective, and the operator that bounds it."""
        from onnxviz.methods.objectives.objectives import Activation
        from onnxviz.model.tensors.output_range import output_range

        low = high = 0.0
        operators = []
        for weight, term in objective.terms:
            if not isinstance(term, Activation) or weight == 0:
                return -np.inf, np.inf, ""
            ends = output_range(self.search.model, term.target.tensor)
            low += min(weight * ends[0], weight * ends[1])
            high += max(weight * ends[0], weight * ends[1])
            operators.append(ends[2])
        return low, high, " and ".join(dict.fromkeys(operators)) if all(operators) else ""

    def best_probe(self, objective: Objective) -> float:
        """Return the highest finite score of the random inputs; minus infinity where there is none."""
        scores = self.probes.get(str(objective), _NONE)
        return float(scores[np.isfinite(scores)].max(initial=-np.inf))

    def probe(self, objective: Objective) -> np.ndarray:
        """Return the random input of the highest score, (*shape); of pictures and signals the best smooth one, if it is not the worst."""
        from onnxviz.methods.evidence.probes import probes

        scores = np.nan_to_num(self.probes[str(objective)], nan=-np.inf, posinf=-np.inf)
        # Every other one is noise, which an ascent would have to smooth away again.
        smooth = scores[::2]
        place = int(scores.argmax())
        if self.search.space.spectral and smooth.max() > scores.min():
            place = 2 * int(smooth.argmax())
        found: np.ndarray = probes(self.search.space_of(objective), len(scores), self.search.settings.seed)[place]
        return found

    def agreement(self, objective: Objective, found: Found, every: np.ndarray, starts: np.ndarray) -> dict[str, Any]:
        """Return how far the restarts of one target agree: in their inputs, in their scores, and in the network's answers.

        Parameters
        ----------
        objective : Objective
            The target.
        found : Found
            The result of its search.
        every, starts : (restart, *shape) ndarray
            The inputs of all restarts, and what they started from.
        """
        from onnxviz.methods.ascent.consistency import score_spread
        from onnxviz.methods.evidence.verdict import plus_minus

        plain, ascents = found.consistency, found.ascents
        ends, begun = [one.score for one in ascents], [one.initial_score for one in ascents]
        if objective != found.objective and len(ascents) > 1 and np.isfinite(ends).all():
            # A reader sees the target's own scores: logits may differ where their probabilities do not.
            ends, begun = self.score.alone(objective, every).tolist(), self.score.alone(objective, starts).tolist()
        spread = score_spread(ends, begun)
        # Between vectors' features or tokens nothing is shifted: what differs there differs.
        asked = len(ascents) > 1 and self.search.space.spectral and not objective.members
        kin = self._resemblance(found, every) if asked else None
        words = [] if kin is None else [f"starts: {kin.statement}"]
        words.append(plain.statement if kin is None else f"place by place {plain.agreeing} agree")
        if spread is not None:
            apart = plus_minus(spread)
            words.append("equal scores" if apart == "equal" else f"scores {apart} of the rise")
        told = None if kin is None else {"tensors": kin.tensors, "channels": kin.channels, **asdict(kin.agreed)}
        return {**asdict(plain), "score_spread": spread, "resemblance": told, "statement": "; ".join(words)}

    def _resemblance(self, found: Found, every: np.ndarray) -> Resemblance | None:
        """Return how alike the network's answers to the restarts are, in the climbed tensors or in a tensor before them."""
        from onnxviz.methods.evidence.resemblance import resemblance
        from onnxviz.model.tensors.channel_axis import channels_before

        if not np.isfinite(every).all():
            return None
        search, scores = self.search, [one.score for one in found.ascents]
        own = self.own_channels(found.objective)
        channels = {name: axis for name, (axis, _) in own.items()}
        # A target whose logit left it behind was maximized itself.
        score = self.score if found.objective in search.objectives else self.score_climbed
        random, answers = self._answers(score, channels, every)
        kept = {name: np.delete(np.arange(values.shape[1]), own[name][1]) for name, values in answers.items()}
        if kept:
            ours, theirs = (
                np.concatenate([values[name][:, kept[name]] for name in kept], 1) for values in (answers, random)
            )
            told = resemblance(list(kept), scores, ours, theirs)
            if told is not None:
                return told
        names = [name for name in found.objective.tensors if name != search.wrt]
        plain = search.moving.inputs and search.moving.joined is None and not search.moving.whole
        before = channels_before(search.model, names, _FEATURES) if plain else None
        if before is None or search.wrt not in search.model.cut([before[0]]).inputs:
            return None
        name, axis = before
        random, answers = self._answers(self._scorer_of(name), {name: axis}, every)
        return resemblance([name], scores, answers[name], random[name]) if name in answers else None

    def own_channels(self, climbed: Objective) -> dict[str, tuple[int, list[int]]]:
        """Return for each climbed tensor its channel axis (after the batch) and the channels that the target picks.

        Where the graph does not mark the channel axis, a single number in the target's index does; other tensors are left out.
        """
        from onnxviz.methods.objectives.terms import Activation
        from onnxviz.model.tensors.channel_axis import channel_axis

        model = self.search.model
        found: dict[str, tuple[int, list[int]]] = {}
        for _, term in climbed.terms:
            for target in term.targets:
                shape = model.tensors[target.tensor].shape if target.tensor != self.search.wrt else None
                if shape is None:
                    continue
                picked = target.entries(len(shape)) if isinstance(term, Activation) else ()
                numbers = [place for place, entry in enumerate(picked) if isinstance(entry, int)]
                axis = channel_axis(model, target.tensor)
                if axis is None and len(numbers) == 1:
                    axis = numbers[0]
                if axis is None:
                    continue
                _, own = found.setdefault(target.tensor, (axis, []))
                own += [entry for entry in picked[axis : axis + 1] if isinstance(entry, int)]
        return found

    def _answers(
        self, score: Scorer, channels: dict[str, int], every: np.ndarray
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return the channels' answers to random inputs and to the given inputs."""
        # Of all targets of a tensor the random inputs are the same.
        key = str(channels)
        if key not in self._to_random:
            self._to_random[key] = score.responses(channels, self._random)
        return self._to_random[key], score.responses(channels, every)

    def _scorer_of(self, name: str) -> Scorer:
        """Return the scorer of a tensor that no target reads."""
        if name not in self._scorers:
            self._scorers[name] = scorer(self.search, self.search.session([name]), self.score.batch_size)
        return self._scorers[name]

    def _empty(self, objective: Objective, array: np.ndarray) -> str:
        """Return a sentence on a tensor of the target that is empty at an input, with what may fill it; "" if none is."""
        search = self.search
        fed = {**search.held, **search.moving.fed(np.repeat(array[None], search.copies, axis=0))}
        answers = search.session(list(objective.tensors))(fed)
        name = next((name for name in answers if not np.size(answers[name])), None)
        if name is None:
            return ""
        way = filling(search.model, name, search.held)
        return f"{name} is empty ({shape_text(np.shape(answers[name]))}) at every input that was tried; {way}"

    def _draws(self, objective: Objective, array: np.ndarray) -> np.ndarray:
        """Return the scores of further runs with one input, where random operators change them; else none."""
        if self._random_tensors.isdisjoint(objective.tensors):
            return _NONE
        return np.array([self.score.alone(objective, array[None])[0] for _ in range(_RUNS)])

    @cached_property
    def _random_tensors(self) -> frozenset[str]:
        """The tensors that depend on random operators."""
        from onnxviz.model.tensors.randomness import random_tensors

        return frozenset(random_tensors(self.search.model, self.search.held))

    @cached_property
    def _scorers(self) -> dict[str, Scorer]:
        """The scorers of tensors that no target reads, by name."""
        return {}

    @cached_property
    def _to_random(self) -> dict[str, dict[str, np.ndarray]]:
        """The answers of tensors to random inputs, by the tensors and their channel axes."""
        return {}

    @cached_property
    def _random(self) -> np.ndarray:
        """Random inputs, (probe, *shape)."""
        from onnxviz.methods.evidence.probes import probes

        return self.search.settled(probes(self.search.space, _FEW_PROBES, self.search.settings.seed))

    def row(
        self,
        objective: Objective,
        found: Found,
        findings: Findings,
        window: tuple[slice, ...] | None,
        agreed: dict[str, Any],
        torch_score: float | None,
        score: float,
        start: float,
    ) -> dict[str, Any]:
        """Return the verdict, the robustness and the place among real samples, as they stand in a target's row.

        Parameters
        ----------
        objective : Objective
            The target.
        found : Found
            The result of its search.
        findings : Findings
            What is fed in the end.
        window : tuple of slice, or None
            The part of the input that moved.
        agreed : dict
            The agreement of its starts, from `agreement`.
        torch_score, score, start : float
            Score of the best input by torch, by ONNX Runtime, and of the start by ONNX Runtime.
        """
        from onnxviz.analyses.maximization.class_probability import class_probability
        from onnxviz.methods.evidence.robustness import robustness
        from onnxviz.methods.evidence.standing import standing
        from onnxviz.methods.evidence.verdict import Evidence, judge

        search, name, array = self.search, str(objective), findings.array
        if objective.members:
            return {"verdict": None, "robustness": None, "data": None}
        moved = None
        if search.tokens is None:
            space = replace(search.space, window=window)
            moved = robustness(
                self.score, objective, space, array, search.settings.seed, score, start, settle=search.settled
            )
        low, high, operator = self.range_of(objective)
        verdict = judge(
            Evidence(
                found=score,
                start=start,
                torch=None if search.settings.optimizer == "cma" else torch_score,
                probes=self.probes.get(name, _NONE),
                samples=self.samples.get(name, _NONE),
                low=low,
                high=high,
                operator=operator,
                blocked=sum(ascent.status == Status.DEAD for ascent in found.ascents),
                starts=len(found.ascents),
                zeros=_zeros(search, objective),
                empty="" if np.isfinite(score) else self._empty(objective, array),
                draws=self._draws(objective, array),
                maximized=found.ascent.status != Status.CONSTANT,
                probability=class_probability(search, objective, array, findings.start),
                agreement=_agreement(agreed),
                kept=moved.kept if moved is not None and _is_picture(search.space) else None,
            )
        )
        place = standing(score, self.samples.get(name, _NONE))
        return {
            "verdict": {"word": str(verdict.word), "message": verdict.message},
            "robustness": None if moved is None else asdict(moved),
            "data": None if place is None else {**asdict(place), "statement": place.statement},
        }


def _agreement(agreed: dict[str, Any]) -> Agreement | None:
    """Return how far starts agree: by the network's answers where these are known, else element by element."""
    from onnxviz.methods.evidence.verdict import Agreement

    seen = agreed["resemblance"] or agreed
    if seen["restarts"] < 2:
        return None
    return Agreement(seen["restarts"], seen["clusters"], seen["agreeing"], agreed["score_spread"])


def _is_picture(space: Space) -> bool:
    """Return whether an input has height and width, along which neighbors belong together."""
    return len(space.spatial) == 2


def _zeros(search: Search, objective: Objective) -> tuple[str, ...]:
    """Return the inputs on which an objective depends and which are held at 0."""
    zeros = [
        name for name, value in search.held.items() if name in search.model.inputs and value.size and not value.any()
    ]
    if not zeros:
        return ()
    needed = search.model.cut(search.moving.in_graph(objective.tensors), search.moving.stops).inputs
    return tuple(name for name in zeros if name in needed)
