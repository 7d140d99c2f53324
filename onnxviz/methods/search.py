"""The search for one target's best input: which parameterization suits the input, how many starts, what they agree on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch

from onnxviz.errors import UsageError
from onnxviz.methods.batching import Batched
from onnxviz.methods.consistency import Consistency, consistency
from onnxviz.methods.fourier import Fourier
from onnxviz.methods.maco import Maco
from onnxviz.methods.maximization import Ascent, maximize
from onnxviz.methods.objectives import Objective
from onnxviz.methods.parameterizations import Direct, Parameterization
from onnxviz.methods.rectifiers import passing_clip
from onnxviz.methods.runs import Run, normal
from onnxviz.methods.transforms import Affine, Crops, Transform, standard_transform
from onnxviz.methods.windows import Window, Windowed, WindowedTransform


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
    colors : str, ndarray or None
        "rgb" or "bgr" where three channels are colors; or a root of the channels' covariance.
    low, high : ndarray or None
        Bounds, broadcastable to the shape.
    mean, scale : ndarray
        Center and spread of each element, broadcastable to the shape.
    norm : float or None
        The radius of the ball, in standardised units, where there are no bounds.
    parameterization : str
        "fourier", "maco", or "pixel" for element by element; "" for what the kind suggests.
    slope : float or None
        Of the data's spectrum, where it was estimated.
    beginning : ndarray or None
        An input to start from; restarts scatter about it.
    window : tuple of slice, or None
        The part of the input, an entry for each axis of the shape, that moves; all of it by default.
    """

    name: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    kind: str
    colors: str | np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    mean: np.ndarray = field(default_factory=lambda: np.zeros(()))
    scale: np.ndarray = field(default_factory=lambda: np.ones(()))
    norm: float | None = None
    parameterization: str = ""
    slope: float | None = None
    beginning: np.ndarray | None = None
    window: Window | None = None

    @property
    def spectral(self) -> bool:
        """Whether neighbors belong together, so that random moves suit the input."""
        return self.kind in ("image", "signal") or self.parameterization in ("fourier", "maco")

    @property
    def spatial(self) -> tuple[int, ...]:
        """The axes along which neighbors belong together, batch counted."""
        return tuple(place for place, axis in enumerate(self.axes, 1) if axis != "channel") if self.spectral else ()

    def start(self, runs: Sequence[Run], device: torch.device) -> Parameterization:
        """Return the starting points of some runs."""
        if self.window is None:
            found = self._start(runs, device)
        else:
            outside = torch.as_tensor(self.middle, device=device)
            found = Windowed.of(self._windowed()._start(runs, device), self.shape, self.window, outside)
        if self.beginning is not None:
            scatter = normal([run.generator("scatter") for run in runs], self.shape).to(device) * found.span * SCATTER
            again = torch.tensor([float(run.restart > 0) for run in runs], device=device)
            center = torch.as_tensor(self.beginning, dtype=torch.float32, device=device)
            found.place(center + scatter * again.reshape(-1, *[1] * len(self.shape)))
        return found

    def _start(self, runs: Sequence[Run], device: torch.device) -> Parameterization:
        if self.spectral and self.parameterization != "pixel":
            kind = Maco if self.parameterization == "maco" else Fourier
            slope: dict[str, Any] = {} if self.slope is None else {"slope": self.slope}
            return kind.start(
                runs,
                self.shape,
                " ".join(self.axes),
                low=self.low,
                high=self.high,
                mean=self.mean,
                std=self.scale,
                colors=self.colors,
                device=device,
                **slope,
            )
        spatial = self.spatial
        if self.low is not None and self.high is not None:
            # Without data the middle of the box is the place to start, and its own width the measure of the scatter.
            mean = self.mean if self.mean.size > 1 or bool(self.mean.any()) else None
            scale = self.scale if self.scale.size > 1 or bool((self.scale != 1).any()) else None
            # Neighbors that scatter widely would be noise to begin with, and most of it would stay.
            spread = NOISE if spatial else 1.0
            return Direct.box(
                runs,
                self.shape,
                self.low,
                self.high,
                mean=mean,
                scale=scale,
                spread=spread,
                spatial=spatial,
                device=device,
            )
        return Direct.ball(
            runs, self.shape, radius=self.norm, mean=self.mean, scale=self.scale, spatial=spatial, device=device
        )

    def _windowed(self) -> Space:
        """Return the space of the window alone."""
        window = self.window or ()
        shape = tuple(len(range(*part.indices(size))) for part, size in zip(window, self.shape, strict=True))
        ends = {
            name: None if values is None else np.broadcast_to(values, self.shape)[window].copy()
            for name, values in (("low", self.low), ("high", self.high), ("mean", self.mean), ("scale", self.scale))
        }
        return replace(self, shape=shape, window=None, **ends)  # type: ignore[arg-type]  # names of fields alone

    @property
    def middle(self) -> np.ndarray:
        """The middle of the range, or the mean: what stands outside of the window."""
        middle = self.mean if self.low is None or self.high is None else (np.asarray(self.low) + self.high) / 2
        return np.broadcast_to(middle, self.shape).astype(np.float32)


SCATTER = 0.02
"""How far restarts scatter about an input to start from, in spans of its range."""

NOISE = 0.1
"""How far the pixels of a picture scatter at the start where each moves by itself, in quarters of the range."""


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
        "adam", "nadam" or "lbfgs".
    robust : bool
        Whether pictures and signals are moved at random while they are climbed.
    looks : int
        How many such moves are averaged at each step.
    """

    steps: int = 128
    restarts: int = 1
    seed: int = 0
    rate: float = 0.1
    optimizer: Literal["adam", "nadam", "lbfgs"] = "adam"
    robust: bool = True
    looks: int = 1


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
    transparency : ndarray or None
        Of the shape of the best input: how much the target cared for each element, summed over the ascent; for MACO.
    """

    objective: Objective
    ascents: tuple[Ascent, ...]
    best: int
    consistency: Consistency
    start: np.ndarray
    text: str
    transparency: np.ndarray | None = None

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
        transform = _transform(space, start, len(runs)) if settings.robust and space.spectral else None

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
            looks=settings.looks,
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
            clear = getattr(start, "transparency", None)
            alpha = None if clear is None else clear[place * settings.restarts + best].cpu().numpy()
            found.append(Found(objective, own, best, agreed, beginning, start.text, alpha))
        yield found
        if any(one.ascent.status == "interrupted" for one in found):
            return


def _transform(space: Space, start: Parameterization, batch: int) -> Transform | None:
    """Return the random moves that suit an input; in a window, of the window alone."""
    shape = space.shape if space.window is None else space._windowed().shape
    moves: Transform | None = standard_transform((batch, *shape), start.spatial)
    if space.parameterization == "maco" and isinstance(moves, Affine):
        moves = Crops(moves.axes)
    if moves is None or space.window is None:
        return moves
    return WindowedTransform(moves, space.window)


def _passing_relu(values: torch.Tensor, **_: Any) -> torch.Tensor:
    """Rectify as Relu does, with a gradient for samples that are dead; a scalar has no samples."""
    return passing_clip(values) if values.ndim else values.clamp(min=0)
