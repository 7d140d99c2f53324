"""The ascent: a search by gradients for inputs with the highest scores (Erhan et al. 2009; Olah et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onnxviz.errors import DifferentiationError, UsageError
from onnxviz.methods.ascent.optimizers import LBFGS, Adam, NAdam, Optimizer, all_finite, largest
from onnxviz.methods.ascent.parameterizations import Parameterization
from onnxviz.methods.ascent.runs import Run
from onnxviz.methods.ascent.settings import Settings
from onnxviz.methods.ascent.status import Status
from onnxviz.methods.ascent.transforms import Transform
from onnxviz.methods.objectives.rows import joined, shares

Network = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]

_Answers = list[tuple[int, Mapping[str, Tensor]]]
"""The tensors of all samples; or, where shapes differ from sample to sample, of each run with the number of its samples."""

# For this many steps the gradient may pass dead rectifiers. After this many steps with a gradient of zero a run ends.
PATIENCE = 48
# Under random transforms the score of the input itself needs a pass of its own, which is made every so many steps.
LOOK_EVERY = 16
# An ascent without transforms ends when its score rose by less than this share in this many steps.
ARRIVED = 1e-4
WINDOW = 32


class Scored(Protocol):
    """An objective, which returns one number per sample; larger is better."""

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of the tensors that the objective reads."""
        ...

    def __call__(self, tensors: Mapping[str, Tensor], samples: int | None = None) -> Tensor:
        """Return the scores, (batch,); `samples` is their number, since a sample may make several rows of a tensor."""
        ...


@dataclass(frozen=True, slots=True)
class Ascent:
    """The result of one run.

    Attributes
    ----------
    array : ndarray
        The best input, float32 in the model's own units, without a batch axis; the last one where inputs are moved to the end.
    score, initial_score : float
        The objective at the best input and at the start, without transforms.
    history : ndarray
        (steps,): the objective at each step, under the transforms of the step.
    status : Status
        How the run ended.
    steps : int
        How many steps were taken. They are fewer than asked for if the run was interrupted or the score no longer rose.
    detail : str
        A sentence to use in place of the sentence of the status; "" where that sentence is enough.
    frames : mapping of int to ndarray
        The input after some of the steps, in the form of `array`, where frames were asked for.
    """

    array: NDArray[np.float32]
    score: float
    initial_score: float
    history: NDArray[np.float32]
    status: Status
    steps: int
    detail: str = ""
    frames: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """The sentence that explains the status; "" for an ascent that went well."""
        return self.detail or self.status.sentence


def maximize(
    network: Network,
    name: str,
    objectives: Sequence[Scored],
    parameterization: Parameterization,
    runs: Sequence[Run],
    settings: Settings,
    *,
    transform: Transform | None = None,
    sets: Sequence[Sequence[int]] = (),
    batch_size: int | None = None,
    redirected: Network | None = None,
    progress: Callable[[int, NDArray[np.float32]], None] | None = None,
) -> tuple[Ascent, ...]:
    """Return the inputs that maximize objectives, one per sample, found by gradients with respect to one input.

    Samples share only the batch: each has its own objective, its own random numbers and its own end. Only the samples of a set are
    kept or dropped together, since their objective compares them.

    Parameters
    ----------
    network : callable
        A function from inputs by name, each (batch, *shape), to tensors by name, differentiable in the input `name`.
    name : str
        The name of the input that moves.
    objectives : sequence of Objective
        One per sample; larger is better. Samples with the same object are scored together, so that the objective may compare them.
        An objective may also read the input by its name, and gets it without the transform.
    parameterization : Parameterization
        The parameterization of the input, whose variables are moved in place.
    runs : sequence of Run
        One per sample. They seed the transforms.
    settings : Settings
        The steps, the rate, the optimizer and more. Restarts, seed and `robust` are not read here, since runs and transform are
        given.
    transform : Transform, optional
        Random moves of the input, drawn anew at each step. They never change the input that is returned or scored. Where they last
        to the end, the last input is returned, else the one with the highest score.
    sets : sequence of sequences of int
        The numbers of samples whose scores depend on each other. A set keeps the inputs of the step with the best mean score.
    batch_size : int, optional
        How many samples the network takes at once; 1 for a network whose batch is fixed. Default: all samples.
    redirected : callable, optional
        The same network with rectifiers that let the gradient pass where they would block all of it (`rectifiers`). It is used in
        the first 48 steps of Adam for samples without a gradient, which wakes units that are dead at the start.
    progress : callable, optional
        Called after each step with its number, from 1, and the (batch,) scores.

    Returns
    -------
    tuple of Ascent
        One per sample, in order. After a `KeyboardInterrupt` they hold the best inputs so far.

    Raises
    ------
    DifferentiationError
        If the objectives do not depend on the input.
    UsageError
        If arguments contradict each other.
    """
    batch = len(parameterization.variables[0])
    if not len(objectives) == len(runs) == batch:
        raise UsageError(
            f"{len(objectives)} objectives, {len(runs)} runs and {batch} inputs: give the same number of each"
        )
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"`batch_size` {batch_size}: must be above 0")
    if settings.optimizer == "cma":
        raise UsageError("`optimizer` cma: takes no gradient; `evolution.evolve` searches with it")
    if settings.optimizer == "lbfgs" and transform is not None:
        raise UsageError("`optimizer` lbfgs: takes no random transforms; use adam, or no transform")
    scores_of = _Scores(network, name, objectives, batch_size)
    generators = [run.generator("transform") for run in runs]
    climbers: dict[str, type[Adam] | type[LBFGS]] = {"adam": Adam, "nadam": NAdam, "lbfgs": LBFGS}
    climber: Optimizer = climbers[settings.optimizer](parameterization)

    def look_still() -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            inputs = parameterization.realize()
            return inputs, scores_of.judge(scores_of.tensors(inputs), inputs)

    record = _Record(*look_still(), sets, latest=transform is not None and transform.lasts)
    try:
        for step in range(settings.steps):
            inputs = parameterization.realize()
            middle, span = parameterization.middle, parameterization.span
            seen = (
                [inputs]
                if transform is None
                else [transform(inputs, middle, span, generators, step / settings.steps) for _ in range(settings.looks)]
            )
            still = seen[0] is inputs
            patient = redirected is not None and settings.optimizer != "lbfgs" and step < PATIENCE
            tensors = [scores_of.tensors(look) for look in (seen[:1] if still else seen)]
            scores = scores_of.average(tensors, inputs)
            gradients = _gradients(scores, parameterization, scores_of.stopped, keep=patient)
            sizes = largest(gradients)
            dead = (sizes == 0) & record.going if patient else None
            if patient and scores_of.reads_input:
                # A term about the input itself has a gradient even where the network has none, so the network is tested alone.
                seen_alone = scores_of.average(tensors, inputs.detach())
                blind = _gradients(seen_alone, parameterization, scores_of.stopped, keep=True)
                dead = (largest(blind) == 0) & record.going
            if dead is not None and bool(dead.any()):
                # A second pass costs as much as the first pass, so it is made only where a sample has no gradient at all.
                woken = scores_of.average([scores_of.tensors(look, redirected) for look in seen], inputs)
                others = _gradients(woken, parameterization, scores_of.stopped)
                gradients = [
                    torch.where(dead.reshape(-1, *[1] * (g.ndim - 1)), o, g)
                    for g, o in zip(gradients, others, strict=True)
                ]
                sizes = largest(gradients)
            if still:
                record.look(inputs.detach(), scores.detach())
                record.settle(step)
            elif step % LOOK_EVERY == 0 and step > 0:
                record.look(*look_still())
            followed = parameterization.tangent(gradients)
            unbound = all(one is other for one, other in zip(followed, gradients, strict=True))
            idle = (sizes if unbound else largest(followed)) == 0
            going = climber.step(scores.detach(), gradients, record.going, settings.rate_at(step), sizes)
            record.advance(scores.detach(), sizes, idle, going)
            if settings.frame_every and (step + 1) % settings.frame_every == 0:
                record.keep(step + 1, parameterization.realize().detach())
            if progress:
                progress(step + 1, record.history[-1])
            if not bool(record.going.any()):
                break
    except KeyboardInterrupt:
        record.interrupted = True
    parameterization.project()
    record.look(*look_still())
    return record.results()


class _Scores:
    """The network with the objectives: computes tensors from inputs, and scores, (batch,), from tensors."""

    def __init__(
        self,
        network: Network,
        name: str,
        objectives: Sequence[Scored],
        batch_size: int | None,
    ) -> None:
        self._network, self._name = network, name
        self._batch_size = batch_size or len(objectives)
        groups: dict[int, tuple[Scored, list[int]]] = {}
        for place, objective in enumerate(objectives):
            groups.setdefault(id(objective), (objective, []))[1].append(place)
        self._groups = list(groups.values())
        self._order = [place for _, places in self._groups for place in places]
        self._in_order = self._order == sorted(self._order)
        self._names = {tensor for objective, _ in self._groups for tensor in objective.tensors} - {name}

    @property
    def reads_input(self) -> bool:
        """Whether an objective reads both the input and a tensor that the network computes from the input."""
        return bool(self._names) and any(self._name in objective.tensors for objective, _ in self._groups)

    def stopped(self) -> DifferentiationError:
        """Return the error that says what stops all gradients on the way to the input."""
        tell = getattr(self._network, "obstacle", None)
        obstacle = tell(self._name, sorted(self._names)) if tell is not None and self._names else ""
        reason = f": {obstacle}" if obstacle else "; aim at a tensor that depends on it"
        return DifferentiationError(f"{self._name}: no gradient of the target reaches it{reason}")

    def tensors(self, inputs: Tensor, instead: Network | None = None) -> _Answers:
        """Return the tensors that the objectives read, computed from the inputs by the network or by another one."""
        network = instead or self._network
        if len(inputs) <= self._batch_size:
            found = network({self._name: inputs})
            return [(len(inputs), {tensor: found[tensor] for tensor in self._names})]
        runs = torch.split(inputs, self._batch_size)
        parts = [(len(run), network({self._name: run})) for run in runs]
        counts = [count for count, _ in parts]
        whole = {tensor: joined([part[tensor] for _, part in parts], counts) for tensor in self._names}
        together = {tensor: value for tensor, value in whole.items() if value is not None}
        return [(len(inputs), together)] if len(together) == len(whole) else parts

    def average(self, looks: Sequence[_Answers], inputs: Tensor) -> Tensor:
        """Return scores, (batch,): the means over several random moves of the inputs."""
        scores = [self.judge(tensors, inputs) for tensors in looks]
        return scores[0] if len(scores) == 1 else torch.stack(scores).mean(0)

    def judge(self, answers: _Answers, inputs: Tensor) -> Tensor:
        """Return scores, (batch,) float32; an objective that reads the input by its name gets these inputs."""
        if len(answers) == 1:
            found = self._judge(answers[0][1], inputs, self._groups)
            return found if self._in_order else found[torch.tensor(self._order, device=inputs.device).argsort()]
        scores, first = [], 0
        for count, tensors in answers:
            groups = []
            for objective, places in self._groups:
                inside = [place - first for place in places if first <= place < first + count]
                if inside and len(inside) < len(places) and getattr(objective, "compares", False):
                    raise UsageError(
                        f"{objective}: compares restarts, whose tensors have different shapes here; leave out the terms that compare"
                    )
                groups += [(objective, inside)] if inside else []
            order = torch.tensor([place for _, places in groups for place in places], device=inputs.device)
            scores.append(self._judge(tensors, inputs[first : first + count], groups)[order.argsort()])
            first += count
        return torch.cat(scores)

    def _judge(
        self, tensors: Mapping[str, Tensor], inputs: Tensor, groups: Sequence[tuple[Scored, list[int]]]
    ) -> Tensor:
        """Return the scores of inputs that ran together, in the order of the groups."""
        tensors = {**tensors, self._name: inputs}
        names = {name for objective, _ in groups for name in objective.tensors}
        own = {name: shares(tensors[name], [places for _, places in groups], len(inputs)) for name in names}
        scores: list[Tensor] = []
        for group, (objective, places) in enumerate(groups):
            score = objective({name: own[name][group] for name in objective.tensors}, len(places))
            if score.shape != (len(places),):
                raise UsageError(
                    f"{objective}: returns numbers of shape {tuple(score.shape)} for {len(places)} samples; one for each is needed"
                )
            scores.append(score.float())
        return torch.cat(scores)


class _Record:
    """The best input and the history of every sample so far."""

    def __init__(
        self, inputs: Tensor, scores: Tensor, sets: Sequence[Sequence[int]] = (), latest: bool = False
    ) -> None:
        self.inputs, self.scores, self.initial_scores = inputs, scores, scores
        self._latest = latest
        self._sets = [torch.tensor(list(places), device=scores.device) for places in sets]
        self.going = torch.ones_like(scores, dtype=torch.bool)
        self.history: list[NDArray[np.float32]] = []
        self.interrupted = False
        self._idle = torch.zeros_like(scores, dtype=torch.long)
        self._blocked = torch.zeros_like(self.going)
        self._arrived = torch.zeros_like(self.going)
        self._reached, self._since = self._shared(scores), 0
        self._frames: list[tuple[int, NDArray[np.float32]]] = []
        self._ended: dict[int, int] = {}
        self._failures: dict[int, str] = {}

    def look(self, inputs: Tensor, scores: Tensor) -> None:
        """Keep the inputs that are finite and better than the best so far; a set is kept as a whole or not at all.

        Where inputs are moved up to the last step, the latest ones are the best: the ascent raises the score of moved inputs, and
        the still score of an earlier input may be higher by chance.
        """
        values, best = self._shared(scores), self._shared(self.scores)
        better = torch.isfinite(values) & all_finite([inputs])
        if not self._latest:
            better = better & ((values >= best) | ~torch.isfinite(best))
        for places in self._sets:
            better[places] = better[places].all()
        if bool(better.all()):
            self.inputs, self.scores = inputs, scores
        elif bool(better.any()):
            self.inputs = torch.where(better.reshape(-1, *[1] * (inputs.ndim - 1)), inputs, self.inputs)
            self.scores = torch.where(better, scores, self.scores)

    def settle(self, step: int) -> None:
        """Mark the samples whose scores no longer rise; this looks at scores once in `WINDOW` steps without transforms."""
        if step - self._since < WINDOW:
            return
        best, start = self._shared(self.scores), self._shared(self.initial_scores)
        self._arrived = (best > start) & (best - self._reached <= ARRIVED * best.abs())
        self._reached, self._since = best, step

    def keep(self, step: int, inputs: Tensor) -> None:
        """Keep the inputs after a step as a frame."""
        self._frames.append((step, inputs.cpu().numpy().astype(np.float32)))

    def _shared(self, scores: Tensor) -> Tensor:
        """Return the number that each sample is compared by: its score, or the mean of its set."""
        shared = scores.clone()
        for places in self._sets:
            shared[places] = scores[places].mean()
        return shared

    def advance(self, scores: Tensor, sizes: Tensor, idle: Tensor, going: Tensor) -> None:
        """Record one step: the scores, the sizes of the gradients, and the samples that end with the step."""
        self.history.append(scores.cpu().numpy().astype(np.float32))
        self._blocked = torch.where(self.going, sizes == 0, self._blocked)
        self._idle = torch.where(idle, self._idle + 1, 0)
        going = going & (self._idle < PATIENCE) & ~self._arrived
        for place in torch.nonzero(self.going & ~going).flatten().tolist():
            self._ended[place] = len(self.history)
            if not bool(torch.isfinite(scores[place]) & torch.isfinite(sizes[place])):
                what = "gradient" if bool(torch.isfinite(scores[place])) else "score"
                self._failures[place] = f"the {what} is not a finite number at step {len(self.history)}"
        self.going = going

    def results(self) -> tuple[Ascent, ...]:
        """Return the results of all samples."""
        arrays = self.inputs.cpu().numpy().astype(np.float32)
        # A score rose if it rose by more than rounding. A start that was not finite is below every score.
        initial = self._shared(self.initial_scores)
        rose = (self._shared(self.scores) > initial + 1e-6 * initial.abs()) | ~torch.isfinite(initial)
        history = np.array(self.history, dtype=np.float32).reshape(len(self.history), len(arrays))
        results = []
        for place, array in enumerate(arrays):
            steps = self._ended.get(place, len(history))
            status, detail = Status.OK, ""
            if place in self._failures:
                status, detail = Status.NOT_FINITE, self._failures[place]
            elif self.interrupted and place not in self._ended:
                status, detail = Status.INTERRUPTED, f"interrupted after {steps} steps; this is the best so far"
            elif not bool(rose[place]):
                status = Status.DEAD if bool(self._blocked[place]) else Status.NO_PROGRESS
            score, start = float(self.scores[place]), float(self.initial_scores[place])
            frames = {step: inputs[place] for step, inputs in self._frames if step <= steps}
            results.append(Ascent(array, score, start, history[:steps, place], status, steps, detail, frames))
        return tuple(results)


def _gradients(
    scores: Tensor, parameterization: Parameterization, stopped: Callable[[], DifferentiationError], keep: bool = False
) -> list[Tensor]:
    """Return the gradients of each sample's score with respect to its own variables."""
    if not scores.requires_grad:
        raise stopped()
    variables = parameterization.variables
    # A sample's score does not depend on the variables of another, unless the objective compares them. So the gradient of the sum
    # holds the gradients of all samples.
    found = torch.autograd.grad(scores.sum(), variables, allow_unused=True, retain_graph=keep)
    if all(gradient is None for gradient in found):
        raise stopped()
    return [torch.zeros_like(v) if g is None else g for g, v in zip(found, variables, strict=True)]
