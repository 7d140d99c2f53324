"""Accentuation: a real input that changes by a share of its contrast, and only where the target cares (Hamblin et al. 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onnxviz.methods.ascent.parameterizations import Parameterization

STRENGTHS = (0.1, 0.25, 0.5)
"""Small, middle and large changes, as shares of the real input's own contrast."""

_LEFT_ALONE = 0.5
"""The share of the input, the least important one, that never changes."""

_FULL = 0.95
"""The share of the input below whose importance a change is weaker than elsewhere."""

_BLUR = 1 / 24
"""The standard deviation of the blur of the importance, as a share of a side: gradients differ from pixel to pixel."""


@dataclass(frozen=True, eq=False)
class Kept:
    """What is kept of a real input.

    Attributes
    ----------
    importance : (*shape) ndarray
        How far each element may change, from 0 to 1.
    strength : float
        The largest norm of the change, as a share of the norm of the input's contrast.
    """

    importance: NDArray[np.float32]
    strength: float


def importance(gradient: NDArray[np.floating], spatial: Sequence[int], alike: int | None = None) -> NDArray[np.float32]:
    """Return how far each element may change: not at all in the half of the input that matters least to the score.

    Parameters
    ----------
    gradient : (*shape) ndarray
        The gradient of the score at the input, in the units of the search.
    spatial : sequence of int
        The axes along which neighbors belong together.
    alike : int, optional
        The axis of channels, which change together.

    Returns
    -------
    (*shape) float32
        From 0 to 1.

    Examples
    --------
    >>> [f"{share:.2f}" for share in importance(np.array([0.0, 0.1, 1.0, -2.0]), ())]
    ['0.00', '0.00', '0.35', '1.00']
    """
    size = np.abs(np.asarray(gradient, np.float64))
    if alike is not None:
        size = np.sqrt((size**2).mean(alike, keepdims=True))
    for axis in spatial:
        size = _blurred(size, axis)
    low, high = np.quantile(size, (_LEFT_ALONE, _FULL))
    high = high if high > low else size.max()
    if not high > low:
        return np.ones(np.shape(gradient), np.float32)
    return np.broadcast_to(np.clip((size - low) / (high - low), 0, 1), np.shape(gradient)).astype(np.float32)


def _blurred(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return means along an axis with the weights of a normal distribution, within the edges."""
    places = np.arange(values.shape[axis])
    weights = np.exp(-0.5 * ((places[:, None] - places) / (_BLUR * len(places))) ** 2)
    weights /= weights.sum(1, keepdims=True)
    blurred: NDArray[np.float64] = np.moveaxis(np.tensordot(weights, values, (1, axis)), 0, axis)
    return blurred


@dataclass(frozen=True, slots=True)
class Accented:
    """A parameterization of changes of a real input: of limited size, and only where they are allowed.

    Attributes
    ----------
    inner : Parameterization
        The parameterization that is moved. Its difference from where it began is the change.
    original, begun : (batch, *shape) Tensor
        The real input, and what `inner` realized at the beginning.
    importance : (*shape) Tensor
        How far each element may change, from 0 to 1.
    most : (batch,) Tensor
        The largest norm of the change, in standardized units.
    strength : float
        The same as a share of the contrast of the real input.
    low, high : (*shape) Tensor
        The bounds; infinite where there are none.
    """

    inner: Parameterization
    original: Tensor
    begun: Tensor
    importance: Tensor
    most: Tensor
    strength: float
    low: Tensor
    high: Tensor

    @classmethod
    def of(
        cls, inner: Parameterization, original: Tensor, kept: Kept, low: Tensor | None, high: Tensor | None
    ) -> Accented:
        """Return the changes of a real input.

        Parameters
        ----------
        inner : Parameterization
            At its beginning, the input or the nearest possible one.
        original : (batch, *shape) Tensor
            The input.
        kept : Kept
            What is kept of it.
        low, high : Tensor, optional
            The bounds, broadcastable to the shape.
        """
        with torch.no_grad():
            begun = inner.realize().detach().clone()
            most = kept.strength * contrast(original, inner)
        shape = original.shape[1:]
        ends = [
            original.new_full((), end) if bound is None else bound.to(original)
            for bound, end in ((low, -torch.inf), (high, torch.inf))
        ]
        allowed = torch.as_tensor(kept.importance).to(original)
        return cls(inner, original, begun, allowed, most, kept.strength, ends[0].expand(shape), ends[1].expand(shape))

    @property
    def variables(self) -> tuple[Tensor, ...]:
        """The variables of the inner parameterization."""
        return self.inner.variables

    @property
    def text(self) -> str:
        """A line that describes the parameterization to a person."""
        return f"{self.inner.text}; changes of at most {self.strength:.0%} of the contrast of the real input"

    @property
    def spatial(self) -> tuple[int, ...]:
        """The axes along which neighbors belong together."""
        return self.inner.spatial

    @property
    def middle(self) -> Tensor:
        """The middle of the inner parameterization."""
        return self.inner.middle

    @property
    def span(self) -> Tensor:
        """The span of the inner parameterization."""
        return self.inner.span

    @property
    def floor(self) -> float:
        """The floor of the inner parameterization."""
        return self.inner.floor

    @property
    def momentum(self) -> float:
        """The momentum of the inner parameterization."""
        return self.inner.momentum

    def realize(self) -> Tensor:
        """Return the real input with its change, (batch, *shape)."""
        change = self.importance * (self.inner.realize() - self.begun)
        norm = _norm(change, self.span)
        scale = torch.where(norm > self.most, self.most / norm.clamp_min(1e-30), 1.0)
        changed = self.original + scale.reshape(-1, *[1] * (change.ndim - 1)) * change
        inside = torch.minimum(torch.maximum(changed, self.low), self.high)
        # What is not changed has the bits of the original.
        return torch.where(self.importance > 0, inside, self.original)

    def standardize(self, inputs: Tensor) -> Tensor:
        """Return inputs in standardized units, in which elements can be compared."""
        return self.inner.standardize(inputs)

    def place(self, inputs: Tensor) -> None:
        """Set the variables, in place, so that the change leads to these inputs, or near them."""
        self.inner.place(self.begun + inputs - self.original)

    def project(self) -> None:
        """Move the variables to the nearest allowed point."""
        self.inner.project()

    def tangent(self, directions: Sequence[Tensor]) -> list[Tensor]:
        """Return the part of the directions that the variables can follow."""
        return self.inner.tangent(directions)


def contrast(inputs: Tensor, parameterization: Parameterization) -> Tensor:
    """Return the norm of inputs without their mean along the axes of neighbors, or from the middle of the range, (batch,)."""
    spatial = parameterization.spatial
    away = inputs - (inputs.mean(spatial, keepdim=True) if spatial else parameterization.middle)
    norm = _norm(away, parameterization.span)
    # An even gray has no contrast: its changes are measured against the range.
    return torch.where(norm > 0, norm, inputs[0].numel() ** 0.5)


def change_of(inputs: Tensor, original: Tensor, parameterization: Parameterization) -> Tensor:
    """Return the norms of changes as shares of the contrast of the original, (batch,)."""
    return _norm(inputs - original, parameterization.span) / contrast(original, parameterization)


def _norm(values: Tensor, span: Tensor) -> Tensor:
    """Return norms in standardized units, (batch,); an element without a span never moves."""
    scaled = values / torch.where(span != 0, span, 1)
    # The root of exactly 0 has no slope.
    return (scaled.flatten(1).square().sum(1) + 1e-30).sqrt()
