"""The tensors whose sizes depend on values of the inputs, such as speech whose length depends on the text.

Several samples in one batch then share one size: a short sample is padded to the longest. So each must run alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from onnx import NodeProto

from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.structure import read_by

_COUNTING = frozenset({"NonZero", "NonMaxSuppression", "Unique", "Compress", "StringSplit"})
"""Operators whose outputs are as long as the values of their inputs say."""

_SIZES = {
    **dict.fromkeys(("Range",), (0, 1, 2)),
    **dict.fromkeys(("ConstantOfShape", "HannWindow", "HammingWindow", "BlackmanWindow", "Loop"), (0,)),
    **dict.fromkeys(("Expand", "Reshape", "Tile", "Upsample", "Pad", "TopK", "OneHot", "Split", "DFT"), (1,)),
    **dict.fromkeys(("CenterCropPad", "Col2Im", "AffineGrid"), (1, 2)),
    **dict.fromkeys(("Slice", "Resize"), (1, 2, 3, 4)),
    "MaxUnpool": (2,),
}
"""Operators with inputs that say sizes, and the positions of those inputs."""


def tensors_of_data_size(model: Graph, moving: Iterable[str]) -> frozenset[str]:
    """Return the tensors whose sizes depend on the values of some tensors.

    Parameters
    ----------
    model : Graph
        The model.
    moving : iterable of str
        The tensors whose values change: inputs, or tensors inside the graph that are fed.

    Returns
    -------
    frozenset of str
        It may hold a tensor whose size is the same for all values: what is counted is that the size is computed from values.
    """
    values = set(moving)
    sizes: set[str] = set()
    for node in model.nodes:
        # A Shape reads sizes; every other operator reads values.
        before = [name for name in read_by(node) if name in (sizes if node.op_type in ("Shape", "Size") else values)]
        varying = any(name in sizes for name in read_by(node)) or _sized_by(node, values)
        for name in node.output:
            if before:
                values.add(name)
            if varying and node.op_type not in ("Shape", "Size"):
                sizes.add(name)
                values.add(name)
    return frozenset(sizes)


def _sized_by(node: NodeProto, values: set[str]) -> bool:
    """Return whether values that change say how large a node's outputs are."""
    if node.domain:
        return False
    if node.op_type in _COUNTING:
        return any(name in values for name in node.input)
    given = (node.input[place] for place in _SIZES.get(node.op_type, ()) if place < len(node.input))
    return any(name in values for name in given)
