"""Inputs that hold whole numbers though they are fed as floating-point ones: bytes, tokens."""

from __future__ import annotations

from onnxviz.model.graph.graph import Graph


def holds_whole_numbers(model: Graph, name: str) -> bool:
    """Whether nothing but casts to whole numbers reads a floating-point input."""
    readers = [node for node in model.nodes if name in node.input]
    return bool(readers) and all(
        node.op_type == "Cast" and model.tensors[node.output[0]].dtype.startswith(("int", "uint")) for node in readers
    )
