"""Embeddings: the Gather of an embedding's table, or the OneHot, by which whole numbers become vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from onnxviz.errors import OnnxvizError
from onnxviz.model.expectations.whole_numbers import holds_whole_numbers
from onnxviz.model.graph.graph import Graph

# A OneHot's table is the identity. Beyond this depth it is not built.
_MOST_ONE_HOT = 4096
_PASSED = frozenset(
    ("Cast", "Identity", "Clip", "Reshape", "Squeeze", "Unsqueeze", "Where", "Min", "Max", "Flatten", "Expand", "Slice")
)
"""Operators that pass ids on unchanged, or nearly so."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """The table by which a model turns token ids into vectors.

    Attributes
    ----------
    ids : str
        The input that holds the ids.
    output : str
        The float tensor that the table's rows become, (batch, time, feature).
    rows : (token, feature) float32
        The table.
    one_hot : bool
        Whether the rows are the codes of a OneHot.
    """

    ids: str
    output: str
    rows: np.ndarray
    one_hot: bool = False


def find_embedding(model: Graph, ids: str) -> Embedding | None:
    """Return the embedding whose rows an input of whole numbers selects; of several the one with the longest table.

    Parameters
    ----------
    model : Graph
        The model.
    ids : str
        An input of integers, or of floats that are cast to integers.

    Returns
    -------
    Embedding or None
        None if the input selects rows of no constant table.
    """
    reached = {ids}
    found: list[Embedding] = []
    for node in model.nodes:
        read = [place for place, name in enumerate(node.input) if name in reached]
        if not read:
            continue
        if node.op_type == "Gather" and read == [1]:
            found.extend(_table(model, node, ids))
        elif node.op_type == "OneHot" and read == [0]:
            found.extend(_codes(model, node, ids))
        elif node.op_type in _PASSED:
            reached.update(node.output)
    return max(found, key=lambda one: len(one.rows), default=None)


_UNCHANGED = _PASSED - {"Clip", "Where", "Min", "Max"}
"""Operators that pass every id on as it is."""


def token_count(model: Graph, ids: str) -> int:
    """Return the number of rows of the smallest table that a Gather reads with the ids as they are; 0 if none does."""
    reached, counts = {ids}, list[int]()
    for node in model.nodes:
        read = [place for place, name in enumerate(node.input) if name in reached]
        if read == [1] and node.op_type == "Gather" and node.input[0] in model.constants:
            shape = model.tensors[node.input[0]].shape
            if shape is not None and len(shape) == 2 and isinstance(shape[0], int) and not _attribute(node, "axis", 0):
                counts.append(shape[0])
        elif read and node.op_type in _UNCHANGED:
            reached.update(node.output)
    return min(counts, default=0)


def embedded_input(model: Graph) -> Embedding | None:
    """Return the embedding of a model's tokens: of all inputs the one with the longest table.

    An input of positions or of types, told by its name, is taken only if there is no other: a table of positions may be longer than a
    small vocabulary.
    """
    inputs = [info.name for info in model.inputs.values() if not info.is_float or holds_whole_numbers(model, info.name)]
    found = [one for one in (find_embedding(model, name) for name in inputs) if one is not None]
    return max(found, key=lambda one: (not is_beside(one.ids), len(one.rows)), default=None)


def is_beside(name: str) -> bool:
    """Return whether an input's name says that it holds the positions or the types of tokens, and no tokens."""
    return any(word in name.lower() for word in ("position", "pos_", "type", "segment", "mask"))


def _constant(model: Graph, name: str) -> np.ndarray | None:
    try:
        return np.asarray(model.weight(name))
    except OnnxvizError:  # it depends on an input, or cannot be read
        return None


def _attribute(node: NodeProto, name: str, default: int) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), default)


def _table(model: Graph, node: NodeProto, ids: str) -> list[Embedding]:
    """Return the table of a Gather: floats, or integers that a DequantizeLinear right after it turns into floats."""
    shape = model.tensors[node.input[0]].shape if node.input[0] in model.tensors else None
    if _attribute(node, "axis", 0) != 0 or (shape is not None and len(shape) != 2):
        return []
    table = _constant(model, node.input[0])
    if table is None or table.ndim != 2 or not table.size:
        return []
    if model.tensors[node.output[0]].is_float:
        return [Embedding(ids, node.output[0], table.astype(np.float32))]
    readers = [other for other in model.nodes if node.output[0] in other.input]
    if len(readers) != 1 or readers[0].op_type != "DequantizeLinear":
        return []
    numbers = [_constant(model, name) for name in readers[0].input[1:]]
    if not numbers or any(one is None or one.size != 1 for one in numbers):
        return []
    scale, zero = (float(np.ravel(one)[0]) for one in (*numbers, np.zeros(1))[:2] if one is not None)
    rows = (table.astype(np.float32) - np.float32(zero)) * np.float32(scale)
    return [Embedding(ids, readers[0].output[0], rows)]


def _codes(model: Graph, node: NodeProto, ids: str) -> list[Embedding]:
    depth, values = _constant(model, node.input[1]), _constant(model, node.input[2])
    if depth is None or values is None or depth.size != 1 or values.size != 2:
        return []
    count = int(np.ravel(depth)[0])
    if _attribute(node, "axis", -1) != -1 or not 0 < count <= _MOST_ONE_HOT:
        return []
    if not model.tensors[node.output[0]].is_float:
        return []
    off, on = (np.float32(value) for value in np.ravel(values))
    rows = np.where(np.eye(count, dtype=np.bool_), on, off).astype(np.float32)
    return [Embedding(ids, node.output[0], rows, one_hot=bool(off == 0 and on == 1))]
