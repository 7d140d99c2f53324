"""The search for one target's best input: which parameterization suits the input, how many starts, what they agree on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    starts : ndarray
        (restart, *shape): where the ascents began.
    text : str
        The parameterization, in one line.
    transparency : ndarray or None
        Of the shape of the best input: how much the target cared for each element, summed over the ascent; for MACO.
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
        """Compare the ascents of one target: which ended highest, and how far they agree.

        Parameters
        ----------
        objective : Objective
            What was climbed.
        ascents : sequence of Ascent
            One for each start.
        beginnings : (start, *shape) ndarray
            Where each began.
        parameterization : Parameterization
            That they moved.
        transparency : Tensor, optional
            (start, *shape): how much the target cared for each element, where the parameterization counts that.
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
        """The ascent that stands for all: the highest; of a set the first that went wrong, if any did."""
        wrong = [one for one in self.ascents if one.status != Status.OK] if self.objective.members else []
        return wrong[0] if wrong else self.ascent

    @property
    def start(self) -> np.ndarray:
        """Where the best ascent began, without the batch."""
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
        Takes how many steps are done, how many there are in all (of each objective its own), and a few words.

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
    AllocationError
        If the memory holds not even one objective; as long as it is several, a batch that is too large is halved.
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

        def told(step: int, scores: Any, before: int = done, count: int = len(chosen)) -> None:
            if progress is not None:
                progress(settings.steps * before + step * count, total, f"score {float(np.nanmean(scores)):.4g}")

        try:
            found = climb(chosen, told)
        except (MemoryError, RuntimeError, OnnxvizError) as error:
            if not _memory_is_out(error):
                raise
            if len(chosen) == 1:
                raise AllocationError(
                    f"{chosen[0]}: the memory does not hold {settings.starts(chosen[0])} of its ascents at once; "
                    "fewer `restarts` or a smaller `size` may do"
                ) from error
            # What a unit's result is does not depend on what is batched beside it.
            half = len(chosen) // 2
            waiting.extendleft([chosen[half:], chosen[:half]])
            continue
        done += len(chosen)
        yield found
        if any(one.ascent.status == Status.INTERRUPTED for one in found):
            return


@dataclass(frozen=True)
class _Climb:
    """What all groups of a search share: how a group is climbed.

    Attributes
    ----------
    network, waking : Batched
        The network, and the same with rectifiers that let the gradient pass where they are dead.
    recorded : Captured or None
        The network as a GPU replays it.
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
        """Climb all restarts of some objectives in one batch."""
        space, settings = self.space, self.settings
        counts = [settings.starts(objective) for objective in chosen]
        firsts = [sum(counts[:place]) for place in range(len(counts))]
        # A passage begins at one place, and what its members see is moved alike, as is what any set sees: only then
        # can they be compared.
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
        # A recording holds one forward pass at a time: all samples at once, and a single look at them.
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


# torch's own words and those of oneDNN, which says no more where it finds none for its work; that it cannot do this work at
# all would have come out when one sample was tried.
_NO_MEMORY = ("allocate memory", "could not create a primitive", "could not create a memory object")


def _memory_is_out(error: BaseException | None) -> bool:
    """Tell whether an error, or what caused it, says that no memory is left."""
    while error is not None:
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(words in str(error) for words in _NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def _groups(objectives: Sequence[Objective], settings: Settings, at_once: int) -> Iterator[list[Objective]]:
    """Give neighboring objectives whose restarts fit into one batch and move alike; at least one at a time."""
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
    """Raise where the restarts of an objective cannot be a set."""
    if not objective.members:
        return
    count = settings.starts(objective)
    if count < 2:
        raise UsageError(f"{objective}: is about several restarts beside each other; give `restarts` 2 or more")
    if objective.compares and settings.optimizer == "lbfgs":
        raise UsageError(f"{objective}: lbfgs climbs each restart alone and cannot compare them; use adam")
    if count > batch_size:
        raise UsageError(
            f"{objective}: its {count} restarts must be held in memory together, and {batch_size} fit; "
            f"give `restarts` {batch_size}" + ("" if batch_size > 1 else ", or leave out what compares them")
        )


def _transform(space: Space, start: Parameterization, batch: int) -> Transform | None:
    """Return the random moves that suit an input; in a window, of the window alone."""
    shape = space.shape if space.window is None else space.windowed().shape
    moves: Transform | None = standard_transform((batch, *shape), start.spatial)
    if (
        space.parameterization == "maco"
        and len(start.spatial) == 2
        and min(shape[axis - 1] for axis in start.spatial) > SMALL
    ):
        moves = Crops((start.spatial[0], start.spatial[1]))
    if moves is None or space.window is None:
        return moves
    return WindowedTransform(moves, space.window)
