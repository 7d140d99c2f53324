"""Where tokens become numbers: the tensor behind an embedding's lookup, the first that a gradient reaches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from onnxviz.model.graph import Model

# What hands tokens on as they are, or nearly so.
_TRANSPARENT = frozenset(
    ("Cast", "Identity", "Reshape", "Unsqueeze", "Squeeze", "Where", "Clip", "Min", "Max", "Flatten", "Expand", "Slice")
)


@dataclass(frozen=True)
class Embedding:
    """The lookup that an input of tokens goes through.

    Attributes
    ----------
    tokens : str
        The input: whole numbers, or floating-point numbers that the graph casts to whole ones.
    tensor : str
        What the lookup makes: (batch, …, token, dimension), floating-point.
    size : int or None
        How many tokens it knows; None where the graph does not say.
    """

    tokens: str
    tensor: str
    size: int | None


def embedding_of(model: Model, name: str) -> Embedding | None:
    """Find the embedding that an input of tokens is looked up in.

    Parameters
    ----------
    model : Model
        The model.
    name : str
        One of its inputs.

    Returns
    -------
    Embedding or None
        None where the input's values are computed with, so that it holds no tokens.
    """
    # A floating-point input holds tokens only once a Cast has made whole numbers of it.
    whole = not model.inputs[name].is_float
    reached = {name: whole}
    for node in model.nodes:
        places = [place for place, one in enumerate(node.input) if one in reached]
        if not places or node.domain:
            continue
        found = _lookup(model, node, {node.input[place] for place in places if reached[node.input[place]]})
        if found is not None:
            return Embedding(name, node.output[0], found)
        if node.op_type in _TRANSPARENT:
            made = model.tensors[node.output[0]]
            reached[node.output[0]] = reached[node.input[places[0]]] or (node.op_type == "Cast" and not made.is_float)
    return None


def _lookup(model: Model, node: NodeProto, tokens: set[str]) -> int | None:
    """Return how many tokens a node looks up in; None where it is no lookup of these."""
    if node.op_type == "Gather" and len(node.input) > 1 and node.input[1] in tokens:
        table = model.tensors.get(node.input[0])
        if table is not None and table.is_float and table.shape is not None and len(table.shape) == 2:
            return table.shape[0] if isinstance(table.shape[0], int) else None
    if node.op_type == "OneHot" and node.input[0] in tokens and node.input[1] in model.constants:
        return int(np.asarray(model.weight(node.input[1])).reshape(-1)[0])
    return None
