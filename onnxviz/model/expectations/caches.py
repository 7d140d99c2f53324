"""Caches: inputs that hold the past of a sequence, to which a model adds what it computes, and which it hands back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onnx import NodeProto

from onnxviz.errors import OnnxvizError
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.structure import ancestors

_SLOTS: dict[tuple[str, str], tuple[tuple[int, ...], int]] = {
    ("", "Attention"): ((4, 5), 2),
    ("com.microsoft", "Attention"): ((4,), 3),
    ("com.microsoft", "MultiHeadAttention"): ((6, 7), 2),
    ("com.microsoft", "DecoderMaskedMultiHeadAttention"): ((5, 6), 2),
    ("com.microsoft", "GroupQueryAttention"): ((3, 4), 2),
}
"""The places of past keys and values among an operator's inputs, and the axis of the past."""

_HANDED_ON = ("Identity", "Cast", "Transpose")
_RESHAPED = (*_HANDED_ON, "Reshape", "Expand", "Unsqueeze", "Squeeze", "Slice", "Tile")
_NAMED = re.compile(r"cache|past_?k(ey|v)|key_?values|(^|[./])past([._/]?\d+)?([._/](key|value))?$", re.IGNORECASE)
"""Names of caches. "past" alone is none: forecasters name their data so."""


@dataclass(frozen=True, slots=True)
class Cache:
    """What is known of a cache.

    Attributes
    ----------
    axis : int or None
        The axis of the past, batch included; None where nothing tells it.
    grows : bool
        Whether the model adds computed values along the axis, so that the cache may be empty.
    why : str
        The evidence, as the end of a sentence.
    """

    axis: int | None
    grows: bool
    why: str


def find_cache(model: Graph, readers: Mapping[str, Sequence[NodeProto]], name: str) -> Cache | None:
    """Return what is known of an input as a cache; None if it is none.

    Parameters
    ----------
    model : Graph
        The model.
    readers : mapping of str to sequence of NodeProto
        The nodes that read each tensor.
    name : str
        The input.
    """
    info = model.inputs[name]
    if not info.is_float or info.shape is None or len(info.shape) < 3:
        return None
    named = _NAMED.search(name) is not None
    waiting = [(name, tuple(range(len(info.shape))))]
    while waiting:
        tensor, axes = waiting.pop()
        for node in readers.get(tensor, ()):
            places, axis = _SLOTS.get((node.domain, node.op_type), ((), 0))
            if any(place < len(node.input) and node.input[place] == tensor for place in places):
                return Cache(axes[axis], True, f"{node.op_type} reads it as past keys or values")
            if node.op_type == "Concat":
                axis = axes[_axis(node, len(axes))]
                is_open = not isinstance(info.shape[axis], int)
                use = _use(model, readers, node.output[0]) if _adds_computed(model, node, tensor, name) else ""
                if use == "attention" or (use and (named or is_open)):
                    said = "before attention" if use == "attention" else f"and handed back as {use}"
                    return Cache(axis, True, f"computed values are joined to it, {said}")
            elif node.op_type == "Transpose":
                order = next((list(one.ints) for one in node.attribute if one.name == "perm"), [])
                if sorted(order) == list(range(len(axes))):
                    waiting.append((node.output[0], tuple(axes[place] for place in order)))
            elif node.op_type in _HANDED_ON:
                waiting.append((node.output[0], axes))
    return Cache(_likely_axis(info.shape), False, "as its name says") if named else None


def _adds_computed(model: Graph, node: NodeProto, tensor: str, name: str) -> bool:
    """Return whether a Concat joins a tensor with values that come from other inputs alone."""
    others = [one for one in node.input if one != tensor]
    if not others or not any(one in model.producers for one in others):
        return False
    needed = ancestors(model.nodes, others, ())[1]
    return name not in needed and not needed.isdisjoint(model.inputs)


def _use(model: Graph, readers: Mapping[str, Sequence[NodeProto]], tensor: str) -> str:
    """Return what becomes of a joined tensor: "attention", the name of the output that it is, or ""."""
    seen, handed, waiting = {tensor}, {tensor}, [tensor]
    while waiting:
        one = waiting.pop()
        for node in readers.get(one, ()):
            if node.op_type == "MatMul" and not any(_is_constant(model, other) for other in node.input):
                return "attention"
            if "Attention" in node.op_type:
                return "attention"
            scaled = node.op_type in ("Mul", "Div") and any(_is_constant(model, other) for other in node.input)
            if (node.op_type in _RESHAPED or scaled) and node.output[0] not in seen:
                seen.add(node.output[0])
                waiting.append(node.output[0])
                if one in handed and node.op_type in (*_HANDED_ON, "Slice"):
                    handed.add(node.output[0])
    return next((name for name in model.outputs if name in handed), "")


def _is_constant(model: Graph, name: str) -> bool:
    if name in model.constants:
        return True
    if name in model.inputs:
        return False
    try:
        model.weight(name)
    except OnnxvizError:
        return False
    return True


def _axis(node: NodeProto, rank: int) -> int:
    axis = next((one.i for one in node.attribute if one.name == "axis"), 0)
    return axis % rank if rank else 0


def _likely_axis(shape: tuple[int | str | None, ...]) -> int | None:
    """Return the axis of the past where no operator tells it: the axis of such a name, or the only open one."""
    is_open = [axis for axis, size in enumerate(shape) if axis and not isinstance(size, int)]
    for axis in is_open:
        if "past" in str(shape[axis]).lower() or "cache" in str(shape[axis]).lower():
            return axis
    others = [axis for axis in is_open if "batch" not in str(shape[axis]).lower()]
    return others[0] if len(others) == 1 else None
