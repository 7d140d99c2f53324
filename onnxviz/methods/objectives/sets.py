"""Terms over the restarts of one target, which are then a set that is shown together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from onnxviz.methods.objectives.surroundings import Standard, Surroundings
from onnxviz.methods.objectives.terms import Term
from onnxviz.target import Target

REACH = 4
"""Neighbors up to this far apart are aligned (lucid)."""


@dataclass(frozen=True)
class Diversity(Term):
    """How alike the restarts are: the sum over i != j of <G_i, G_j> / batch, to be subtracted.

    G is the Gram matrix of the channels over all positions, of norm 1. Olah et al., "Feature Visualization" (2017),
    section Diversity; lucid subtracts 100 of it. Every member gets the set's number.

    Attributes
    ----------
    channel : int
        The axis after the batch that holds the channels.
    """

    channel: int = 0

    function = "diversity"
    signature = "diversity(TENSOR)"
    members = 4
    compares = True

    def settled(self, surroundings: Surroundings) -> Diversity:
        """Find the channels."""
        return replace(self, channel=surroundings.channel(self.target.tensor))

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return (batch,) numbers, all the same, from 0 to batch - 1."""
        picked = self.picked(tensors)
        features = picked.movedim(min(1 + self.channel, picked.ndim - 1), 1)
        features = features.reshape(*features.shape[:2], -1)
        batch, channels, positions = features.shape
        if positions < channels:
            # <F F', G G'> = |F' G|^2: with few positions the channels' own matrix need not be held.
            inner = torch.einsum("icp,jcq->ijpq", features, features).square().sum((2, 3))
        else:
            grams = (features @ features.transpose(1, 2)).flatten(1)
            inner = grams @ grams.T
        norms = inner.diagonal().clamp_min(1e-10).sqrt()
        likeness = inner / (norms[:, None] * norms)
        apart = ~torch.eye(batch, dtype=torch.bool, device=picked.device)
        return torch.where(apart, likeness, 0).sum().div(batch).expand(batch)


@dataclass(frozen=True)
class Alignment(Term):
    """Minus how far neighboring restarts lie apart: -sum over d = 1..4 and i of mean((a_i - a_(i+d))^2) / 2^d.

    It keeps the members of a series comparable (lucid). The input that moves counts in its standardized units. Every
    member gets the set's number.

    Attributes
    ----------
    standard : Standard or None
        Of the input that moves; None for any other tensor.
    """

    standard: Standard | None = None

    function = "alignment"
    signature = "alignment(TENSOR)"
    members = 4
    compares = True

    def settled(self, surroundings: Surroundings) -> Alignment:
        """Take the units, if it is the input that is aligned."""
        moves = self.target.tensor == surroundings.moving
        return replace(self, standard=surroundings.standard if moves else None)

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return (batch,) numbers, all the same, never above 0."""
        values = tensors[self.target.tensor]
        standardized = values if self.standard is None else self.standard(values)
        picked = self.picked({self.target.tensor: standardized}).flatten(1)
        total = picked.new_zeros(())
        for distance in range(1, min(REACH, len(picked) - 1) + 1):
            gaps = (picked[distance:] - picked[:-distance]).square().mean(1)
            total = total - gaps.sum() / 2**distance
        return total.expand(len(picked))


@dataclass(frozen=True)
class Interpolation(Term):
    """A passage from one target to another: the weights run from 1 and 0 to 0 and 1 along the restarts.

    Olah et al., "Feature Visualization" (2017), section Interaction between neurons. The restarts begin at the same
    place, so that what tells one from the next is the weights.

    Attributes
    ----------
    other : Target
        Where the passage ends.
    """

    other: Target

    function = "interpolate"
    signature = "interpolate(TARGET, TARGET)"
    arguments = ("target", "target")
    members = 6
    is_value = True
    asks = False

    @property
    def targets(self) -> tuple[Target, ...]:
        """Both ends."""
        return (self.target, self.other)

    def aimed(self, targets: Sequence[Target]) -> Interpolation:
        """Return the passage between two other targets."""
        return replace(self, target=targets[0], other=targets[1])

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return (batch,) weighted means."""
        first: Tensor = self.target.select(tensors[self.target.tensor])
        second: Tensor = self.other.select(tensors[self.other.tensor])
        shares = torch.linspace(1, 0, len(first), dtype=first.dtype, device=first.device)
        return shares * first + (1 - shares) * second
