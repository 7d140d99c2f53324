"""The robustness of a found input: how much of its score is left when the input is moved a little, by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from onnxviz.methods.ascent.consistency import LEAST_RISE
from onnxviz.methods.ascent.runs import Run
from onnxviz.methods.ascent.scorer import Score
from onnxviz.methods.ascent.space import Space
from onnxviz.methods.ascent.transforms import SIXTEENTH, SMALL, Affine, Shift, Transform
from onnxviz.methods.ascent.windows import WindowedTransform
from onnxviz.methods.objectives.objectives import Objective

MOVES = 16
"""How many moved copies of a found input are scored. An ascent sees as many in sixteen steps."""

_VECTOR_NOISE = 0.1
"""The noise on vectors, which cannot be shifted, in spans: a fortieth of the width of the bounds, or a tenth of a deviation."""


_GRAIN = 0.06
"""The noise on small pictures and signals, in spans: like the grain of a photograph taken in poor light."""


@dataclass(frozen=True, slots=True)
class Robustness:
    """The scores of moved copies of a found input.

    Attributes
    ----------
    moves : int
        The number of moved copies.
    mean, std, min : float
        Mean, standard deviation and minimum of their scores.
    share : float or None
        The mean as a share of the input's own score; None where that score is not above 0.
    kept : float or None
        The share of the rise from the start that is left in the mean; None where there was no rise. It has a meaning even where
        scores are far below 0.
    """

    moves: int
    mean: float
    std: float
    min: float
    share: float | None
    kept: float | None


def robustness(
    score: Score,
    objective: Objective,
    space: Space,
    array: NDArray[np.floating],
    seed: int,
    clean: float,
    start: float,
    settle: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
) -> Robustness | None:
    """Return the scores of copies of an input that are moved at random, as an ascent moves them.

    Parameters
    ----------
    score : callable
        Returns the scores of inputs by ONNX Runtime.
    objective : Objective
        The objective that was maximized.
    space : Space
        The search space, whose bounds hold for the copies as well.
    array : (*shape) ndarray
        The found input.
    seed : int
        The user's seed.
    clean, start : float
        The scores of the input itself and of the start of its search.
    settle : callable, optional
        Turns (sample, *shape) copies into allowed inputs, where some elements are whole numbers or codes.

    Returns
    -------
    Robustness or None
        None where a score is not finite.
    """
    run = Run(str(objective), 0, seed)
    held = space.start([run], torch.device("cpu"))
    copies = torch.as_tensor(array, dtype=torch.float32)[None].repeat(MOVES, *[1] * array.ndim)
    generators = [run.generator(f"move {number}") for number in range(MOVES)]
    moved = _move(space, held.spatial)(copies, held.middle, held.span, generators).numpy()
    if space.low is not None and space.high is not None:
        moved = np.clip(moved, space.low, space.high).astype(np.float32)
    scores = score([objective], moved if settle is None else settle(moved))[0]
    if not (np.isfinite(scores).all() and np.isfinite([clean, start]).all()):
        return None
    mean = float(scores.mean())
    return Robustness(
        MOVES,
        mean,
        float(scores.std()),
        float(scores.min()),
        mean / clean if clean > 0 else None,
        (mean - start) / (clean - start) if clean - start > LEAST_RISE * abs(clean) else None,
    )


def _move(space: Space, spatial: tuple[int, ...]) -> Transform:
    """Return the random moves of the copies: those of lucid for pictures, and noise alone for inputs without neighbors.

    A picture of up to 32 pixels is only shifted. A turn by 10 degrees moves its corners by less than the width of a kernel, but
    the interpolation would blur much of its detail. Where a window moves, its content is moved inside of it, by what suits its
    size: a unit that sees only the window would else lose all that it sees.
    """
    shape = space.shape if space.window is None else space.windowed().shape
    sides = [shape[axis - 1] for axis in spatial]
    moves: Transform
    if len(spatial) == 2 and min(sides) > SMALL:
        moves = Affine((spatial[0], spatial[1]), min(sides) / SIXTEENTH)
    else:
        reach = tuple((axis, round(side / SIXTEENTH / 2)) for axis, side in zip(spatial, sides, strict=True))
        moves = Shift(reach, 0.1 if len(spatial) == 1 else 0.0, _GRAIN if spatial else _VECTOR_NOISE)
    return moves if space.window is None else WindowedTransform(moves, space.window)
