"""The inputs of a model that hold no data: caches, masks, lengths and positions."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from onnx import NodeProto

from onnxviz.model.expectations.caches import find_cache
from onnxviz.model.expectations.lengths import find_length
from onnxviz.model.expectations.masks import find_mask
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.structure import readers


@dataclass(frozen=True, slots=True)
class InputRole:
    """What an input is for, if it holds no data.

    Attributes
    ----------
    name : str
        "cache", "mask", "length" or "position".
    why : str
        The evidence in a sentence.
    value : float
        The value at which a mask leaves everything on; for lengths, what is added to the sequence's length; 0 for a cache.
    axis : int or None
        The axis along which a cache holds the past, batch included.
    grows : bool
        Whether a cache may be empty.
    """

    name: str
    why: str
    value: float = 0.0
    axis: int | None = None
    grows: bool = False


_FOUND: WeakKeyDictionary[Graph, dict[str, InputRole]] = WeakKeyDictionary()


def input_roles(model: Graph) -> dict[str, InputRole]:
    """Return the roles of those inputs of a model that hold no data, by name, in the model's order.

    Parameters
    ----------
    model : Graph
        The model.
    """
    if model not in _FOUND:
        reading = readers(model.nodes)
        found = ((name, _role(model, reading, name)) for name in model.inputs)
        _FOUND[model] = {name: role for name, role in found if role is not None}
    return _FOUND[model]


def data_inputs(model: Graph) -> list[str]:
    """Return the inputs that hold data; all inputs where none does."""
    roles = input_roles(model)
    return [name for name in model.inputs if name not in roles] or list(model.inputs)


def _role(model: Graph, reading: dict[str, list[NodeProto]], name: str) -> InputRole | None:
    info = model.inputs[name]
    cache = find_cache(model, reading, name)
    if cache is not None:
        return InputRole("cache", f"a cache: {cache.why}", axis=cache.axis, grows=cache.grows)
    added = find_length(model, reading, name)
    if added is not None:
        return InputRole("length", "lengths of a sequence", added)
    value = find_mask(model, reading, name) if info.dtype != "string" else None
    if value is not None:
        return InputRole("mask", f"a mask: {value:g} leaves everything on", value)
    if not info.is_float and info.dtype != "string" and "position" in name.lower() and info.shape:
        return InputRole("position", "positions of a sequence")
    return None
