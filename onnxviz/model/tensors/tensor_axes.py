"""The names of the axes of a tensor inside the graph: which axis counts its units, which axes are space or time."""

from __future__ import annotations

from onnxviz.model.graph.graph import Graph
from onnxviz.model.tensors.axes.graph_axes import graph_axes
from onnxviz.model.tensors.channel_axis import channel_axis
from onnxviz.model.tensors.detector_rows import row_axes
from onnxviz.model.tensors.sample_view import sample_view

_NAMES = {"batch": "batch", "time": "step", "unit": "feature", "height": "height", "width": "width", "depth": "depth"}


def tensor_axes(model: Graph, name: str, rank: int) -> tuple[str, ...]:
    """Return the names of a tensor's axes after the samples.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        The tensor.
    rank : int
        Its number of axes after the samples.

    Returns
    -------
    tuple of str
        For 1 axis: unit. For 2: channel, time; step, feature; or row, feature in a detector's head. For 3: channel,
        height, width; or height, width, channel. For 4: the same with depth. For more: axis1, axis2, …. If the samples
        are not the first axis in the file: the role of each axis.
    """
    if rank == 0:
        return ()
    if rank == 1:
        return ("unit",)
    shape = model.tensors[name].shape if name in model.tensors else None
    view = sample_view(model, name, rank + 1)
    numbered = tuple(f"axis{axis + 1}" for axis in range(rank))
    if not view.plain:
        order = view.order(len(shape or ()))
        if len(order) != rank:
            return numbered
        roles = graph_axes(model).roles(name)
        return tuple(_NAMES.get(roles[axis], numbered[place]) for place, axis in enumerate(order))
    if rank > 4 or (shape is not None and len(shape) != rank + 1):  # too many, or no axis counts the samples
        return numbered
    place = _unit_axis(model, name, rank)
    if rank == 2 and row_axes(model, name):
        return ("feature", "row") if place == 0 else ("row", "feature")
    if rank == 2:
        return ("channel", "time") if place == 0 else ("step", "feature")
    space = ["height", "width"] if rank == 3 else ["depth", "height", "width"]
    space.insert(place, "channel")
    return tuple(space)


def _unit_axis(model: Graph, name: str, rank: int) -> int:
    """Return the position of a tensor's channels, from the graph, else from its sizes; 0 if unknown."""
    place = channel_axis(model, name, rank + 1) if name in model.tensors else None
    if place is not None:
        return place
    shape = model.tensors[name].shape if name in model.tensors else None
    if rank == 3 and shape is not None and shape[1] == shape[2] != shape[3]:
        return 2  # square maps, with the sides first
    # Beside steps that are known, the other axis holds the features.
    roles = graph_axes(model).roles(name, rank + 1)
    return 1 if rank == 2 and roles[1] == "time" and roles[2] == "" else 0
