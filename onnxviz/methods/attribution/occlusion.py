"""Occlusion: how far the score falls when a window of the input is hidden. It needs no gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from onnxviz.methods.attribution.places import Places
from onnxviz.methods.attribution.presence import of_presence
from onnxviz.methods.attribution.result import Attribution
from onnxviz.methods.attribution.scores import Score


def occlusion(
    score: Score,
    inputs: Sequence[Tensor],
    baselines: Sequence[Tensor],
    places: Sequence[Places],
    at_once: int = 1,
    side: int | None = None,
) -> Attribution:
    """Return how far the score falls when a window that slides over each input is set to the baseline (Zeiler & Fergus 2014).

    Parameters
    ----------
    score : callable
        The score, a function that need not be differentiable.
    inputs, baselines : sequence of (1, *shape) Tensor
        The explained inputs and their baselines.
    places : sequence of Places
        The places of each input.
    at_once : int
        How many windows are scored at once.
    side : int, optional
        The side of the window in places; see `Places.window`.

    Returns
    -------
    Attribution
        For each place the mean over the windows that cover it.
    """
    from captum.attr import Occlusion

    windows = [place.window(side) for place in places]
    with torch.no_grad():
        values = Occlusion(of_presence(score, inputs, baselines)).attribute(
            tuple(torch.ones_like(one) for one in inputs),
            sliding_window_shapes=tuple(sides for sides, _ in windows),
            strides=tuple(steps for _, steps in windows),
            baselines=tuple(torch.zeros_like(one) for one in inputs),
            perturbations_per_eval=max(1, at_once),
        )
    # All elements of a place are hidden together, so that a place has a single number.
    kept = tuple(_first(value[0], place) for value, place in zip(values, places, strict=True))
    words = ", ".join(_words(sides, place) for (sides, _), place in zip(windows, places, strict=True))
    return Attribution(
        "occlusion",
        tuple(value.cpu().numpy() for value in kept),
        True,
        f"fall of the score, hiding {words}",
        sum(_count(place, *window) for place, window in zip(places, windows, strict=True)) + 1,
    )


def _first(value: Tensor, place: Places) -> Tensor:
    for axis in place.shared:
        value = value.narrow(axis, 0, 1)
    return value


def _words(sides: tuple[int, ...], place: Places) -> str:
    own = [side for axis, side in enumerate(sides) if axis not in place.shared]
    return "one at a time" if max(own, default=1) == 1 else "×".join(map(str, own)) + " at a time"


def _count(place: Places, sides: tuple[int, ...], steps: tuple[int, ...]) -> int:
    count = 1
    for size, side, step in zip(place.shape, sides, steps, strict=True):
        count *= -(-(size - side) // step) + 1
    return count
