"""Where an input may lie: anywhere, in a box, in a ball, or on a sphere.

A constraint answers two questions of an ascent: which allowed point is nearest, and which part of a direction can be
followed from here. Both work on whole batches, sample by sample.
"""

from __future__ import annotations

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
    """

    radius: float
    surface: bool = False

    def project(self, points: Tensor) -> Tensor:
        """Shrink what lies outside to the radius; on a surface, bring every point to it."""
        norms = _norms(points)
        if self.surface:
            # The center has no nearest point on the sphere: it stays, and the first step chooses a side.
            return points * (self.radius / torch.where(norms > 0, norms, 1))
        return torch.where(norms > self.radius, points * (self.radius / norms), points)

    def tangent(self, points: Tensor, directions: Tensor) -> Tensor:
        """Take away the radial part, where it leads off the sphere or out of the ball.

        Without this an optimizer that rescales each element would come to rest where its own step, and not the
        gradient, is radial.
        """
        norms = _norms(points).clamp_min(torch.finfo(points.dtype).tiny)
        normals = points / norms
        radial = (normals * directions).flatten(1).sum(1, dtype=torch.float64).to(points.dtype).reshape(norms.shape)
        if self.surface:
            return directions - radial * normals
        # A point projected onto the sphere is within rounding of it, on either side.
        leaves = (norms >= self.radius * (1 - 1e-5)) & (radial > 0)
        return torch.where(leaves, directions - radial * normals, directions)


def _norms(points: Tensor) -> Tensor:
    """Return the Euclidean norm of each sample, (batch, 1, ..., 1); summed in float64, as large samples need."""
    norms: Tensor = torch.linalg.vector_norm(points.flatten(1), dim=1, dtype=torch.float64)
    return norms.to(points.dtype).reshape([-1] + [1] * (points.ndim - 1))
