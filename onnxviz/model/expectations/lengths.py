"""Lengths: inputs that count the steps of another input, and the input that they count."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from onnx import NodeProto

from onnxviz.model.graph.graph import Graph

_SLOTS = {"LSTM": 4, "GRU": 4, "RNN": 4, "ReverseSequence": 1, "GroupQueryAttention": 6}
"""The place of the lengths among an operator's inputs."""
_HANDED_ON = ("Identity", "Cast", "Unsqueeze", "Squeeze", "Reshape", "Expand")
_COMPARED = ("Less", "LessOrEqual", "Greater", "GreaterOrEqual")
_NAMED = re.compile(r"(^|[._/])(\w*[a-z0-9]_?)?(lens?|lengths?|seqlens?)$", re.IGNORECASE)


def find_length(model: Graph, readers: Mapping[str, Sequence[NodeProto]], name: str) -> int | None:
    """Return what is added to a sequence's length in an input of lengths, 0 or -1; None if the input holds no lengths.

    The operators that read the input decide, and its name where they do not tell.

    Parameters
    ----------
    model : Graph
        The model.
    readers : mapping of str to sequence of NodeProto
        The nodes that read each tensor.
    name : str
        The input: one number, or one for each sample.
    """
    info = model.inputs[name]
    shape = info.shape
    if shape is None or len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        return None
    if any(node.op_type == "GroupQueryAttention" and list(node.input)[5:6] == [name] for node in readers.get(name, ())):
        return -1  # the operator wants the place of the last key
    if not info.is_float and _counts(model, readers, name):
        return 0
    # A table has columns of such names, with two axes.
    return 0 if len(shape) < 2 and _NAMED.search(name) and counted_input(model, name) is not None else None


def counted_input(model: Graph, name: str, aside: Collection[str] = ()) -> str | None:
    """Return the input whose steps an input of lengths counts: the one that its name begins with, else the first sequence.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        The input of lengths.
    aside : collection of str
        Inputs that hold no data, and so are not counted.
    """
    others = [
        other
        for other, info in model.inputs.items()
        if other != name
        and other not in aside
        and info.shape is not None
        and len(info.shape) >= 2
        and "mask" not in other.lower()
    ]
    stem = re.sub(r"_?(lens?|lengths?|seqlens?)$", "", name.lower())
    for other in others if stem else ():
        if other.lower() == stem or other.lower().startswith(stem) or stem.startswith(other.lower()):
            return other
    steps = [other for other in others if any(not isinstance(size, int) for size in model.inputs[other].shape[1:])]  # type: ignore[index]  # shapes with axes alone
    return next(iter(steps or [one for one in others if len(model.inputs[one].shape or ()) > 2]), None)


def _counts(model: Graph, readers: Mapping[str, Sequence[NodeProto]], name: str) -> bool:
    """Return whether a recurrent layer reads an input as lengths, or the graph compares it with 0, 1, 2, …."""
    waiting, seen = [name], {name}
    while waiting:
        tensor = waiting.pop()
        for node in readers.get(tensor, ()):
            place = _SLOTS.get(node.op_type)
            if place is not None and place < len(node.input) and node.input[place] == tensor:
                return True
            if node.op_type in _COMPARED and any(_is_counted(model, one) for one in node.input if one != tensor):
                return True
            if node.op_type in _HANDED_ON and node.output[0] not in seen:
                seen.add(node.output[0])
                waiting.append(node.output[0])
    return False


def _is_counted(model: Graph, name: str) -> bool:
    """Return whether a tensor holds 0, 1, 2, …: the output of a Range, as it is or reshaped."""
    while (node := model.producers.get(name)) is not None and node.op_type in _HANDED_ON:
        name = node.input[0]
    return node is not None and node.op_type == "Range"
