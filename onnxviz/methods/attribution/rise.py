"""RISE: the mean rise of the score where a place is kept, over many random masks. It needs no gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.methods.attribution.places import Places
from onnxviz.methods.attribution.result import Attribution
from onnxviz.methods.attribution.scores import Score

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}
_CELLS = {1: 16, 2: 7, 3: 4}
KEPT = 0.5


def rise(
    score: Score,
    inputs: Sequence[Tensor],
    baselines: Sequence[Tensor],
    places: Sequence[Places],
    samples: int = 1000,
    at_once: int = 1,
    seed: int = 0,
) -> Attribution:
    """Return the regression of the scores of randomly masked inputs on each place of the mask (Petsiuk et al. 2018).

    Parameters
    ----------
    score : callable
        The score, a function that need not be differentiable.
    inputs, baselines : sequence of (1, *shape) Tensor
        The explained inputs, and the values of hidden places.
    places : sequence of Places
        The places of each input.
    samples : int
        The number of masks.
    at_once : int
        How many masked inputs are scored at once.
    seed : int
        The seed of the masks.

    Returns
    -------
    Attribution
        For each place the covariance of score and mask divided by the variance of the mask, which is the rise of the score when the
        place is kept. The paper's map is the mean of score times mask. Here the map is also shifted and scaled, so that an offset of
        the score does not change it.

    Notes
    -----
    A mask is a grid of 7 × 7 random bits (16 along a single axis), half of which are kept. It is enlarged linearly and shifted at random.
    Features and tokens have a bit each.
    """
    generator = torch.Generator().manual_seed(seed)
    first = [torch.zeros(place.sizes, dtype=torch.float64) for place in places]
    square, product = [torch.zeros_like(one) for one in first], [torch.zeros_like(one) for one in first]
    total, shift = 0.0, None
    with torch.no_grad():
        for start in range(0, samples, max(1, at_once)):
            count = min(at_once, samples - start)
            masks = [_masks(place, count, generator) for place in places]
            scores = score(
                *(
                    _mixed(one, base, _lifted(mask, place).to(one))
                    for one, base, mask, place in zip(inputs, baselines, masks, places, strict=True)
                )
            )
            answers = scores.detach().double().cpu()
            # The first score is subtracted, so that an offset of the score does not cost precision.
            shift = float(answers[0]) if shift is None else shift
            answers = answers - shift
            total += float(answers.sum())
            for place, mask in enumerate(masks):
                wide = mask.double()
                first[place] += wide.sum(0)
                square[place] += wide.square().sum(0)
                product[place] += torch.tensordot(answers, wide, dims=([0], [0]))
    values = []
    for place, (linear, quadratic, mixed) in enumerate(zip(first, square, product, strict=True)):
        mean = linear / samples
        variance = quadratic / samples - mean.square()
        covariance = mixed / samples - mean * (total / samples)
        values.append(places[place].lift(torch.where(variance > 1e-12, covariance / variance, 0.0).numpy()))
    return Attribution("rise", tuple(values), True, "rise of the score when kept", samples)


def _masks(places: Places, count: int, generator: torch.Generator) -> Tensor:
    """Return random masks, (count, *sizes) of 0 to 1."""
    sizes = places.sizes
    if not places.evenly_spaced or len(sizes) not in _MODES:
        return (torch.rand((count, *sizes), generator=generator) < KEPT).float()
    cells = [min(size, _CELLS[places.dimensions]) for size in sizes]
    sides = [-(-size // cell) for size, cell in zip(sizes, cells, strict=True)]
    grid = (torch.rand((count, 1, *(cell + 1 for cell in cells)), generator=generator) < KEPT).float()
    if all(side == 1 for side in sides):
        near: Any = (slice(None), 0, *(slice(size) for size in sizes))
        return grid[near]
    whole = [(cell + 1) * side for cell, side in zip(cells, sides, strict=True)]
    large = F.interpolate(grid, size=whole, mode=_MODES[len(sizes)], align_corners=False)[:, 0]
    shifts = torch.stack([torch.randint(side, (count,), generator=generator) for side in sides], 1).tolist()
    return torch.stack(
        [
            one[tuple(slice(first, first + size) for first, size in zip(shift, sizes, strict=True))]
            for one, shift in zip(large, shifts, strict=True)
        ]
    )


def _mixed(one: Tensor, base: Tensor, mask: Tensor) -> Tensor:
    """Return the input where the mask is 1, the baseline where it is 0, and a mixture between them elsewhere."""
    # A missing value, NaN, must not reach places that are hidden.
    return torch.where(mask == 0, base, base + (one - base) * mask)


def _lifted(mask: Tensor, places: Places) -> Tensor:
    shape = [1 if axis in places.shared else size for axis, size in enumerate(places.shape)]
    return mask.reshape(len(mask), *shape)
