"""Terms that compare the restarts of one target, which then form a set that is shown together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from onnxviz.methods.objectives.surroundings import Standard, Surroundings
from onnxviz.methods.objectives.terms import Term
from onnxviz.target import Target

REACH = 4
"""The largest distance between two members of a series that are aligned (lucid)."""


@dataclass(frozen=True)
class Diversity(Term):
    """How alike the restarts are, to be subtracted: the sum over i != j of <G_i, G_j> / batch.

    G is the Gram matrix of the channels over all positions, with norm 1. See Olah et al., "Feature Visualization" (2017), section
    Diversity; lucid subtracts it with the weight 100. All members have the same number, that of the set.

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
        """Return the term with the axis of the channels."""
        return replace(self, channel=surroundings.channel(self.target.tensor))

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return (batch,) numbers, all the same, from 0 to batch - 1."""
        picked = self.picked(tensors)
        features = picked.movedim(min(1 + self.channel, picked.ndim - 1), 1)
        features = features.reshape(*features.shape[:2], -1)
        batch, channels, positions = features.shape
        if positions < channels:
            # <F F', G G'> = |F' G|^2, so that with few positions the large matrix of the channels is not needed.
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
    """Minus the distances of neighboring restarts: -sum over d = 1..4 and i of mean((a_i - a_(i+d))^2) / 2^d.

    The term keeps the members of a series comparable (lucid). The input that moves is measured in its standardized units. All members
    have the same number, that of the set.

    Attributes
    ----------
    standard : Standard or None
        The units of the input that moves; None for any other tensor.
    """

    standard: Standard | None = None

    function = "alignment"
    signature = "alignment(TENSOR)"
    members = 4
    compares = True

    def settled(self, surroundings: Surroundings) -> Alignment:
        """Return the term with the units of the input, if the input itself is aligned."""
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
    """A passage from one target to another: along the restarts the two weights run from 1 and 0 to 0 and 1.

    See Olah et al., "Feature Visualization" (2017), section Interaction between neurons. All restarts begin at the same place, so
    that they differ only in the weights.

    Attributes
    ----------
    other : Target
        The target at the end of the passage.
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
