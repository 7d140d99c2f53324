"""The axis of a tensor that holds its channels, as far as the graph tells."""

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
# Operators that add a number for each channel, or multiply by it, as a layer normalization in parts does.
_SCALED = {"Add", "Sub", "Mul", "Div"}
# Operators that change the layout, or may.
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
        Its number of axes, batch included, if it was measured; used if the file does not tell.

    Returns
    -------
    int or None
        The axis, counted from the first axis after the batch. The walk goes up from the tensor, through every
        Transpose. It ends at an operator whose channels are its second axis (Conv, pools) or its last axis (MatMul,
        LayerNormalization, a constant number for each position of the axis), or at the input's own layout. None if the
        graph does not tell.
    """
    shape = model.tensors[name].shape
    rank = rank if shape is None else len(shape)
    if rank is None:
        return None
    if rank <= 2:
        return 0
    # The index of each of the tensor's axes in the tensor that the walk has reached.
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
        # If no operand has as many axes, an operand without a shape in the file may have them.
        before += [one for one in node.input if _untold(model, one)]
        if not before:
            return None
        name = before[0]
    return None


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
            size = None if axis is None or info.shape is None else info.shape[1 + axis]
            if axis is not None and isinstance(size, int) and size >= least:
                return name, axis
            ahead.append(name)
    return None


def _alike(model: Graph, name: str, rank: int) -> bool:
    """Return whether a tensor is computed and has `rank` axes."""
    info = model.tensors.get(name)
    return name not in model.constants and info is not None and info.shape is not None and len(info.shape) == rank


def _untold(model: Graph, name: str) -> bool:
    """Return whether a tensor is computed and its number of axes is unknown."""
    info = model.tensors.get(name)
    return name not in model.constants and info is not None and info.shape is None


def _is_row(model: Graph, name: str) -> bool:
    """Return whether a tensor is constant and has one axis, aligned with the last axis of the other operand."""
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
