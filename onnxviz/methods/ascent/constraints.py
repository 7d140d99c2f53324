"""Constraints on an input: none, a box, a ball, a sphere, a ball for each point of a cloud, or groups of elements that sum to 1.

A constraint has two functions for an ascent. One returns the nearest allowed points, the other the part of directions that can be
followed from given points. Both work on batches, sample by sample.
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
        """Return the part of the directions that does not leave the set at once; points and directions are (batch, *shape)."""
        ...


@dataclass(frozen=True, slots=True)
class Unconstrained:
    """The constraint that allows every point."""

    def project(self, points: Tensor) -> Tensor:
        """Return the points."""
        return points

    def tangent(self, points: Tensor, directions: Tensor) -> Tensor:
        """Return the directions."""
        return directions


@dataclass(frozen=True, slots=True)
class Box:
    """The constraint that gives each element a lower and an upper bound.

    Attributes
    ----------
    low, high : Tensor
        The bounds, broadcastable to the shape of a sample; infinite where there is no bound.
    """

    low: Tensor
    high: Tensor

    def project(self, points: Tensor) -> Tensor:
        """Return the points with each element clipped; an element at its bound is exactly the bound."""
        return torch.maximum(torch.minimum(points, self.high), self.low)

    def tangent(self, points: Tensor, directions: Tensor) -> Tensor:
        """Return the directions, with 0 for elements that are at a bound and point outward."""
        outward = ((points >= self.high) & (directions > 0)) | ((points <= self.low) & (directions < 0))
        return directions.masked_fill(outward, 0)


@dataclass(frozen=True, slots=True)
class Ball:
    """The constraint that the Euclidean norm of a sample is at most the radius, or exactly the radius (Erhan et al. 2009).

    Attributes
    ----------
    radius : float
        The radius, above zero.
    surface : bool
        Whether only the sphere itself is allowed.
    first : int
        The first of the axes over which a norm is taken. With 1 a sample has one norm, with 2 each of its steps has a norm.
    """

    radius: float
    surface: bool = False
    first: int = 1

    def project(self, points: Tensor) -> Tensor:
        """Return the points, with those outside scaled to the radius; for a surface all points are scaled to the radius."""
        norms = _norms(points, self.first)
        if self.surface:
            # The center has no nearest point on the sphere. It stays, and the first step moves it to one side.
            return points * (self.radius / torch.where(norms > 0, norms, 1))
        return torch.where(norms > self.radius, points * (self.radius / norms), points)

    def tangent(self, points: Tensor, directions: Tensor) -> Tensor:
        """Return the directions without their radial part, where it leads off the sphere or out of the ball.

        With the radial part, an optimizer that rescales each element would stop where its own step, and not the gradient, is
        radial.
        """
        norms = _norms(points, self.first).clamp_min(torch.finfo(points.dtype).tiny)
        normals = points / norms
        products = (normals * directions).flatten(self.first)
        radial = products.sum(-1, dtype=torch.float64).to(points.dtype).reshape(norms.shape)
        if self.surface:
            return directions - radial * normals
        # A projected point lies on the sphere only within rounding, inside or outside.
        leaves = (norms >= self.radius * (1 - 1e-5)) & (radial > 0)
        return torch.where(leaves, directions - radial * normals, directions)


@dataclass(frozen=True, slots=True)
class Cloud:
    """The constraint that every point of a cloud lies in a ball, and that its further numbers have bounds.

    Attributes
    ----------
    radius : float
        The radius, above zero.
    axis : int
        The axis of the coordinates, where the batch is axis 0. Its first three elements are the place of a point.
    box : Box
        The bounds of the numbers after the third.
    """

    radius: float
    axis: int
    box: Box

    def project(self, points: Tensor) -> Tensor:
        """Return the points, with those outside of the ball moved to its surface."""
        count = min(3, points.shape[self.axis])
        places = points.narrow(self.axis, 0, count)
        norms = torch.linalg.vector_norm(places, dim=self.axis, keepdim=True, dtype=torch.float64).to(points.dtype)
        inside = torch.where(norms > self.radius, places * (self.radius / norms), places)
        rest = points.narrow(self.axis, count, points.shape[self.axis] - count)
        return torch.cat([inside, self.box.project(rest)], self.axis)

    def tangent(self, points: Tensor, directions: Tensor) -> Tensor:
        """Return the directions without the part that leads a point off the surface of its ball, or a number out of its box."""
        count = min(3, points.shape[self.axis])
        places, moves = (one.narrow(self.axis, 0, count) for one in (points, directions))
        norms = torch.linalg.vector_norm(places, dim=self.axis, keepdim=True, dtype=torch.float64).to(points.dtype)
        normals = places / norms.clamp_min(torch.finfo(points.dtype).tiny)
        radial = (normals * moves).sum(self.axis, keepdim=True)
        leaves = (norms >= self.radius * (1 - 1e-5)) & (radial > 0)
        rest, turns = (one.narrow(self.axis, count, one.shape[self.axis] - count) for one in (points, directions))
        return torch.cat(
            [torch.where(leaves, moves - radial * normals, moves), self.box.tangent(rest, turns)], self.axis
        )


@dataclass(frozen=True, slots=True)
class Shares:
    """The constraint that in each group of elements none is below 0 and their sum is 1; all other elements have bounds.

    This relaxes one-hot codes: the corners of a group's simplex are the codes.

    Attributes
    ----------
    box : Box
        The bounds of all elements. Those of elements in groups are 0 and 1.
    groups : tuple of Tensor
        (group, member) places in a flattened sample, a tensor for each size of groups.

    Notes
    -----
    The variables of a group's members run from `box.low` (a share of 0) to `box.high` (a share of 1), which are equal in a group.
    """

    box: Box
    groups: tuple[Tensor, ...]

    @classmethod
    def of(cls, box: Box, groups: Sequence[Sequence[int]]) -> Shares:
        """Return the constraint for groups, each given by the places of its members in a flattened sample."""
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
        """Return the points with each group at the nearest point of its simplex (Held et al. 1974) and other elements clipped."""
        allowed = self.box.project(points).flatten(1)
        for places in self.groups:
            low, high = (end.expand(points.shape[1:]).flatten()[places] for end in (self.low, self.high))
            allowed[:, places] = low + (high - low) * _simplex((points.flatten(1)[:, places] - low) / (high - low))
        return allowed.reshape(points.shape)

    def tangent(self, points: Tensor, directions: Tensor) -> Tensor:
        """Return the directions without the part that would change a group's sum or move an element below 0."""
        followed = self.box.tangent(points, directions).flatten(1)
        for places in self.groups:
            low = self.low.expand(points.shape[1:]).flatten()[places]
            at_zero = points.flatten(1)[:, places] <= low
            rise = directions.flatten(1)[:, places]
            free = torch.ones_like(at_zero)
            # Each pass may hold more elements at 0 and so raise the mean of the others. At least one element always stays free.
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
    """Return the nearest points, along the last axis, whose elements are not below 0 and sum to 1."""
    ordered, _ = torch.sort(shares, dim=-1, descending=True)
    excess = ordered.cumsum(-1) - 1
    counts = torch.arange(1, shares.shape[-1] + 1, device=shares.device, dtype=shares.dtype)
    last = (ordered * counts > excess).sum(-1, keepdim=True).clamp_min(1)
    return (shares - excess.gather(-1, last - 1) / last).clamp_min(0)


def _norms(points: Tensor, first: int) -> Tensor:
    """Return the Euclidean norms over the axes from `first` on, which keep the length 1; sums are in float64."""
    axes = tuple(range(first, points.ndim))
    norms: Tensor = torch.linalg.vector_norm(points, dim=axes, keepdim=True, dtype=torch.float64)
    return norms.to(points.dtype)
