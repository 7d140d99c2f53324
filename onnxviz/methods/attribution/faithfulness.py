"""The test of an attribution: the score as places are deleted from the input, and inserted, in the attribution's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from onnxviz.methods.attribution.places import Places, flat_order
from onnxviz.methods.attribution.scores import Score

STEPS = 32
_DRAWS = 3


@dataclass(frozen=True)
class Faithfulness:
    """Deletion and insertion curves (Petsiuk et al. 2018), and the curves of chance to compare with.

    Attributes
    ----------
    shares : tuple of float
        The share of places deleted, or inserted, at each point of the curves: 0 to 1.
    deletion, insertion : tuple of float
        The scores, in the target's own units, as the most important places are deleted first, or inserted first.
    chance_deletion, chance_insertion : tuple of float
        The same curves for the attribution laid over the input at random: the mean of three draws.
    chance_gains : tuple of float
        For each draw the area under its insertion curve minus that under its deletion curve, in the target's own units.
    start, end : float
        The scores of the baseline and of the input.
    """

    shares: tuple[float, ...]
    deletion: tuple[float, ...]
    insertion: tuple[float, ...]
    chance_deletion: tuple[float, ...]
    chance_insertion: tuple[float, ...]
    chance_gains: tuple[float, ...]

    @property
    def start(self) -> float:
        """The score of the baseline."""
        return self.insertion[0]

    @property
    def end(self) -> float:
        """The score of the input."""
        return self.deletion[0]

    def area(self, curve: Sequence[float]) -> float | None:
        """Return the area under a curve, scaled so that the lower of `start` and `end` is 0 and the higher is 1.

        Return None where these two scores are nearly equal compared with the scores in between, since the scale then has no meaning.
        """
        span = self.end - self.start
        if abs(span) <= 0.01 * max(float(np.ptp(self.deletion)), float(np.ptp(self.insertion)), 1e-30):
            return None
        unit = (np.asarray(curve) - min(self.start, self.end)) / abs(span)
        return _area(unit, np.asarray(self.shares))

    @property
    def summary(self) -> dict[str, float | bool | None]:
        """The four areas, the area of insertion minus that of deletion, and whether it is at least that of every draw of chance."""
        areas = {
            name: self.area(getattr(self, name))
            for name in ("deletion", "insertion", "chance_deletion", "chance_insertion")
        }
        gain = _less(areas["insertion"], areas["deletion"])
        chance = _less(areas["chance_insertion"], areas["chance_deletion"])
        own = _area(np.subtract(self.insertion, self.deletion), np.asarray(self.shares))
        # With few features a draw may have the very same order. Equal to the best draw therefore counts as better than chance.
        least = max(max(self.chance_gains), float(np.nextafter(np.mean(self.chance_gains), np.inf)))
        better = None if gain is None else own >= least
        return {**areas, "gain": gain, "chance_gain": chance, "beats_chance": better}


def faithfulness(
    score: Score,
    inputs: Sequence[Tensor],
    baselines: Sequence[Tensor],
    places: Sequence[Places],
    maps: Sequence[np.ndarray],
    at_once: int = 1,
    seed: int = 0,
) -> Faithfulness:
    """Return the scores as places are deleted and inserted from the most to the least important, in about 32 steps.

    Parameters
    ----------
    score : callable
        The score by ONNX Runtime on the untouched model.
    inputs, baselines : sequence of (1, *shape) Tensor
        The inputs, and the values of deleted places.
    places : sequence of Places
        The places of each input.
    maps : sequence of (*sizes) ndarray
        The importance of each place.
    at_once : int
        How many samples are scored at once.
    seed : int
        The seed of the random draws.

    Notes
    -----
    A random draw is the same map shifted cyclically, or permuted where neighbors do not belong together. A random order of single
    pixels would not be a fair comparison, since single deleted pixels all over a picture change any score more than patches do.
    """
    generator = np.random.default_rng(seed)
    total = sum(place.count for place in places)
    counts = np.unique(np.rint(np.linspace(0, total, min(total, STEPS) + 1)).astype(int))
    curves = [_curves(score, inputs, baselines, places, flat_order(maps), counts, at_once)]
    for _ in range(_DRAWS):
        moved = [_displaced(one, place, generator) for one, place in zip(maps, places, strict=True)]
        curves.append(_curves(score, inputs, baselines, places, flat_order(moved), counts, at_once))
    chance = np.mean([np.stack(pair) for pair in curves[1:]], axis=0)
    deletion, insertion, random_deletion, random_insertion = (
        tuple(float(value) for value in curve) for curve in (*curves[0], *chance)
    )
    gains = tuple(_area(inserted - deleted, counts / total) for deleted, inserted in curves[1:])
    shares = tuple(float(share) for share in counts / total)
    return Faithfulness(shares, deletion, insertion, random_deletion, random_insertion, gains)


def _curves(
    score: Score,
    inputs: Sequence[Tensor],
    baselines: Sequence[Tensor],
    places: Sequence[Places],
    order: np.ndarray,
    counts: np.ndarray,
    at_once: int,
) -> tuple[np.ndarray, np.ndarray]:
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    ranks, first = [], 0
    for place, one in zip(places, inputs, strict=True):
        own = place.lift(rank[first : first + place.count].reshape(place.sizes))
        ranks.append(torch.as_tensor(np.array(own), device=one.device)[None])
        first += place.count
    found = []
    with torch.no_grad():
        for before, after in ((inputs, baselines), (baselines, inputs)):
            scores = [
                score(
                    *(
                        torch.where(one < _column(part, one), new, old)
                        for one, old, new in zip(ranks, before, after, strict=True)
                    )
                )
                for part in np.array_split(counts, -(-len(counts) // max(1, at_once)))
            ]
            found.append(torch.cat(scores).double().cpu().numpy())
    return found[0], found[1]


def _area(curve: np.ndarray, shares: np.ndarray) -> float:
    return float(np.sum((curve[1:] + curve[:-1]) / 2 * np.diff(shares)))


def _column(counts: np.ndarray, like: Tensor) -> Tensor:
    return torch.as_tensor(counts, device=like.device).reshape(-1, *[1] * (like.ndim - 1))


def _displaced(values: np.ndarray, places: Places, generator: np.random.Generator) -> np.ndarray:
    if not places.evenly_spaced or places.count < 2:
        mixed: np.ndarray = generator.permutation(values.reshape(-1)).reshape(values.shape)
        return mixed
    shifts = [int(generator.integers(1, size)) if size > 1 else 0 for size in values.shape]
    return np.roll(values, shifts, axis=tuple(range(values.ndim)))


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
