"""Floating-point inputs that hold whole numbers: bytes, tokens."""

from __future__ import annotations

from onnxviz.model.graph.graph import Graph


def holds_whole_numbers(model: Graph, name: str) -> bool:
    """Return whether all readers of a floating-point input are casts to whole numbers."""
    readers = [node for node in model.nodes if name in node.input]
    return bool(readers) and all(
        node.op_type == "Cast" and model.tensors[node.output[0]].dtype.startswith(("int", "uint")) for node in readers
    )
