"""Accentuation: what should change in a real input to please the target more, at three strengths, scored by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.methods.ascent.status import Status

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.climb import Instruments
    from onnxviz.analyses.maximization.task import Presentation
    from onnxviz.drawing.pictures import Picture
    from onnxviz.methods.ascent.search import Found
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.objectives.objectives import Objective

_LOOKS, _NOISE = 16, 0.05
"""How many noisy copies of the input the gradient is averaged over, and their noise in lengths of the range."""


@dataclass(frozen=True, eq=False)
class Accents:
    """A real input, and its changes of growing strength.

    Attributes
    ----------
    original : (*shape) ndarray
        The real input.
    original_score : float
        Its score, by ONNX Runtime.
    arrays : (strength, *shape) ndarray
        The changed inputs.
    strengths : tuple of float
        The largest change that was allowed, as a share of the original's contrast.
    changes : tuple of float
        The change that was made, in the same unit.
    scores : tuple of float
        The scores of the changed inputs, by ONNX Runtime.
    importance : (*shape) ndarray
        How far each element was allowed to change, from 0 to 1.
    """

    original: np.ndarray
    original_score: float
    arrays: np.ndarray
    strengths: tuple[float, ...]
    changes: tuple[float, ...]
    scores: tuple[float, ...]
    importance: np.ndarray

    def summary(self) -> dict[str, Any]:
        """Return what `maximize --json` tells of it."""
        steps = zip(self.strengths, self.changes, self.scores, strict=True)
        return {
            "original_ort_score": self.original_score,
            "left_alone": float((self.importance == 0).mean()),
            "strengths": [
                {"strength": strength, "change": change, "ort_score": score} for strength, change, score in steps
            ],
        }

    def strip(self, presentation: Presentation, title: str, subtitle: str) -> Picture:
        """Return a sheet with the real input, its changes, and where the largest of them lie."""
        from onnxviz.analyses.maximization.pictures import draw_sample
        from onnxviz.drawing.pictures import sequential
        from onnxviz.drawing.sheet import Sheet, Tile
        from onnxviz.wording import number_text

        sharp = None if presentation.drawing.is_picture else False
        shown = [(self.original, "as it is", self.original_score)]
        shown += [
            (array, f"changed by {change:.0%}", score)
            for array, change, score in zip(self.arrays, self.changes, self.scores, strict=True)
        ]
        tiles = [
            Tile(draw_sample(presentation, array), caption, f"score {number_text(score)}", sharp=sharp)
            for array, caption, score in shown
        ]
        difference = (self.arrays[-1] - self.original).astype(np.float32)
        if presentation.drawing.is_picture:
            axes = presentation.drawing.expected.axes
            size = np.sqrt((difference**2).sum(axes.index("channel")) if "channel" in axes else difference**2)
            tiles.append(Tile(sequential(size, 0), "the last change", "yellow: largest", sharp=sharp))
        else:
            tiles.append(Tile(draw_sample(presentation, difference), "the last change", sharp=sharp))
        note = (
            "change: its norm as a share of the contrast of the input; what the target cares about least never changes"
        )
        return Sheet(tiles, title, subtitle, note=note).draw()


def accentuate(
    tools: Instruments,
    todo: Sequence[tuple[Objective, Objective]],
    told: Callable[[int, str], None],
    kept: Collection[str] = (),
) -> Iterator[tuple[Objective, Found, Space, Accents]]:
    """Yield each target with its largest change of the real input from which the search starts, and with all three changes.

    Parameters
    ----------
    tools : Instruments
        What climbs and scores them.
    todo : sequence of (Objective, Objective)
        What is scored, and what is climbed for it.
    told : callable
        Hears of the progress.
    kept : collection of str
        The targets whose results are there already.

    Yields
    ------
    objective, found, space, accents
        In order. After a `KeyboardInterrupt` the last one says "interrupted".
    """
    from onnxviz.methods.ascent.accentuation import STRENGTHS, Kept

    steps = tools.search.settings.steps
    for number, (objective, climbed) in enumerate(todo):
        if str(objective) in kept:
            continue
        (space, _), *_ = tools.search.spaces([(objective, climbed)])
        allowed = _importance(tools, climbed, space)
        climbs = []
        for place, strength in enumerate(STRENGTHS):
            done = steps * number + steps * place // len(STRENGTHS)
            progress = partial(_told, told, done, len(STRENGTHS))
            near = replace(space, kept=Kept(allowed, strength))
            climbs.append(next(tools.groups(tools.network, near, [climbed], tools.search.settings, progress))[0])
            if climbs[-1].ascent.status == Status.INTERRUPTED:
                break
        found, used = climbs[-1], STRENGTHS[: len(climbs)]
        yield objective, found, space, _accents(tools, objective, space, climbs, used, allowed)
        if found.ascent.status == Status.INTERRUPTED:
            return


def _accents(
    tools: Instruments,
    objective: Objective,
    space: Space,
    climbs: Sequence[Found],
    strengths: tuple[float, ...],
    allowed: np.ndarray,
) -> Accents:
    """Return the changes that were found, scored by ONNX Runtime."""
    import torch

    from onnxviz.methods.ascent.accentuation import change_of
    from onnxviz.methods.ascent.runs import Run

    if space.beginning is None:
        raise ValueError("there is no input to start from")
    original = np.asarray(space.beginning, np.float32)
    arrays = tools.search.settled(np.stack([one.ascent.array for one in climbs]))
    scores = tools.score.alone(objective, np.concatenate([original[None], arrays]))
    start = space.start([Run("change")], torch.device("cpu"))
    changes = change_of(torch.as_tensor(arrays), torch.as_tensor(original)[None], start)
    shares, values = (tuple(float(one) for one in some) for some in (changes, scores[1:]))
    return Accents(original, float(scores[0]), arrays, strengths, shares, values, allowed)


def _importance(tools: Instruments, climbed: Objective, space: Space) -> np.ndarray:
    """Return how far each element of the real input may change, by the gradient at noisy copies of it."""
    import torch

    from onnxviz.methods.ascent.accentuation import importance
    from onnxviz.methods.ascent.batching import Batched
    from onnxviz.methods.ascent.runs import Run
    from onnxviz.methods.attribution.gradients import smooth_gradient

    search, device = tools.search, torch.device(tools.search.device)
    start = space.start([Run("importance")], device)
    begun = torch.as_tensor(space.beginning, dtype=torch.float32, device=device)[None]
    held = {name: torch.as_tensor(value) for name, value in search.numbers.items()}
    network = Batched(tools.network, space.name, held, begun, search.copies)
    span = torch.where(start.span != 0, start.span, 0).expand(begun.shape[1:])

    def score(change: torch.Tensor) -> torch.Tensor:
        moved = begun + span * change
        answers = {**network({space.name: moved}), space.name: moved}
        return climbed.climbed({name: answers[name] for name in climbed.tensors}, 1)

    told = smooth_gradient(score, [torch.zeros_like(begun)], [1.0], _LOOKS, search.settings.seed, _NOISE)
    gradient = np.asarray(told.values[0], np.float32).reshape(begun.shape[1:])
    channel = space.axes.index("channel") if "channel" in space.axes and space.spectral else None
    return importance(gradient, [axis - 1 for axis in start.spatial], channel)


def _told(told: Callable[[int, str], None], before: int, parts: int, step: int, total: int, words: str) -> None:
    """Tell how far all targets are, during one of the climbs of a target."""
    told(before + step // parts, words)
