"""The meaning of the axes of a tensor inside the graph: which axis counts its units, which axes are space or time."""

from __future__ import annotations

from onnx import NodeProto

from onnxviz.model.graph.graph import Graph

_FIRST = {
    *("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "FusedConv", "NhwcConv", "DeformConv"),
    *("MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "QLinearAveragePool"),
    *("BatchNormalization", "InstanceNormalization", "GroupNormalization", "LRN"),
    *("Upsample", "DepthToSpace", "SpaceToDepth"),
}
_LAST = {
    *("MatMul", "Gemm", "MatMulInteger", "QLinearMatMul", "FusedMatMul", "MatMulNBits", "Einsum"),
    *("LayerNormalization", "SkipLayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"),
    *("Gather", "LSTM", "GRU", "RNN", "Attention", "MultiHeadAttention", "EmbedLayerNormalization"),
}
_STEPS = 64
"""Most operators that a tensor is followed back through."""


def tensor_axes(model: Graph, name: str, rank: int) -> tuple[str, ...]:
    """Return the names of a tensor's axes after the batch.

    The operator that makes the tensor decides: convolutions and pools count channels first, matrices and layer
    normalization count features last. Element-wise operators keep the axes of their input.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        The tensor.
    rank : int
        Its number of axes after the batch.

    Returns
    -------
    tuple of str
        For 1 axis: unit. For 2: channel, time; or step, feature. For 3: channel, height, width; or height, width,
        channel. For 4: the same with depth. For more: axis1, axis2, ….
    """
    if rank == 0:
        return ()
    if rank == 1:
        return ("unit",)
    known = _rank(model, name)
    if rank > 4 or (known is not None and known != rank):  # too many, or no axis counts the samples
        return tuple(f"axis{axis + 1}" for axis in range(rank))
    place = _unit_axis(model, name, rank)
    if rank == 2:
        return ("channel", "time") if place == 0 else ("step", "feature")
    space = ["height", "width"] if rank == 3 else ["depth", "height", "width"]
    space.insert(place, "channel")
    return tuple(space)


def _unit_axis(model: Graph, name: str, rank: int) -> int:
    """Return the position of a tensor's channels, from the operators before it, else from its sizes; 0 if unknown."""
    for _ in range(_STEPS):
        if name in model.inputs:
            from onnxviz.model.expectations.contract_reading import contract

            axes = contract(model, name).axes
            return next((axes.index(word) for word in ("channel", "feature") if word in axes and len(axes) == rank), 0)
        node = model.producers.get(name)
        if node is None or node.op_type in _FIRST:
            return 0
        if node.op_type in _LAST:
            return rank - 1
        if node.op_type == "Transpose":
            return _transposed(model, node, rank)
        if node.op_type in ("Reshape", "Flatten"):
            return _reshaped(model, node, rank)
        earlier = next(
            (one for one in node.input if one and _rank(model, one) in (rank, None) and not _is_constant(model, one)),
            None,
        )
        if earlier is None:
            break
        name = earlier
    shape = model.tensors[name].shape
    if rank == 3 and shape is not None and len(shape) == 4 and shape[1] == shape[2] != shape[3]:
        return 2  # square maps, with the sides first
    return 0


def _transposed(model: Graph, node: NodeProto, rank: int) -> int:
    order = next((list(one.ints) for one in node.attribute if one.name == "perm"), list(range(rank, -1, -1)))
    if len(order) != rank + 1 or order[0] != 0:
        return 0
    return order.index(1 + _unit_axis(model, node.input[0], rank)) - 1


def _reshaped(model: Graph, node: NodeProto, rank: int) -> int:
    """Return the channels' position after a reshape: last if they were last, as in heads of detectors; else first."""
    before = _rank(model, node.input[0])
    return rank - 1 if before and _unit_axis(model, node.input[0], before) == before - 1 > 0 else 0


def _rank(model: Graph, name: str) -> int | None:
    shape = model.tensors[name].shape if name in model.tensors else None
    return None if shape is None else len(shape) - 1


def _is_constant(model: Graph, name: str) -> bool:
    return name in model.constants
