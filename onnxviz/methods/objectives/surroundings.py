"""What the terms of an objective need besides the tensors they read: files, a real input's activations, the input's units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onnxviz.methods.objectives.fixed_array import FixedArray


@dataclass(frozen=True)
class Standard:
    """The units in which the elements of the moving input compare; those of its parameterization.

    Attributes
    ----------
    middle, span : FixedArray
        Broadcastable to a sample: the middle of the range and its length, or mean and deviation. An element whose span
        is 0 never moves and counts as 0.
    spatial : tuple of int
        The axes, batch counted, along which neighbors belong together.
    """

    middle: FixedArray
    span: FixedArray
    spatial: tuple[int, ...] = ()

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return (batch, *shape), 0 in the middle; a range has length 1 where the parameterization's span is its length."""
        middle, span = self.middle.beside(inputs), self.span.beside(inputs)
        moves = span != 0
        return torch.where(moves, (inputs - middle) / torch.where(moves, span, 1), 0)


@dataclass(frozen=True)
class Surroundings:
    """Everything outside the graph that a term may ask for.

    Attributes
    ----------
    shapes : mapping of str to tuple of int
        The sizes after the batch of every tensor that is aimed at.
    channels : mapping of str to (int or None)
        Which axis after the batch holds the channels; None where the graph does not tell.
    files : mapping of str to ndarray
        What the files named in the notation hold.
    references : mapping of str to ndarray
        (*shape) activations of a real input, by tensor, computed by ONNX Runtime.
    moving : str
        The tensor that moves.
    standard : Standard or None
        Its units.
    """

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    channels: Mapping[str, int | None] = field(default_factory=dict)
    files: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    references: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    moving: str = ""
    standard: Standard | None = None

    def channel(self, tensor: str) -> int:
        """Return the axis after the batch that holds a tensor's channels; the first where the graph does not tell."""
        return self.channels.get(tensor) or 0
