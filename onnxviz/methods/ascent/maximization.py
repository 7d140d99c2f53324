"""The ascent: inputs that drive targets as high as they will go (Erhan et al. 2009; Olah et al. 2017)."""

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
from onnxviz.methods.objectives.rows import shares

Network = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]

# For so many steps the gradient may pass a dead rectifier, and for so many it may be zero before a run ends.
PATIENCE = 16
# Under random transforms the score of the still input is a look of its own; this often it is worth one.
LOOK_EVERY = 16
# An ascent whose still input has gained less than this part of its score in so many steps has arrived.
ARRIVED = 1e-4
WINDOW = 32


class Scored(Protocol):
    """What is maximized: an objective, one number per sample, larger is better."""

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names it reads."""
        ...

    def __call__(self, tensors: Mapping[str, Tensor], samples: int | None = None) -> Tensor:
        """Return (batch,) scores; `samples` tells how many there are where one may make several rows of a tensor."""
        ...


@dataclass(frozen=True, slots=True)
class Ascent:
    """What one run found.

    Attributes
    ----------
    array : ndarray
        The best input seen, float32 in the model's own units, without a batch axis.
    score, initial_score : float
        The objective at that input and at the start, without transforms.
    history : ndarray
        (steps,): the objective at each step, under that step's transforms.
    status : Status
        How the run ended.
    steps : int
        How many steps were taken; fewer than asked for if the run ended early or the score no longer grew.
    detail : str
        What to say in place of the sentence of the status; "" where that sentence says enough.
    frames : mapping of int to ndarray
        The input after some steps, as `array`, where frames were asked for.
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
        """What the status means here; "" where there is nothing to say."""
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
    """Climb objectives, one per sample, by their gradients with respect to one input.

    Samples share nothing but the batch: each has its own objective, its own random numbers and its own end. Only those of
    a set are kept or dropped together, since their objective compares them.

    Parameters
    ----------
    network : callable
        From inputs by name, each (batch, *shape), to tensors by name; differentiable in the input `name`.
    name : str
        The input that moves.
    objectives : sequence of Objective
        One per sample; larger is better. Samples with the very same object are given to it together, so that it may
        compare them with each other. An objective may read the input by its name as well, and meets it without the
        transform.
    parameterization : Parameterization
        Of the input; its variables are moved in place.
    runs : sequence of Run
        One per sample; they seed the transforms.
    settings : Settings
        How the ascent goes. Restarts and seed are those of the runs, and `robust` is whether there is a transform.
    transform : Transform, optional
        Random moves of the input, anew at each step. They never touch the input that is returned or scored.
    sets : sequence of sequences of int
        Places of samples whose scores hang on each other: the best of a set is the best mean, all of one step.
    batch_size : int, optional
        How many samples the network takes at once; 1 for a network whose batch is fixed. Default: all.
    redirected : callable, optional
        The same network, whose rectifiers let the gradient pass where they would block all of it (`rectifiers`). It
        stands in for the network in the first 16 steps of Adam, which wakes a unit that is dead at the start.
    progress : callable, optional
        Called after each step with its number, from 1, and the (batch,) scores.

    Returns
    -------
    tuple of Ascent
        One per sample, in order. After a `KeyboardInterrupt` they hold the best so far.

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
            f"{len(objectives)} objectives, {len(runs)} runs and {batch} inputs: there must be as many of each"
        )
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"`batch_size` {batch_size}: must be above 0")
    if settings.optimizer == "cma":
        raise UsageError("`optimizer` cma: takes no gradient; `evolution.evolve` searches with it")
    if settings.optimizer == "lbfgs" and transform is not None:
        raise UsageError("`optimizer` lbfgs: needs a target that stands still; use adam, or no transforms")
    scores_of = _Scores(network, name, objectives, batch_size)
    generators = [run.generator("transform") for run in runs]
    climbers: dict[str, type[Adam] | type[LBFGS]] = {"adam": Adam, "nadam": NAdam, "lbfgs": LBFGS}
    climber: Optimizer = climbers[settings.optimizer](parameterization)

    def look_still() -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            inputs = parameterization.realize()
            return inputs, scores_of.judge(scores_of.tensors(inputs), inputs)

    record = _Record(*look_still(), sets)
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
                # What an objective says of the input itself must not hide that the network says nothing.
                seen_alone = scores_of.average(tensors, inputs.detach())
                blind = _gradients(seen_alone, parameterization, scores_of.stopped, keep=True)
                dead = (largest(blind) == 0) & record.going
            if dead is not None and bool(dead.any()):
                # A second pass costs as much as the first, so it is taken only where a sample has no direction at all.
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
    """The network and the objectives: from inputs to tensors, and from those to (batch,) scores."""

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
        """Whether an objective reads both the input and what the network makes of it."""
        return bool(self._names) and any(self._name in objective.tensors for objective, _ in self._groups)

    def stopped(self) -> DifferentiationError:
        """Return the error that says what keeps every gradient from the input."""
        tell = getattr(self._network, "obstacle", None)
        obstacle = tell(self._name, sorted(self._names)) if tell is not None and self._names else ""
        reason = f": {obstacle}" if obstacle else "; aim at a tensor that depends on it"
        return DifferentiationError(f"{self._name}: no gradient of the target reaches it{reason}")

    def tensors(self, inputs: Tensor, instead: Network | None = None) -> dict[str, Tensor]:
        """Return what the network, or another one, makes of the inputs: all that the objectives read."""
        network = instead or self._network
        if len(inputs) <= self._batch_size:
            found = network({self._name: inputs})
            return {tensor: found[tensor] for tensor in self._names}
        parts = [network({self._name: part}) for part in torch.split(inputs, self._batch_size)]
        return {tensor: torch.cat([part[tensor] for part in parts]) for tensor in self._names}

    def average(self, looks: Sequence[Mapping[str, Tensor]], inputs: Tensor) -> Tensor:
        """Return (batch,) scores: means over what several random moves of the inputs gave."""
        scores = [self.judge(tensors, inputs) for tensors in looks]
        return scores[0] if len(scores) == 1 else torch.stack(scores).mean(0)

    def judge(self, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Return (batch,) float32 scores; whoever reads the input by its name meets these inputs."""
        tensors = {**tensors, self._name: inputs}
        names = {name for objective, _ in self._groups for name in objective.tensors}
        own = {name: shares(tensors[name], [places for _, places in self._groups], len(inputs)) for name in names}
        scores: list[Tensor] = []
        for group, (objective, places) in enumerate(self._groups):
            score = objective({name: own[name][group] for name in objective.tensors}, len(places))
            if score.shape != (len(places),):
                raise UsageError(f"{objective}: gives {tuple(score.shape)} numbers for {len(places)} samples")
            scores.append(score.float())
        found = torch.cat(scores)
        return found if self._in_order else found[torch.tensor(self._order, device=inputs.device).argsort()]


class _Record:
    """What is known of every sample so far; made from a look at the start."""

    def __init__(self, inputs: Tensor, scores: Tensor, sets: Sequence[Sequence[int]] = ()) -> None:
        self.inputs, self.scores, self.initial_scores = inputs, scores, scores
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
        """Keep what is better than the best so far, and finite; of a set all or nothing."""
        values, best = self._shared(scores), self._shared(self.scores)
        better = torch.isfinite(values) & ((values >= best) | ~torch.isfinite(best)) & all_finite([inputs])
        for places in self._sets:
            better[places] = better[places].all()
        if bool(better.all()):
            self.inputs, self.scores = inputs, scores
        elif bool(better.any()):
            self.inputs = torch.where(better.reshape(-1, *[1] * (inputs.ndim - 1)), inputs, self.inputs)
            self.scores = torch.where(better, scores, self.scores)

    def settle(self, step: int) -> None:
        """Find, every `WINDOW` steps of a still input, the samples whose scores no longer grow."""
        if step - self._since < WINDOW:
            return
        best, start = self._shared(self.scores), self._shared(self.initial_scores)
        self._arrived = (best > start) & (best - self._reached <= ARRIVED * best.abs())
        self._reached, self._since = best, step

    def keep(self, step: int, inputs: Tensor) -> None:
        """Keep what the inputs are after a step."""
        self._frames.append((step, inputs.cpu().numpy().astype(np.float32)))

    def _shared(self, scores: Tensor) -> Tensor:
        """Return what each sample is judged by: its score, and in a set the mean of all."""
        shared = scores.clone()
        for places in self._sets:
            shared[places] = scores[places].mean()
        return shared

    def advance(self, scores: Tensor, sizes: Tensor, idle: Tensor, going: Tensor) -> None:
        """Note one step: what was scored, how large the gradients were, and which samples end with it."""
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
        """Return what was found."""
        arrays = self.inputs.cpu().numpy().astype(np.float32)
        # By more than a rounding; a start that was not finite is below everything.
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
    # No sample's score depends on another's variables, unless the objective wants it: the sum keeps them apart.
    found = torch.autograd.grad(scores.sum(), variables, allow_unused=True, retain_graph=keep)
    if all(gradient is None for gradient in found):
        raise stopped()
    return [torch.zeros_like(v) if g is None else g for g, v in zip(found, variables, strict=True)]
