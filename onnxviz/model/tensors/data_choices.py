"""Choices by data: an If whose condition depends on the values of what moves has one branch for a whole batch."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from onnx import NodeProto

from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.structure import every_node, read_by, subgraphs

_SIZES = ("Shape", "Size")
"""Operators that read sizes alone, and no values."""


def chooses_by_data(model: Graph, moving: Collection[str]) -> bool:
    """Return whether an If chooses its branch by the values of tensors that move: the samples of a batch would share the branch.

    Parameters
    ----------
    model : Graph
        The graph, cut to what is computed.
    moving : collection of str
        The tensors that differ from sample to sample.
    """
    if not any(node.op_type == "If" and not node.domain for node in every_node(model.nodes)):
        return False
    return _chooses(model.nodes, set(moving))


def _chooses(nodes: Iterable[NodeProto], moving: set[str]) -> bool:
    """Return whether an If among some nodes, or inside of them, chooses by values; the names that move are added."""
    for node in nodes:
        if node.op_type in _SIZES and not node.domain:
            continue
        moves = not moving.isdisjoint(read_by(node))
        if not moves:
            continue
        if node.op_type == "If" and not node.domain and node.input[0] in moving:
            return True
        for body in subgraphs(node):
            # Any tensor that the node reads may enter by any of the body's inputs.
            if _chooses(body.node, {*moving, *(value.name for value in body.input)}):
                return True
        moving.update(name for name in node.output if name)
    return False
