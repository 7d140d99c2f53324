"""The search for one target's best input: which parameterization suits the input, how many starts, what they agree on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from onnxviz.errors import UsageError
from onnxviz.methods.batching import Batched
from onnxviz.methods.consistency import Consistency, consistency
from onnxviz.methods.fourier import Fourier
from onnxviz.methods.maximization import Ascent, maximize
from onnxviz.methods.objectives import Objective
from onnxviz.methods.parameterizations import Direct, Parameterization
from onnxviz.methods.rectifiers import passing_clip
from onnxviz.methods.runs import Run
from onnxviz.methods.transforms import standard_transform


@dataclass(frozen=True)
class Space:
    """Where inputs are searched.

    Attributes
    ----------
    name : str
        The tensor that moves.
    shape : tuple of int
        Of one sample, without the batch.
    axes : tuple of str
        Its axes' names.
    kind : str
        "image" and "signal" are parameterized by their spectrum; everything else element by element.
    colors : str or None
        "rgb" or "bgr" where three channels are colors.
    low, high : ndarray or None
        Bounds, broadcastable to the shape.
    mean, scale : ndarray
        Center and spread of each element, broadcastable to the shape.
    norm : float or None
        The radius of the ball, in standardised units, where there are no bounds.
    groups : tuple of tuple of int
        Elements that share out one between them: one-hot codes, relaxed.
    tokens : bool
        Whether each step has a ball of its own and may lie inside of it, as the rows of an embedding do.
    """

    name: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    kind: str
    colors: str | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    mean: np.ndarray = field(default_factory=lambda: np.zeros(()))
    scale: np.ndarray = field(default_factory=lambda: np.ones(()))
    norm: float | None = None
    groups: tuple[tuple[int, ...], ...] = ()
    tokens: bool = False

    @property
    def spectral(self) -> bool:
        """Whether the input is parameterized by its spectrum."""
        return self.kind in ("image", "signal")

    def start(self, runs: Sequence[Run], device: torch.device) -> Parameterization:
        """Return the starting points of some runs."""
        if self.spectral:
            return Fourier.start(
                runs,
                self.shape,
                " ".join(self.axes),
                low=self.low,
                high=self.high,
                mean=self.mean,
                std=self.scale,
                colors=self.colors,
                device=device,
            )
        if self.low is not None and self.high is not None:
            # Without data the middle of the box is the place to start, and its own width the measure of the scatter.
            mean = self.mean if self.mean.size > 1 or bool(self.mean.any()) else None
            scale = self.scale if self.scale.size > 1 or bool((self.scale != 1).any()) else None
            return Direct.box(
                runs, self.shape, self.low, self.high, mean=mean, scale=scale, groups=self.groups, device=device
            )
        return Direct.ball(
            runs,
            self.shape,
            radius=self.norm,
            surface=not self.tokens,
            mean=self.mean,
            scale=self.scale,
            first=2 if self.tokens else 1,
            device=device,
        )


@dataclass(frozen=True)
class Settings:
    """How the search goes.

    Attributes
    ----------
    steps, restarts, seed : int
        Of each ascent, of each target, of everything.
    rate : float
        Adam's step.
    optimizer : str
        "adam" or "lbfgs".
    robust : bool
        Whether pictures and signals are moved at random while they are climbed.
    """

    steps: int = 128
    restarts: int = 1
    seed: int = 0
    rate: float = 0.1
    optimizer: Literal["adam", "lbfgs"] = "adam"
    robust: bool = True


@dataclass(frozen=True)
class Found:
    """What the search found for one target.

    Attributes
    ----------
    objective : Objective
        What was climbed.
    ascents : tuple of Ascent
        One for each start.
    best : int
        Which of them ended highest.
    consistency : Consistency
        How far the starts agree.
    start : ndarray
        Where the best ascent began, without the batch.
    text : str
        The parameterization, in one line.
    """

    objective: Objective
    ascents: tuple[Ascent, ...]
    best: int
    consistency: Consistency
    start: np.ndarray
    text: str

    @property
    def ascent(self) -> Ascent:
        """The ascent that ended highest."""
        return self.ascents[self.best]


def search(
    network: Any,
    space: Space,
    objectives: Sequence[Objective],
    held: Mapping[str, torch.Tensor],
    settings: Settings,
    *,
    device: torch.device,
    batch_size: int,
    copies: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
) -> Iterator[list[Found]]:
    """Climb every objective from every start, as many at once as the network takes.

    Parameters
    ----------
    network : callable
        Named tensors in, named tensors out, differentiable; may offer `replacing`, as `Network` does.
    space : Space
        Where to search.
    objectives : sequence of Objective
        One per target.
    held : mapping of str to Tensor
        The other inputs, as for a batch of one.
    settings : Settings
        How.
    device : torch.device
        Where.
    batch_size : int
        The most samples at once.
    copies : int
        The batch that a network with a fixed one wants; it is filled with copies of one sample.
    progress : callable, optional
        Takes how many steps are done, how many there are in all, and a few words.

    Yields
    ------
    list of Found
        For the next few objectives, in order. After a `KeyboardInterrupt` the statuses say "interrupted", and it is the last.

    Raises
    ------
    UsageError
        If the settings contradict each other.
    DifferentiationError
        If no gradient reaches the input.
    """
    if settings.optimizer == "lbfgs" and settings.robust and space.spectral:
        raise UsageError("lbfgs allows no random transforms: add --no-transforms")
    probe = Run("probe", 0, settings.seed)
    with torch.no_grad():
        sample = space.start([probe], device).realize()
    batched = Batched(network, space.name, held, sample, copies)
    waking = batched.running(network.replacing({"Relu": _passing_relu})) if hasattr(network, "replacing") else None
    at_once = batch_size if batched.batchable else 1
    group = max(1, at_once // settings.restarts)
    total = settings.steps * -(-len(objectives) // group)
    for number, first in enumerate(range(0, len(objectives), group)):
        chosen = objectives[first : first + group]
        runs = [
            Run(str(objective), restart, settings.seed) for objective in chosen for restart in range(settings.restarts)
        ]
        start = space.start(runs, device)
        with torch.no_grad():
            beginnings = start.realize().cpu().numpy()
        transform = (
            standard_transform((len(runs), *space.shape), start.spatial) if settings.robust and space.spectral else None
        )

        def told(step: int, scores: Any, before: int = number * settings.steps) -> None:
            if progress is not None:
                progress(before + step, total, f"score {float(np.nanmean(scores)):.4g}")

        ascents = maximize(
            batched,
            space.name,
            [objective for objective in chosen for _ in range(settings.restarts)],
            start,
            runs,
            transform=transform,
            steps=settings.steps,
            rate=settings.rate,
            optimizer=settings.optimizer,
            batch_size=at_once,
            redirected=waking,
            progress=told,
        )
        found = []
        for place, objective in enumerate(chosen):
            own = ascents[place * settings.restarts : (place + 1) * settings.restarts]
            scores = [ascent.score if np.isfinite(ascent.score) else -np.inf for ascent in own]
            arrays = torch.as_tensor(np.stack([ascent.array for ascent in own]), device=device)
            standard = start.standardize(arrays).cpu().numpy()
            agreed = consistency([ascent.score for ascent in own], standard)
            best = int(np.argmax(scores))
            beginning = beginnings[place * settings.restarts + best]
            found.append(Found(objective, own, best, agreed, beginning, start.text))
        yield found
        if any(one.ascent.status == "interrupted" for one in found):
            return


def _passing_relu(values: torch.Tensor, **_: Any) -> torch.Tensor:
    """Rectify as Relu does, with a gradient for samples that are dead; a scalar has no samples."""
    return passing_clip(values) if values.ndim else values.clamp(min=0)
