"""The search for the inputs with the highest scores: all starts of all targets, as many at once as the memory holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from onnxviz.errors import AllocationError, OnnxvizError, UsageError
from onnxviz.methods.ascent.batching import Batched
from onnxviz.methods.ascent.captured import Captured
from onnxviz.methods.ascent.consistency import Consistency, consistency
from onnxviz.methods.ascent.maximization import Ascent, maximize
from onnxviz.methods.ascent.parameterizations import Parameterization
from onnxviz.methods.ascent.rectifiers import REDIRECTED
from onnxviz.methods.ascent.runs import Run
from onnxviz.methods.ascent.settings import Settings
from onnxviz.methods.ascent.space import Space
from onnxviz.methods.ascent.status import Status
from onnxviz.methods.ascent.transforms import SMALL, Crops, Transform, standard_transform
from onnxviz.methods.ascent.windows import WindowedTransform
from onnxviz.methods.devices import tensor_cores
from onnxviz.methods.objectives.objectives import Objective


@dataclass(frozen=True)
class Found:
    """The result of the search for one target.

    Attributes
    ----------
    objective : Objective
        The objective that was maximized.
    ascents : tuple of Ascent
        One for each start.
    best : int
        The number of the ascent with the highest score.
    consistency : Consistency
        How far the starts agree.
    starts : ndarray
        The starts of the ascents, (restart, *shape).
    text : str
        A line that describes the parameterization.
    transparency : ndarray or None
        The sum of the gradient's magnitude at each element over the ascent, of the shape of the best input; for MACO.
    """

    objective: Objective
    ascents: tuple[Ascent, ...]
    best: int
    consistency: Consistency
    starts: np.ndarray
    text: str
    transparency: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        objective: Objective,
        ascents: Sequence[Ascent],
        beginnings: np.ndarray,
        parameterization: Parameterization,
        transparency: torch.Tensor | None = None,
    ) -> Found:
        """Return the result of the ascents of one target: which ended highest, and how far they agree.

        Parameters
        ----------
        objective : Objective
            The objective that was maximized.
        ascents : sequence of Ascent
            One for each start.
        beginnings : (start, *shape) ndarray
            The starts.
        parameterization : Parameterization
            The parameterization that the ascents moved.
        transparency : Tensor, optional
            (start, *shape) sums of the gradient's magnitude, where the parameterization has them.
        """
        scores = [ascent.score if np.isfinite(ascent.score) else -np.inf for ascent in ascents]
        device = parameterization.variables[0].device
        arrays = torch.as_tensor(np.stack([ascent.array for ascent in ascents]), device=device)
        agreed = consistency(scores, parameterization.standardize(arrays).cpu().numpy())
        best = int(np.argmax(scores))
        clear = None if transparency is None else transparency[best].cpu().numpy()
        return cls(objective, tuple(ascents), best, agreed, beginnings, parameterization.text, clear)

    @property
    def ascent(self) -> Ascent:
        """The ascent that ended highest."""
        return self.ascents[self.best]

    @property
    def outcome(self) -> Ascent:
        """The ascent that stands for all: the highest one, or in a set the first that did not end well."""
        wrong = [one for one in self.ascents if one.status != Status.OK] if self.objective.members else []
        return wrong[0] if wrong else self.ascent

    @property
    def start(self) -> np.ndarray:
        """The start of the best ascent, without the batch axis."""
        began: np.ndarray = self.starts[self.best]
        return began


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
    wanted: Collection[str] | None = None,
) -> Iterator[list[Found]]:
    """Yield the results of all objectives, each maximized from all of its starts, as many at once as the network takes.

    Parameters
    ----------
    network : callable
        A differentiable function from named tensors to named tensors, which may have a method `replacing`, as `Network` does.
    space : Space
        The space to search in.
    objectives : sequence of Objective
        One per target.
    held : mapping of str to Tensor
        The other inputs, for a batch of one.
    settings : Settings
        The steps, the restarts, the optimizer and more.
    device : torch.device
        The device to compute on.
    batch_size : int
        The most samples at once.
    copies : int
        The batch of the network, where its file fixes the batch. It is filled with copies of one sample.
    progress : callable, optional
        Called with the steps done, the steps in all (those of each objective count), and a few words.
    wanted : collection of str, optional
        The objectives whose results are needed; groups without them are passed over. Several threads round the sums of a batch in
        an order that depends on its size, so an objective is searched with the same others, whatever is known of these already.

    Yields
    ------
    list of Found
        The results of the next objectives, in order. After a `KeyboardInterrupt` the last list has ascents with the status
        "interrupted".

    Raises
    ------
    UsageError
        If the settings contradict each other.
    DifferentiationError
        If no gradient reaches the input.
    AllocationError
        If the memory does not hold the starts of a single objective. A batch of several objectives that is too large is halved.
    """
    if settings.optimizer == "lbfgs" and settings.robust and space.spectral:
        raise UsageError("lbfgs allows no random transforms: add `no_transforms`")
    for objective in objectives:
        _check_set(objective, settings, batch_size)
    probe = Run("probe", 0, settings.seed)
    with torch.no_grad():
        sample = space.start([probe], device).realize()
    batched = Batched(network, space.name, held, sample, copies)
    waking = batched.running(network.replacing(REDIRECTED)) if hasattr(network, "replacing") else None
    at_once = batch_size if batched.batchable else 1
    waiting = deque(_groups(objectives, settings, at_once))
    done, total = 0, settings.steps * len(objectives)
    recorded = Captured(batched) if device.type == "cuda" else None
    climb = _Climb(batched, waking, recorded, space, settings, device, at_once)
    while waiting:
        chosen = waiting.popleft()
        if wanted is not None and not any(str(one) in wanted for one in chosen):
            done += len(chosen)
            continue

        def told(step: int, scores: Any, before: int = done, count: int = len(chosen)) -> None:
            if progress is not None:
                progress(settings.steps * before + step * count, total, _score_text(scores))

        try:
            found = climb(chosen, told)
        except (MemoryError, RuntimeError, OnnxvizError) as error:
            if not _memory_is_out(error):
                raise
            if len(chosen) == 1:
                raise AllocationError(
                    f"{chosen[0]}: the memory does not hold {settings.starts(chosen[0])} of its ascents at once; "
                    "give fewer `restarts` or a smaller `size`"
                ) from error
            # The result of an objective does not depend on the others in its batch.
            half = len(chosen) // 2
            waiting.extendleft([chosen[half:], chosen[:half]])
            continue
        done += len(chosen)
        yield found
        if any(one.ascent.status == Status.INTERRUPTED for one in found):
            return


def _score_text(scores: Any) -> str:
    """Return the mean of the scores that are numbers, in words."""
    numbers = np.asarray(scores)[~np.isnan(scores)]
    return f"score {float(numbers.mean()):.4g}" if numbers.size else "no score yet"


@dataclass(frozen=True)
class _Climb:
    """The ascent of a group of objectives, with all that the groups of a search share.

    Attributes
    ----------
    network, waking : Batched
        The network, and the same network with rectifiers that let the gradient pass where they are dead.
    recorded : Captured or None
        The network recorded for a GPU.
    space, settings, device
        As in `search`.
    at_once : int
        The most samples that the network takes.
    """

    network: Batched
    waking: Batched | None
    recorded: Captured | None
    space: Space
    settings: Settings
    device: torch.device
    at_once: int

    def __call__(self, chosen: Sequence[Objective], told: Callable[[int, Any], None]) -> list[Found]:
        """Return the results of some objectives, with all their restarts in one batch."""
        space, settings = self.space, self.settings
        counts = [settings.starts(objective) for objective in chosen]
        firsts = [sum(counts[:place]) for place in range(len(counts))]
        # The members of a passage begin at the same place. The members of any set are moved alike by the transforms, since only
        # then can they be compared.
        runs, movers = (
            [
                Run(str(objective), 0 if alike else restart, settings.seed)
                for objective, count, alike in zip(chosen, counts, likes, strict=True)
                for restart in range(count)
            ]
            for likes in ([one.passes for one in chosen], [one.members > 0 for one in chosen])
        )
        start = space.start(runs, self.device)
        with torch.no_grad():
            beginnings = start.realize().cpu().numpy()
        moving = settings.robust and space.spectral and not chosen[0].stands_still
        # A recording holds one forward pass at a time, so that it needs all samples at once and a single random move of them.
        once = len(runs) <= self.at_once and (settings.looks == 1 or not moving)
        with tensor_cores(self.device):
            ascents = maximize(
                self.recorded if self.recorded is not None and once else self.network,
                space.name,
                [objective for objective, count in zip(chosen, counts, strict=True) for _ in range(count)],
                start,
                movers,
                settings,
                transform=_transform(space, start, len(runs)) if moving else None,
                sets=[
                    range(first, first + count)
                    for objective, first, count in zip(chosen, firsts, counts, strict=True)
                    if objective.compares
                ],
                batch_size=self.at_once,
                redirected=self.waking,
                progress=told,
            )
        found = []
        for objective, first, count in zip(chosen, firsts, counts, strict=True):
            places = slice(first, first + count)
            clear = getattr(start, "transparency", None)
            clear = None if clear is None else clear[places]
            found.append(Found.of(objective, ascents[places], beginnings[places], start, clear))
        return found


# The words of errors by torch and by oneDNN when no memory is left. oneDNN says the same where it cannot do the work at all, but that
# would have shown in the test with one sample.
_NO_MEMORY = ("allocate memory", "could not create a primitive", "could not create a memory object")


def _memory_is_out(error: BaseException | None) -> bool:
    """Return whether an error or one of its causes says that no memory is left."""
    while error is not None:
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(words in str(error) for words in _NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def _groups(objectives: Sequence[Objective], settings: Settings, at_once: int) -> Iterator[list[Objective]]:
    """Yield groups of neighboring objectives whose restarts fit into one batch and which use the same transforms."""
    chosen: list[Objective] = []
    taken = 0
    for objective in objectives:
        count = settings.starts(objective)
        if chosen and (taken + count > at_once or objective.stands_still != chosen[0].stands_still):
            yield chosen
            chosen, taken = [], 0
        chosen.append(objective)
        taken += count
    if chosen:
        yield chosen


def _check_set(objective: Objective, settings: Settings, batch_size: int) -> None:
    """Raise a `UsageError` if the restarts of an objective cannot form a set."""
    if not objective.members:
        return
    count = settings.starts(objective)
    if count < 2:
        raise UsageError(f"{objective}: compares several restarts; give `restarts` 2 or more")
    if objective.compares and settings.optimizer == "lbfgs":
        raise UsageError(f"{objective}: lbfgs climbs each restart alone and cannot compare them; use adam")
    if count > batch_size:
        raise UsageError(
            f"{objective}: its {count} restarts must be held in memory together, and {batch_size} fit; "
            f"give `restarts` {batch_size}" + ("" if batch_size > 1 else ", or leave out the terms that compare them")
        )


def _transform(space: Space, start: Parameterization, batch: int) -> Transform | None:
    """Return the random moves that suit an input; where a window moves, they move the window alone."""
    shape = space.shape if space.window is None else space.windowed().shape
    moves: Transform | None = space.views or standard_transform((batch, *shape), start.spatial)
    if (
        space.parameterization == "maco"
        and len(start.spatial) == 2
        and min(shape[axis - 1] for axis in start.spatial) > SMALL
    ):
        moves = Crops((start.spatial[0], start.spatial[1]))
    if moves is None or space.window is None:
        return moves
    return WindowedTransform(moves, space.window)
