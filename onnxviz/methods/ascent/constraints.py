"""Where an input may lie: anywhere, in a box, in a ball, on a sphere, or where groups of elements share out one.

A constraint answers two questions of an ascent: which allowed point is nearest, and which part of a direction can be
followed from here. Both work on whole batches, sample by sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Constraint(Protocol):
    """A set of allowed points, in the units of the variables."""

    def project(self, points: Tensor) -> Tensor:
        """Return the nearest allowed points; both (batch, *shape)."""
        ...

    def tangent(self, points: Tensor, directions: Tensor) -> Tensor:
        """Return the part of the directions that does not leave the set at once; all (batch, *shape)."""
        ...


@dataclass(frozen=True, slots=True)
class Unconstrained:
    """Every point is allowed."""

    def project(self, points: Tensor) -> Tensor:
        """Return the points."""
        return points

    def tangent(self, points: Tensor, directions: Tensor) -> Tensor:
        """Return the directions."""
        return directions


@dataclass(frozen=True, slots=True)
class Box:
    """Each element has a lower and an upper bound of its own.

    Attributes
    ----------
    low, high : Tensor
        Broadcastable to the shape of a sample; infinite where there is no bound.
    """

    low: Tensor
    high: Tensor

    def project(self, points: Tensor) -> Tensor:
        """Clip each element; an element at its bound is exactly the bound."""
        return torch.maximum(torch.minimum(points, self.high), self.low)

    def tangent(self, points: Tensor, directions: Tensor) -> Tensor:
        """Zero the elements that stand at a bound and point outward."""
        outward = ((points >= self.high) & (directions > 0)) | ((points <= self.low) & (directions < 0))
        return directions.masked_fill(outward, 0)


@dataclass(frozen=True, slots=True)
class Ball:
    """The Euclidean norm of a sample is at most the radius, or exactly the radius (Erhan et al. 2009).

    Attributes
    ----------
    radius : float
        Above zero.
    surface : bool
        Whether only the sphere itself is allowed.
    first : int
        The axis from which on elements are counted together: 1 gives a sample one norm, 2 each of its steps its own.
    """

    radius: float
    surface: bool = False
    first: int = 1

    def project(self, points: Tensor) -> Tensor:
        """Shrink what lies outside to the radius; on a surface, bring every point to it."""
        norms = _norms(points, self.first)
        if self.surface:
            # The center has no nearest point on the sphere: it stays, and the first step chooses a side.
            return points * (self.radius / torch.where(norms > 0, norms, 1))
        return torch.where(norms > self.radius, points * (self.radius / norms), points)

    def tangent(self, points: Tensor, directions: Tensor) -> Tensor:
        """Take away the radial part, where it leads off the sphere or out of the ball.

        Without this an optimizer that rescales each element would come to rest where its own step, and not the
        gradient, is radial.
        """
        norms = _norms(points, self.first).clamp_min(torch.finfo(points.dtype).tiny)
        normals = points / norms
        products = (normals * directions).flatten(self.first)
        radial = products.sum(-1, dtype=torch.float64).to(points.dtype).reshape(norms.shape)
        if self.surface:
            return directions - radial * normals
        # A point projected onto the sphere is within rounding of it, on either side.
        leaves = (norms >= self.radius * (1 - 1e-5)) & (radial > 0)
        return torch.where(leaves, directions - radial * normals, directions)


@dataclass(frozen=True, slots=True)
class Shares:
    """In groups of elements no one is below 0 and all together make 1; each of the others has bounds of its own.

    A one-hot code, relaxed: the corners of a group's simplex are the codes themselves.

    Attributes
    ----------
    box : Box
        The bounds of the elements that are in no group; of theirs it holds 0 and 1.
    groups : tuple of Tensor
        (group, member): places in a flattened sample; one for each size of group.

    Notes
    -----
    The variables of a group's members run from `box.low` (a share of 0) to `box.high` (1), alike for all of them.
    """

    box: Box
    groups: tuple[Tensor, ...]

    @classmethod
    def of(cls, box: Box, groups: Sequence[Sequence[int]]) -> Shares:
        """Stack groups, each the places of its members in a flattened sample, by their size."""
        sizes = sorted({len(group) for group in groups})
        device = box.low.device
        stacks = [torch.tensor([list(one) for one in groups if len(one) == count], device=device) for count in sizes]
        return cls(box, tuple(stacks))

    @property
    def low(self) -> Tensor:
        """The lower bounds."""
        return self.box.low

    @property
    def high(self) -> Tensor:
        """The upper bounds."""
        return self.box.high

    def project(self, points: Tensor) -> Tensor:
        """Clip what is in no group; bring each group to the nearest point of its simplex (Held et al. 1974)."""
        allowed = self.box.project(points).flatten(1)
        for places in self.groups:
            low, high = (end.expand(points.shape[1:]).flatten()[places] for end in (self.low, self.high))
            allowed[:, places] = low + (high - low) * _simplex((points.flatten(1)[:, places] - low) / (high - low))
        return allowed.reshape(points.shape)

    def tangent(self, points: Tensor, directions: Tensor) -> Tensor:
        """Take from each group what would change its sum, leaving elements at 0 that would fall below it."""
        followed = self.box.tangent(points, directions).flatten(1)
        for places in self.groups:
            low = self.low.expand(points.shape[1:]).flatten()[places]
            at_zero = points.flatten(1)[:, places] <= low
            rise = directions.flatten(1)[:, places]
            free = torch.ones_like(at_zero)
            # Each pass may hold more elements, and so raise the mean of the others; there is never none.
            for _ in range(places.shape[-1]):
                mean = (rise * free).sum(-1, keepdim=True) / free.sum(-1, keepdim=True).clamp_min(1)
                kept = free & ~(at_zero & (rise <= mean))
                if bool((kept == free).all()):
                    break
                free = kept
            mean = (rise * free).sum(-1, keepdim=True) / free.sum(-1, keepdim=True).clamp_min(1)
            followed[:, places] = torch.where(free, rise - mean, 0)
        return followed.reshape(points.shape)


def _simplex(shares: Tensor) -> Tensor:
    """Return the nearest point, along the last axis, with no element below 0 and a sum of 1."""
    ordered, _ = torch.sort(shares, dim=-1, descending=True)
    excess = ordered.cumsum(-1) - 1
    counts = torch.arange(1, shares.shape[-1] + 1, device=shares.device, dtype=shares.dtype)
    last = (ordered * counts > excess).sum(-1, keepdim=True).clamp_min(1)
    return (shares - excess.gather(-1, last - 1) / last).clamp_min(0)


def _norms(points: Tensor, first: int) -> Tensor:
    """Return the Euclidean norms over the axes from `first` on, which become 1; summed in float64, as large samples need."""
    axes = tuple(range(first, points.ndim))
    norms: Tensor = torch.linalg.vector_norm(points, dim=axes, keepdim=True, dtype=torch.float64)
    return norms.to(points.dtype)
