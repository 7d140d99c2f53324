"""Data from outside the graph that terms of an objective need: files, activations of a real input, the units of the input."""

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
    """The standardized units of the moving input, which are those of its parameterization.

    Attributes
    ----------
    middle, span : FixedArray
        The middle and the length of the range, or mean and standard deviation; broadcastable to a sample. An element whose span is
        0 never moves and counts as 0.
    spatial : tuple of int
        The axes along which neighbors belong together, where the batch is axis 0.
    """

    middle: FixedArray
    span: FixedArray
    spatial: tuple[int, ...] = ()

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return (batch, *shape) inputs minus the middle, divided by the span."""
        middle, span = self.middle.beside(inputs), self.span.beside(inputs)
        moves = span != 0
        return torch.where(moves, (inputs - middle) / torch.where(moves, span, 1), 0)


@dataclass(frozen=True)
class Surroundings:
    """All data from outside the graph that a term may need.

    Attributes
    ----------
    shapes : mapping of str to tuple of int
        The sizes after the batch of every tensor that a target names.
    channels : mapping of str to (int or None)
        The axis after the batch that holds a tensor's channels; None where the graph does not tell.
    files : mapping of str to ndarray
        The arrays of the files that the notation names.
    references : mapping of str to ndarray
        (*shape) activations of a real input by ONNX Runtime, for each tensor.
    moving : str
        The tensor that moves.
    standard : Standard or None
        The units of the tensor that moves.
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
