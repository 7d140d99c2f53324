"""Which axis of a tensor holds its channels, as far as the graph tells."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from onnxviz.model.expectations.contract_reading import contract
from onnxviz.model.graph.graph import Graph

_FIRST = {
    *("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv", "BatchNormalization", "LRN"),
    *("InstanceNormalization", "GroupNormalization", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool"),
    *("GlobalMaxPool", "GlobalLpPool", "QLinearAveragePool", "QLinearGlobalAveragePool"),
    *("DepthToSpace", "SpaceToDepth"),
}
_LAST = {
    *("MatMul", "Gemm", "MatMulInteger", "QLinearMatMul", "LayerNormalization", "RMSNormalization"),
    *("SimplifiedLayerNormalization", "SkipLayerNormalization", "SkipSimplifiedLayerNormalization"),
    *("Attention", "MultiHeadAttention", "FusedMatMul", "MatMulNBits", "NhwcMaxPool", "NhwcConv"),
}
# What adds a number for each channel, or multiplies by it, as a layer normalization in parts does.
_SCALED = {"Add", "Sub", "Mul", "Div"}
# What changes the layout, or may.
_OPAQUE = {
    *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Gather", "GatherND", "GatherElements", "Einsum", "Shape"),
    *("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "LSTM", "GRU", "RNN", "If", "Loop", "Scan", "STFT", "DFT"),
}


def channel_axis(model: Graph, name: str, rank: int | None = None) -> int | None:
    """Return the axis after the batch that holds a tensor's channels.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        A tensor.
    rank : int, optional
        How many axes it has, the batch included; measured, where the file does not tell.

    Returns
    -------
    int or None
        Counted from the first axis after the batch. Walking up from the tensor, what comes first decides: an operator
        whose channels are its second axis (Conv, pools) or its last (MatMul, LayerNormalization, a constant number for
        each place of it), followed through every Transpose on the way, or the input's own layout. None where nothing tells.
    """
    shape = model.tensors[name].shape
    rank = rank if shape is None else len(shape)
    if rank is None:
        return None
    if rank <= 2:
        return 0
    # Where each axis of the tensor lies in the one that the walk has come to.
    places = list(range(rank))
    for _ in range(len(model.nodes) + 1):
        node = model.producers.get(name)
        if node is None:
            return _of_input(model, name, places)
        if node.op_type in _FIRST:
            return places.index(1) - 1 if 1 in places[1:] else None
        if node.op_type in _LAST or (node.op_type in _SCALED and any(_is_row(model, one) for one in node.input)):
            last = len(places) - 1
            return places.index(last) - 1 if last in places[1:] else None
        if node.op_type in _OPAQUE:
            return None
        if node.op_type == "Transpose":
            order = next((list(one.ints) for one in node.attribute if one.name == "perm"), places[::-1])
            if len(order) != len(places):
                return None
            places = [order[place] for place in places]
        before = [one for one in node.input if _alike(model, one, len(places))]
        # What has no shape in the file may be as it, where nothing else is.
        before += [one for one in node.input if _untold(model, one)]
        if not before:
            return None
        name = before[0]
    return None


def channels_before(model: Graph, names: Sequence[str], least: int) -> tuple[str, int] | None:
    """Return the nearest tensor on the way to some others whose channels the graph tells, and the axis that holds them.

    Parameters
    ----------
    model : Graph
        The model.
    names : sequence of str
        Where the way ends; they themselves are passed over.
    least : int
        How many channels it has at least.

    Returns
    -------
    (str, int) or None
        As `channel_axis` counts. Inputs are no answer.
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
            size = None if axis is None or info.shape is None else info.shape[1 + axis]
            if axis is not None and isinstance(size, int) and size >= least:
                return name, axis
            ahead.append(name)
    return None


def _alike(model: Graph, name: str, rank: int) -> bool:
    """Whether a tensor is computed and has as many axes."""
    info = model.tensors.get(name)
    return name not in model.constants and info is not None and info.shape is not None and len(info.shape) == rank


def _untold(model: Graph, name: str) -> bool:
    """Whether a tensor is computed and nothing tells how many axes it has."""
    info = model.tensors.get(name)
    return name not in model.constants and info is not None and info.shape is None


def _is_row(model: Graph, name: str) -> bool:
    """Whether a tensor is constant and has one axis, which is laid along the last of what it is added to."""
    shape = model.tensors[name].shape if name in model.constants else None
    return shape is not None and len(shape) == 1 and shape[0] not in (None, 1)


def _of_input(model: Graph, name: str, places: list[int]) -> int | None:
    if name not in model.inputs:
        return None
    axes = contract(model, name).axes
    for word in ("channel", "feature"):
        if word in axes and len(axes) == len(places) - 1:
            return places.index(1 + axes.index(word)) - 1
    return None
