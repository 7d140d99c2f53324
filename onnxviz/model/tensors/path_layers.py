"""The layers on the way from an input to some tensors: those with stored weights, evenly spread in depth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.structure import dependents
from onnxviz.model.tensors.channel_axis import channel_axis

MOST = 16
"""The most layers: more would hardly change a mean over layers."""


def path_layers(
    model: Graph, tensors: Sequence[str], sources: Iterable[str], stops: Sequence[str] = (), most: int = MOST
) -> dict[str, int]:
    """Return layers between an input and some tensors, each with the axis of its channels.

    A layer is the result of an operator that reads a stored weight of two or more axes, such as a convolution or a matrix product.

    Parameters
    ----------
    model : Graph
        The model.
    tensors : sequence of str
        The tensors at the end of the way. They are layers themselves where they fit.
    sources : iterable of str
        The tensors at its beginning.
    stops : sequence of str
        Tensors at which the graph is cut.
    most : int
        The largest number of layers. Of more layers, so many are taken, evenly spread in depth, the first and the last among them.

    Returns
    -------
    dict of str to int
        In the order of the graph. The axis is counted as in `channel_axis`. Layers whose axis of channels the graph does not tell
        are left out.
    """
    part = model.cut(list(tensors), list(stops))
    depends = dependents(part.nodes, sources)
    found: dict[str, int] = {}
    for node in part.nodes:
        name = node.output[0]
        info = model.tensors.get(name)
        if info is None or not info.is_float or name not in depends:
            continue
        if not any(_is_matrix(part, given) for given in node.input):
            continue
        axis = channel_axis(model, name)
        if axis is not None and len(info.shape or ()) != 1:
            found[name] = axis
    names = list(found)
    if len(names) > most:
        names = [names[round(place * (len(names) - 1) / (most - 1))] for place in range(most)]
    return {name: found[name] for name in names}


def _is_matrix(part: Graph, name: str) -> bool:
    """Return whether a tensor is a stored weight with at least two axes that are longer than 1."""
    shape = part.tensors[name].shape if name in part.constants else None
    return shape is not None and sum(size != 1 for size in shape) > 1
