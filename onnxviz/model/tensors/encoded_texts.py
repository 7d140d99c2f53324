"""The numbers that a graph makes of texts: torch has no texts, so ONNX Runtime computes them."""

from __future__ import annotations

from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.structure import read_by


def encoded_texts(model: Graph) -> tuple[str, ...]:
    """Return the tensors without texts whose operators read texts that depend on an input, in the order of the graph.

    Parameters
    ----------
    model : Graph
        The model.
    """
    texts = {name for name, info in model.inputs.items() if info.dtype == "string"}
    found = []
    for node in model.nodes if texts else ():
        if texts.isdisjoint(read_by(node)):
            continue
        for name in filter(None, node.output):
            if model.tensors[name].dtype == "string":
                texts.add(name)
            else:
                found.append(name)
    return tuple(found)
