"""The texts that a model knows: the categories of its encoders, and the words of its vocabularies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, helper, numpy_helper

from onnxviz.errors import OnnxvizError
from onnxviz.model.graph.graph import Graph

_ARRANGED = ("Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "StringNormalizer", "Cast", "Expand")
"""Operators that pass texts on, each at its place or nearly so."""

_LISTS = {
    "OneHotEncoder": ("cats_strings",),
    "LabelEncoder": ("keys_strings", "keys_tensor"),
    "CategoryMapper": ("cats_strings",),
    "TfIdfVectorizer": ("pool_strings",),
}
"""From an encoder to the attributes that hold the texts it knows."""


@dataclass(frozen=True, slots=True)
class KnownTexts:
    """The texts that the graph knows for one column of an input.

    Attributes
    ----------
    texts : tuple of str
        The texts, in the order of the encoder; empty where no encoder reads the column.
    operator : str
        The encoder; "" without one.
    """

    texts: tuple[str, ...] = ()
    operator: str = ""


def known_texts(model: Graph, name: str) -> tuple[KnownTexts, ...]:
    """Return the texts that encoders know, for each column of a text input.

    The columns are followed through Concat, Split, Gather and ArrayFeatureExtractor to LabelEncoder, CategoryMapper,
    OneHotEncoder, TfIdfVectorizer, and to an Equal with constant texts.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        An input of texts, (batch,) or (batch, column).

    Returns
    -------
    tuple of KnownTexts
        One for each column; a single one where the file does not tell the number of columns.
    """
    shape = model.require(name).shape or ()
    size = shape[1] if len(shape) > 1 else 1
    count = size if isinstance(size, int) else 1
    # The columns of the input that a tensor holds, in order; -1 is a column of another input.
    held: dict[str, tuple[int, ...]] = {name: tuple(range(count))}
    found: dict[int, KnownTexts] = {}
    for node in model.nodes:
        read = [one for one in node.input if one in held]
        if not read:
            continue
        texts = tuple(dict.fromkeys(_texts(model, node, held)))
        if texts:
            for column in (column for one in read for column in held[one]):
                found.setdefault(column, KnownTexts(texts, node.op_type))
            continue
        held |= dict(_passed_on(model, node, held))
    return tuple(found.get(column, KnownTexts()) for column in range(count))


def _texts(model: Graph, node: NodeProto, held: dict[str, tuple[int, ...]]) -> Iterator[str]:
    """Yield the texts that a node compares its input with."""
    names = _LISTS.get(node.op_type, ())
    for attribute in node.attribute:
        if attribute.name in names:
            yield from _as_texts(helper.get_attribute_value(attribute))
    if node.op_type == "Equal":
        for other in node.input:
            if other not in held:
                try:
                    yield from _as_texts(model.weight(other))
                except OnnxvizError:  # computed from another input
                    continue


def _as_texts(value: Any) -> Iterator[str]:
    array = numpy_helper.to_array(value) if hasattr(value, "data_type") else np.asarray(value, object)
    for one in array.reshape(-1):
        if isinstance(one, bytes):
            yield one.decode("utf-8", "replace")
        elif isinstance(one, str):
            yield one


def _passed_on(
    model: Graph, node: NodeProto, held: dict[str, tuple[int, ...]]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the outputs of a node that hold columns of the input, with these columns."""
    if node.op_type == "Concat":
        yield node.output[0], tuple(column for one in node.input for column in held.get(one) or _foreign(model, one))
    elif node.op_type in _ARRANGED:
        yield node.output[0], held.get(node.input[0], ())
    elif node.op_type in ("Gather", "ArrayFeatureExtractor") and node.input[0] in held:
        places = _constant(model, node.input[1])
        own = held[node.input[0]]
        chosen = tuple(own[place] for place in places if -len(own) <= place < len(own))
        yield node.output[0], chosen or own
    elif node.op_type == "Split":
        own, sizes = held[node.input[0]], [*_sizes(model, node)]
        first = 0
        for number, output in enumerate(node.output):
            size = sizes[number] if number < len(sizes) else max(1, len(own) // len(node.output))
            yield output, own[first : first + size] or own
            first += size


def _foreign(model: Graph, name: str) -> tuple[int, ...]:
    """Return a place for each column of a tensor that another input fills."""
    shape = model.tensors[name].shape if name in model.tensors else None
    size = shape[1] if shape is not None and len(shape) > 1 else 1
    return (-1,) * (size if isinstance(size, int) else 1)


def _sizes(model: Graph, node: NodeProto) -> list[int]:
    given = next((list(one.ints) for one in node.attribute if one.name == "split"), [])
    return given or (_constant(model, node.input[1]) if len(node.input) > 1 and node.input[1] else [])


def _constant(model: Graph, name: str) -> list[int]:
    try:
        return [int(one) for one in np.asarray(model.weight(name)).reshape(-1)]
    except (OnnxvizError, ValueError, TypeError):  # computed, or no numbers
        return []
