"""The axis of a tensor that holds its channels, as far as the graph tells."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from onnxviz.model.expectations.contract_reading import contract
from onnxviz.model.graph.graph import Graph
from onnxviz.model.tensors.axes.evidence import UNIT
from onnxviz.model.tensors.axes.graph_axes import graph_axes
from onnxviz.model.tensors.detector_rows import row_axes
from onnxviz.model.tensors.sample_view import sample_view


def channel_axis(model: Graph, name: str, rank: int | None = None) -> int | None:
    """Return the axis after the samples that holds a tensor's channels.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        A tensor.
    rank : int, optional
        Its number of axes in the file, if it was measured; used if the file does not tell.

    Returns
    -------
    int or None
        The axis, counted from the first axis after the samples, as `SampleView` orders them. The operators that make
        and read the tensor tell it, else the layout of the input that the tensor comes from. None if neither tells.
    """
    shape = model.tensors[name].shape
    rank = rank if shape is None else len(shape)
    if rank is None:
        return None
    order = sample_view(model, name, rank).order(rank)
    if len(order) < 2:
        return 0
    place = graph_axes(model).place(name, UNIT, rank)
    place = _beside_rows(model, name, rank) if place is None else place
    place = _of_input(model, name, rank) if place is None else place
    return order.index(place) if place in order else None


def unit_count(model: Graph, name: str) -> int | None:
    """Return a tensor's number of channels, features or classes; None if the file does not tell.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        A tensor. If nothing tells its channel axis, the axis after the batch is counted.
    """
    info = model.tensors[name]
    if info.shape is None or name in model.constants:
        return info.units
    axis = channel_axis(model, name)
    sizes = sample_view(model, name).sizes(info.shape)
    if axis is None or not sizes:
        return info.units
    size = sizes[axis]
    return size if isinstance(size, int) else None


def channels_before(model: Graph, names: Sequence[str], least: int) -> tuple[str, int] | None:
    """Return the nearest tensor before some others whose channel axis the graph tells, and that axis.

    Parameters
    ----------
    model : Graph
        The model.
    names : sequence of str
        The others; they themselves are skipped.
    least : int
        Least number of channels of the tensor.

    Returns
    -------
    (str, int) or None
        The axis is counted as in `channel_axis`. Inputs are skipped too.
    """
    reached, ahead = {*names}, deque(names)
    while ahead:
        node = model.producers.get(ahead.popleft())
        for name in node.input if node is not None else ():
            info = model.tensors.get(name)
            if name in reached or name in model.constants or info is None or name not in model.producers:
                continue
            reached.add(name)
            axis = channel_axis(model, name) if info.is_float and len(info.shape or ()) > 2 else None
            size = None if axis is None or info.shape is None else sample_view(model, name).sizes(info.shape)[axis]
            if axis is not None and isinstance(size, int) and size >= least:
                return name, axis
            ahead.append(name)
    return None


def _beside_rows(model: Graph, name: str, rank: int) -> int | None:
    """Return the only axis that neither counts the samples nor lists the rows of a detector's head."""
    rows = row_axes(model, name)
    others = [axis for axis in range(1, rank) if axis not in rows]
    return others[0] if rows and len(others) == 1 else None


def _of_input(model: Graph, name: str, rank: int) -> int | None:
    """Return the axis that is an input's channels by the input's own layout."""
    axes = graph_axes(model)
    for axis in range(rank):
        origin = axes.origin(name, axis)
        if origin is None:
            continue
        known = contract(model, origin[0]).axes
        order = sample_view(model, origin[0]).order(len(model.inputs[origin[0]].shape or ()))
        if len(known) == len(order) and origin[1] in order and known[order.index(origin[1])] in ("channel", "feature"):
            return axis
    return None
