"""Terms that the input pays for roughness and contrast, to be subtracted: sums over the standardized input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from onnxviz.errors import UsageError
from onnxviz.methods.objectives.surroundings import Standard, Surroundings
from onnxviz.methods.objectives.terms import Term


@dataclass(frozen=True)
class Regularizer(Term):
    """A sum over the input that moves, 0 in the middle of its range.

    A picture's range has length 1, so that weights compare with those published for pictures in 0 to 1; lucid takes
    .25 of the variation, .05 of l1 and 1 of blur at 64 pixels.

    Attributes
    ----------
    standard : Standard or None
        The input's units; None until it is settled.
    """

    standard: Standard | None = None

    compares_neighbors: ClassVar[bool] = False

    def settled(self, surroundings: Surroundings) -> Regularizer:
        """Take the input's units.

        Raises
        ------
        UsageError
            If the tensor is not the one that moves, or has no neighbors to compare.
        """
        if self.target.tensor != surroundings.moving or surroundings.standard is None:
            raise UsageError(
                f"{self}: speaks of the input that moves; write {self.function}(input) or "
                f"{self.function}({surroundings.moving})"
            )
        if self.compares_neighbors and not surroundings.standard.spatial:
            raise UsageError(
                f"{self}: {surroundings.moving} has no axis along which neighbors belong together; try l1 or l2"
            )
        return replace(self, standard=surroundings.standard)

    def standardized(self, tensors: Mapping[str, Tensor]) -> tuple[Tensor, tuple[int, ...]]:
        """Return what the index picks of the standardized input, and the axes along which neighbors belong together."""
        if self.standard is None:
            raise self.unsettled()
        name = self.target.tensor
        return self.picked({name: self.standard(tensors[name])}), self.standard.spatial


@dataclass(frozen=True)
class TotalVariation(Regularizer):
    """The absolute differences between neighbors (Rudin, Osher & Fatemi 1992; Mahendran & Vedaldi 2015)."""

    function = "total_variation"
    signature = "total_variation(input)"
    compares_neighbors = True

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return (batch,) sums."""
        values, spatial = self.standardized(tensors)
        return torch.stack([values.diff(dim=axis).abs().flatten(1).sum(1) for axis in spatial]).sum(0)


@dataclass(frozen=True)
class L1(Regularizer):
    """The absolute values: distances from the middle of the range."""

    function = "l1"
    signature = "l1(input)"

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return (batch,) sums."""
        return self.standardized(tensors)[0].flatten(1).abs().sum(1)


@dataclass(frozen=True)
class L2(Regularizer):
    """The squares (Simonyan, Vedaldi & Zisserman 2014)."""

    function = "l2"
    signature = "l2(input)"

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return (batch,) sums."""
        return self.standardized(tensors)[0].flatten(1).square().sum(1)


@dataclass(frozen=True)
class Blur(Regularizer):
    """Half the squared distance to a blurred copy that is held constant.

    Its gradient is the input less its blurred copy: each step blurs a little (Nguyen, Yosinski & Clune 2015, in
    lucid's form).
    """

    function = "blur"
    signature = "blur(input)"
    compares_neighbors = True

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return (batch,) sums."""
        values, spatial = self.standardized(tensors)
        return (values - blurred(values.detach(), spatial)).flatten(1).square().sum(1) / 2


def blurred(values: Tensor, spatial: tuple[int, ...]) -> Tensor:
    """Return weighted means over neighborhoods of 3 a side: 1 in the middle, 1/2 around it; nothing beyond the edge counts."""
    ones = torch.ones_like(values)
    return (_box(values, spatial) + values) / (_box(ones, spatial) + ones)


def _box(values: Tensor, spatial: tuple[int, ...]) -> Tensor:
    """Sum over neighborhoods of 3 a side."""
    for axis in spatial:
        size = values.shape[axis]
        edge = torch.zeros_like(values.narrow(axis, 0, 1))
        wide = torch.cat((edge, values, edge), axis)
        values = wide.narrow(axis, 0, size) + wide.narrow(axis, 1, size) + wide.narrow(axis, 2, size)
    return values
