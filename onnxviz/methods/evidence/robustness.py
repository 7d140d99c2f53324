"""How much of a found input's score is left when it is moved a little, by ONNX Runtime."""

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
from onnxviz.methods.ascent.transforms import SIXTEENTH, SMALL, Affine, Shift
from onnxviz.methods.objectives.objectives import Objective

MOVES = 16
"""Draws for each found input: as many looks as an ascent takes in sixteen steps, without their gradients."""

_VECTOR_NOISE = 0.1
"""Of a vector, which has no neighbors to be moved to, in spans: a fortieth of a box's width, a tenth of a deviation."""


_GRAIN = 0.06
"""Of small pictures and signals, in spans: as the grain of a photograph taken in poor light."""


@dataclass(frozen=True, slots=True)
class Robustness:
    """The scores of moved copies of a found input.

    Attributes
    ----------
    moves : int
        How many.
    mean, std, min : float
        Of their scores.
    share : float or None
        The mean as a share of the score of the input itself; None where that is not above 0.
    kept : float or None
        The mean's share of the rise from the start; None where there was no rise. A score may begin far below 0, and then it is
        this that tells.
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
    """Move an input at random, as an ascent does, and score the copies.

    Parameters
    ----------
    score : callable
        Measures inputs by ONNX Runtime.
    objective : Objective
        What was maximized.
    space : Space
        Where; bounds hold for the copies as well.
    array : (*shape) ndarray
        The found input.
    seed : int
        The user's.
    clean, start : float
        The scores of the input itself, and of where its search began.
    settle : callable, optional
        Brings (sample, *shape) copies to inputs that can be, where some elements are whole numbers or codes.

    Returns
    -------
    Robustness or None
        None where a score is not finite.
    """
    run = Run(str(objective), 0, seed)
    held = space.start([run], torch.device("cpu"))
    copies = torch.as_tensor(array, dtype=torch.float32)[None].repeat(MOVES, *[1] * array.ndim)
    generators = [run.generator(f"move {number}") for number in range(MOVES)]
    moved = _move(space.shape, held.spatial)(copies, held.middle, held.span, generators).numpy()
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


def _move(shape: tuple[int, ...], spatial: tuple[int, ...]) -> Affine | Shift:
    """Return how copies are moved: pictures as lucid moves them, all at once; what has no neighbors by noise alone.

    A picture of up to 32 pixels is only shifted: a turn by 10 degrees moves its corners by less than a kernel is wide, and
    what interpolation blurs is then a large part of what there is to see.
    """
    sides = [shape[axis - 1] for axis in spatial]
    if len(spatial) == 2 and min(sides) > SMALL:
        return Affine((spatial[0], spatial[1]), min(sides) / SIXTEENTH)
    reach = tuple((axis, round(side / SIXTEENTH / 2)) for axis, side in zip(spatial, sides, strict=True))
    return Shift(reach, 0.1 if len(spatial) == 1 else 0.0, _GRAIN if spatial else _VECTOR_NOISE)
