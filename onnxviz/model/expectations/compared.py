"""Whole-number inputs that a graph compares with a constant: a rate, or a mode that other values would switch off."""

from __future__ import annotations

import numpy as np

from onnxviz.errors import OnnxvizError
from onnxviz.model.graph.graph import Graph


def compared_number(model: Graph, name: str) -> int | None:
    """Return the first constant whole number that the graph compares an input with; None if there is none."""
    reached = {name}
    for node in model.nodes:
        if reached.isdisjoint(node.input):
            continue
        if node.op_type in ("Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape"):
            reached.update(node.output)
        elif node.op_type == "Equal":
            (other,) = [one for one in node.input if one not in reached] or [""]
            try:
                value = np.asarray(model.weight(other)).reshape(-1)
            except OnnxvizError:  # computed, or another input
                continue
            if value.size == 1 and value.dtype.kind in "iuf" and float(value[0]).is_integer():
                return int(value[0])
    return None
