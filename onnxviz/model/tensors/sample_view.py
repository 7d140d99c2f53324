"""Where the samples lie in a tensor: along its first axis, along another axis, or nowhere, since the tensor is one sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from onnxviz.model.graph.graph import Graph
from onnxviz.model.tensors.axes.evidence import BATCH, TIME
from onnxviz.model.tensors.axes.graph_axes import graph_axes
from onnxviz.target import EACH, Target


@dataclass(frozen=True)
class SampleView:
    """A tensor with its samples along the first axis.

    The axes after the samples keep the file's order, except that a first axis of steps goes to the end. So ``y[0, 1]``
    picks the axes after the first one, and a score is the mean over the steps.

    Attributes
    ----------
    batch : int or None
        The axis of the batch; None if no axis counts samples.
    single : bool
        Whether the whole tensor is one sample, whatever the length of its batch axis.
    stepped : bool
        Whether the first axis goes to the end.
    """

    batch: int | None = 0
    single: bool = False
    stepped: bool = False

    @property
    def plain(self) -> bool:
        """Whether the tensor has its samples first in the file already."""
        return self.batch == 0 or not (self.single or self.stepped)

    def order(self, rank: int) -> tuple[int, ...]:
        """Return the tensor's axes in the order of the axes after the samples.

        Parameters
        ----------
        rank : int
            The tensor's number of axes in the file.

        Examples
        --------
        >>> SampleView().order(3), SampleView(1, False, True).order(3), SampleView(None, True).order(2)
        ((1, 2), (1, 2, 0), (0, 1))
        """
        if self.plain:
            return tuple(range(1, rank))
        return (*range(1, rank), 0) if self.stepped else tuple(range(rank))

    def sizes(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the sizes after the samples, for a tensor's sizes in the file.

        Parameters
        ----------
        shape : tuple
            The sizes, which may be open.
        """
        split = None if self.single or self.plain else self.batch
        return tuple(1 if axis == split else shape[axis] for axis in self.order(len(shape)))

    def __call__(self, array: Any) -> Any:
        """Return a tensor's values with the samples first.

        Parameters
        ----------
        array : ndarray or Tensor
            The values in the file's order.

        Returns
        -------
        (sample, *axes) ndarray or Tensor
        """
        rank = getattr(array, "ndim", 0)
        if self.plain or rank == 0 or (self.batch or 0) >= rank:
            return array
        move = array.permute if hasattr(array, "permute") else array.transpose
        if self.single or self.batch is None:
            return move(*self.order(rank))[None]
        samples = self.batch
        moved = move(samples, *(axis for axis in range(1, rank) if axis != samples), 0)
        return moved[(slice(None),) * samples + (None,)]


def sample_view(model: Graph, name: str, rank: int | None = None) -> SampleView:
    """Return where the samples lie in a tensor.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        A tensor.
    rank : int, optional
        Its number of axes in the file, if it was measured; used if the file does not tell.
    """
    axes, info = graph_axes(model), model.tensors.get(name)
    shape = None if info is None else info.shape
    count = rank if shape is None else len(shape)
    if not count:
        return SampleView()
    batch = axes.place(name, BATCH, count)
    if batch == 0:
        return SampleView()
    first = axes.role(name, 0, count)
    stepped = batch is not None or (first is not None and first.role == TIME)
    single = axes.one_by_one or batch is None
    if batch is None and not stepped and (not axes.one_by_one or (shape is not None and count > 1 and shape[0] == 1)):
        return SampleView()
    return SampleView(batch, single, stepped)


def placed(model: Graph, target: Target) -> Target:
    """Return a target as an index into the axes after the samples.

    Parameters
    ----------
    model : Graph
        The model.
    target : Target
        The target as a person writes it. In a tensor with steps first its index picks from the axes after the first one.
        A lone ``*`` means every unit.
    """
    view = sample_view(model, target.tensor)
    shape = model.tensors[target.tensor].shape if target.tensor in model.tensors else None
    if view.plain or not view.stepped or shape is None or not target.index:
        return target
    after = len(shape) - 1
    if target.index == (EACH,):
        units = graph_axes(model).place(target.tensor, "unit")
        return replace(target, index=(*[slice(None)] * ((units or 1) - 1), EACH))
    if Ellipsis in target.index and len(target.index) <= after + 1:
        return replace(target, index=target.entries(after))
    return target
