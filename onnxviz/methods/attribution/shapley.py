"""Shapley sampling: the mean contribution of each part over random orders of joining. It needs no gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from onnxviz.methods.attribution.places import Places
from onnxviz.methods.attribution.presence import of_presence
from onnxviz.methods.attribution.result import Attribution, Completeness
from onnxviz.methods.attribution.scores import Score


def shapley_sampling(
    score: Score,
    inputs: Sequence[Tensor],
    baselines: Sequence[Tensor],
    places: Sequence[Places],
    difference: float,
    samples: int = 25,
    at_once: int = 1,
    seed: int = 0,
) -> Attribution:
    """Return estimates of Shapley values from random orders (Castro et al. 2009; Štrumbelj & Kononenko 2010).

    Parameters
    ----------
    score : callable
        The score, a function that need not be differentiable.
    inputs, baselines : sequence of (1, *shape) Tensor
        The explained inputs, and the values of absent places.
    places : sequence of Places
        The places of each input. Their groups are the players, and the value of a group is divided evenly among its places.
    difference : float
        The score of the input minus that of the baseline. The values add up to it for any number of samples.
    samples : int
        The number of random orders.
    at_once : int
        How many partial inputs are scored at once.
    seed : int
        The seed of the orders.
    """
    from captum.attr import ShapleyValueSampling

    masks, shares, players = [], [], 0
    for place, one in zip(places, inputs, strict=True):
        groups = torch.as_tensor(place.groups()).reshape(place.lift(place.groups()).shape)
        sizes = torch.bincount(groups.reshape(-1))
        shares.append(1.0 / sizes[groups])
        masks.append((groups[None] + players).to(one.device))
        players += len(sizes)
    method = ShapleyValueSampling(of_presence(score, inputs, baselines))
    method.permutation_generator = _Orders(seed)
    with torch.no_grad():
        values = method.attribute(
            tuple(torch.ones_like(one) for one in inputs),
            baselines=tuple(torch.zeros_like(one) for one in inputs),
            feature_mask=tuple(masks),
            n_samples=samples,
            perturbations_per_eval=max(1, at_once),
        )
    kept = []
    for value, place, share in zip(values, places, shares, strict=True):
        one = value[0].double().cpu()
        for axis in place.shared:
            one = one.narrow(axis, 0, 1)
        kept.append((one * share).numpy())
    total = float(sum(one.sum() for one in kept))
    each = "" if players == sum(place.count for place in places) else f" of {players} groups, shared out"
    return Attribution(
        "shapley", tuple(kept), True, f"score{each}", samples * players + 1, Completeness(total, difference, samples)
    )


class _Orders:
    """Yields random orders from a generator with a seed of its own."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, players: int, samples: int) -> Iterator[list[int]]:
        for _ in range(samples):
            yield torch.randperm(players, generator=self.generator).tolist()
