"""What the axes of a tensor inside the graph mean: which one counts its units, which ones are space or time."""

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
"""How far back a tensor is followed."""


def tensor_axes(model: Graph, name: str, rank: int) -> tuple[str, ...]:
    """Name the axes of a tensor after the batch.

    What made the tensor tells: convolutions and pools count channels first, matrices and layer normalization count
    features last, and what works element by element passes on what it was given.

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
        Of 1 axis: unit. Of 2: channel, time; or step, feature. Of 3: channel, height, width; or height, width, channel.
        Of 4: the same with depth. Of more: axis1, axis2, ….
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
    """Follow a tensor back to what decides where its channels lie; 0 where nothing does, but by its sizes."""
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
        return 2  # square maps, whose sides stand first
    return 0


def _transposed(model: Graph, node: NodeProto, rank: int) -> int:
    order = next((list(one.ints) for one in node.attribute if one.name == "perm"), list(range(rank, -1, -1)))
    if len(order) != rank + 1 or order[0] != 0:
        return 0
    return order.index(1 + _unit_axis(model, node.input[0], rank)) - 1


def _reshaped(model: Graph, node: NodeProto, rank: int) -> int:
    """Channels that stand last stay last, as in the heads of detectors; else they are taken to stay first."""
    before = _rank(model, node.input[0])
    return rank - 1 if before and _unit_axis(model, node.input[0], before) == before - 1 > 0 else 0


def _rank(model: Graph, name: str) -> int | None:
    shape = model.tensors[name].shape if name in model.tensors else None
    return None if shape is None else len(shape) - 1


def _is_constant(model: Graph, name: str) -> bool:
    return name in model.constants
