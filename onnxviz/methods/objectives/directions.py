"""Terms that steer a tensor: along a direction, along what a real input does to it, or to that very activation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onnxviz.errors import DataError, UsageError
from onnxviz.methods.objectives.fixed_array import FixedArray
from onnxviz.methods.objectives.notation import file_text
from onnxviz.methods.objectives.surroundings import Surroundings
from onnxviz.methods.objectives.terms import Term

FLOOR = 0.1
"""No cosine counts for less, so that a start at a right angle or beyond still has somewhere to go (lucid)."""
SMALL = 1e-4
"""Keeps the cosine of a vector of zeros finite (lucid)."""


@dataclass(frozen=True)
class Direction(Term):
    """Mean over positions of dot(a, v) * max(0.1, cos(a, v)) ** power, the direction objective of lucid.

    Olah et al., "Feature Visualization" (2017); Carter et al., "Activation Atlas" (2019) for the power of the cosine.

    Attributes
    ----------
    file : str
        Where v stands, as it was written.
    power : float
        0 is the plain dot product, 2 is usual, 4 suits whitened vectors.
    vector : FixedArray or None
        v, broadcastable to what the target picks; None until it is settled.
    channel : int
        The axis after the batch along which dot and cosine are taken.
    """

    file: str
    power: float = 0.0
    vector: FixedArray | None = None
    channel: int = 0

    function = "direction"
    signature = "direction(TENSOR, FILE.npy, power=0)"
    arguments = ("target", "file")
    options = ("power",)

    def settled(self, surroundings: Surroundings) -> Direction:
        """Take the vector, and find its axis.

        Raises
        ------
        DataError
            If it has neither one number per channel nor the tensor's shape, or is all 0.
        """
        vector = np.asarray(surroundings.files[self.file])
        whole = surroundings.shapes[self.target.tensor]
        if vector.shape == (1, *whole):
            vector = vector[0]  # as tools save one sample, with its batch
        left = _shape_left(self, whole)
        known = surroundings.channels.get(self.target.tensor)
        channel = 0 if known is None else known
        flat = vector.size == max(vector.shape, default=1)
        if known is None and flat and vector.size != left[0] and vector.size == left[-1]:
            channel = len(left) - 1
        if vector.shape == whole:
            fitted: NDArray[np.generic] = self.target.pick(vector[None])[0]
        elif vector.shape == left:
            fitted = vector
        elif flat and vector.size == left[channel]:
            fitted = vector.reshape([-1 if axis == channel else 1 for axis in range(len(left))])
        else:
            raise DataError(
                f"{self}: {self.file} has the shape {_sizes(vector.shape)}; {self.target} wants one number per channel, "
                f"{left[channel]} of them, or a whole tensor of {_sizes(whole)}"
            )
        if not np.any(fitted):
            raise DataError(f"{self}: {self.file} holds nothing but zeros, which is no direction")
        return replace(self, vector=FixedArray(fitted), channel=channel)

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return (batch,) means over the positions."""
        if self.vector is None:
            raise self.unsettled()
        return _dot_cosine(self.picked(tensors), self.vector, self.channel, self.power)

    def _listed(self) -> list[str]:
        return [str(self.target), file_text(self.file)]


@dataclass(frozen=True)
class Likeness(Term):
    """A caricature: the direction, position by position, in which a real input drives the tensor.

    Olah et al., "The Building Blocks of Interpretability" (2018): what the layer has seen in the input is exaggerated.

    Attributes
    ----------
    power : float
        As in `Direction`.
    example : FixedArray or None
        What the target picks of the real input's activation; None until it is settled.
    channel : int
        As in `Direction`.
    """

    power: float = 2.0
    example: FixedArray | None = None
    channel: int = 0

    function = "like"
    signature = "like(TENSOR, power=2)"
    options = ("power",)
    needs_example = True

    def settled(self, surroundings: Surroundings) -> Likeness:
        """Take the real input's activation."""
        return replace(self, example=_example(self, surroundings), channel=surroundings.channel(self.target.tensor))

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return (batch,) means over the positions."""
        if self.example is None:
            raise self.unsettled()
        return _dot_cosine(self.picked(tensors), self.example, self.channel, self.power)


@dataclass(frozen=True)
class Inversion(Term):
    """Minus the squared distance to a real input's activation, relative to that activation's squared norm.

    Mahendran & Vedaldi, "Understanding Deep Image Representations by Inverting Them" (2015): 0 where the tensor cannot
    tell the found input from the real one.

    Attributes
    ----------
    example : FixedArray or None
        As in `Likeness`.
    """

    example: FixedArray | None = None

    function = "inversion"
    signature = "inversion(TENSOR)"
    stands_still = True
    needs_example = True

    def settled(self, surroundings: Surroundings) -> Inversion:
        """Take the real input's activation."""
        return replace(self, example=_example(self, surroundings))

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return (batch,) numbers, never above 0."""
        if self.example is None:
            raise self.unsettled()
        picked = self.picked(tensors)
        example = self.example.beside(picked)
        return -(picked - example).flatten(1).square().sum(1) / example.square().sum()


def _example(term: Term, surroundings: Surroundings) -> FixedArray:
    """Pick a term's part of the real input's activation."""
    activation = surroundings.references.get(term.target.tensor)
    if activation is None:
        raise UsageError(f"{term}: compares with a real input; give one with `like`")
    picked = np.asarray(term.target.pick(np.asarray(activation)[None])[0])
    if not np.isfinite(picked).all():
        raise DataError(f"{term}: the real input drives {term.target} to values that are not finite")
    if not picked.any():
        raise DataError(f"{term}: the real input leaves {term.target} at 0 everywhere, so there is nothing to follow")
    return FixedArray(picked.reshape(picked.shape or (1,)))


def _dot_cosine(values: Tensor, vector: FixedArray, channel: int, power: float) -> Tensor:
    """Return the mean over positions of dot(a, v) * max(0.1, cos(a, v)) ** power: (batch,)."""
    wanted = vector.beside(values)
    axis = min(1 + channel, values.ndim - 1)
    dot = (values * wanted).sum(axis)
    if power:
        norms = (torch.linalg.vector_norm(values, dim=axis) + SMALL) * (
            torch.linalg.vector_norm(wanted, dim=axis - 1) + SMALL
        )
        dot = dot * (dot / norms).clamp_min(FLOOR) ** power
    return dot.reshape(len(values), -1).mean(1)


def _shape_left(term: Term, shape: Sequence[int]) -> tuple[int, ...]:
    """Return what the index leaves of a tensor's sizes after the batch, axes kept."""
    left = term.target.pick(np.broadcast_to(np.zeros(()), (1, *shape))).shape[1:]
    return tuple(left) or (1,)


def _sizes(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "one number"
