"""Masks: inputs that switch parts of other inputs on and off, and the value that leaves everything on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from onnxviz.errors import OnnxvizError
from onnxviz.model.graph.graph import Graph

_HANDED_ON = ("Identity", "Cast", "Unsqueeze", "Squeeze", "Reshape", "Expand", "Slice", "Transpose", "Tile", "And")
_ELEMENTWISE = ("Add", "Sub", "Mul", "Div", "Where", "Cast", "Identity", "Reshape", "Transpose", "Clip")
_LARGE = 1e3
"""A number that is added to scores to hide them is at least so large; unnamed inputs need `_UNNAMED`."""
_UNNAMED = 1e4

_KEPT_BY_ONE = {("com.microsoft", "MultiHeadAttention"): 4, ("com.microsoft", "Attention"): 3}
_ADDED = {("com.microsoft", "MultiHeadAttention"): 5, ("", "Attention"): 3}
"""The places of masks among an operator's inputs: masks of ones and zeros, and masks that are added to scores."""


def find_mask(model: Graph, readers: Mapping[str, Sequence[NodeProto]], name: str) -> float | None:
    """Return the value of a mask that leaves everything on: 1, or 0 for a mask that hides; None if it is no mask.

    The operators decide before the name: a mask that is subtracted from 1 and multiplied by a large number is on at 1;
    a mask where a large negative number is chosen is on at 0; a mask that is added to scores is on at 0.

    Parameters
    ----------
    model : Graph
        The model.
    readers : mapping of str to sequence of NodeProto
        The nodes that read each tensor.
    name : str
        The input.

    Examples
    --------
    >>> import onnx.parser
    >>> from onnxviz import load
    >>> from onnxviz.model.graph.structure import readers
    >>> text = '''<ir_version: 8, opset_import: ["" : 17]> g (float[N, 3] x, float[N, 3] allowed) => (float[N, 3] y)
    ... <float one = {1}, float big = {-10000}> { o = Sub(one, allowed)  b = Mul(o, big)  a = Add(x, b)  y = Softmax(a) }'''
    >>> model = load(onnx.parser.parse_model(text))
    >>> find_mask(model, readers(model.nodes), "allowed"), find_mask(model, readers(model.nodes), "x")
    (1.0, None)
    """
    named = "mask" in name.lower()
    uses = _uses(model, readers, name, named)
    if not named and _OTHER in uses:
        return None
    sure = [use.is_on for use in uses if use.is_sure]
    if sure or not named:
        return sure[0] if sure else None
    return next((use.is_on for use in uses if use is not _OTHER), 1.0)


@dataclass(frozen=True, slots=True)
class _Use:
    """The value of a mask that leaves everything on for one reader, and whether the reader proves a mask."""

    is_on: float
    is_sure: bool


_OTHER = _Use(math.nan, is_sure=False)
"""A use as data."""


def _uses(model: Graph, readers: Mapping[str, Sequence[NodeProto]], name: str, named: bool) -> list[_Use]:
    """Return the uses of an input as a mask, behind casts, reshapes and comparisons."""
    found: list[_Use] = []
    waiting = [(name, True)]
    seen = set(waiting)
    while waiting:
        tensor, straight = waiting.pop()
        for node in readers.get(tensor, ()):
            turned = _turned(model, node, tensor)
            if turned is None:
                found.append(_use(model, readers, node, tensor, straight, named))
            elif (step := (node.output[0], straight == turned)) not in seen:
                seen.add(step)
                waiting.append(step)
    return found


def _turned(model: Graph, node: NodeProto, tensor: str) -> bool | None:
    """Return whether a node hands a mask on as it is: False where it exchanges 0 and 1, None where it does neither."""
    places, is_first = list(node.input), node.input[0] == tensor
    if node.op_type in _HANDED_ON:
        return True if is_first or node.op_type == "And" else None
    if node.op_type == "Not":
        return False
    number = _other(model, places, tensor) if node.op_type in ("Equal", "Greater", "Less", "Sub") else None
    if number is None or not 0 <= number <= 1:
        return None
    if node.op_type == "Equal":
        return number == 1
    if node.op_type == "Sub":  # from 1; or 1 from it, which the sign of a factor turns back
        return False if number == 1 else None
    return bool(is_first == (node.op_type == "Greater"))


def _use(
    model: Graph, readers: Mapping[str, Sequence[NodeProto]], node: NodeProto, tensor: str, straight: bool, named: bool
) -> _Use:
    """Return the use of a mask by one reader; `straight` is false where 0 and 1 are exchanged before."""
    places, kind = list(node.input), (node.domain, node.op_type)
    place = places.index(tensor)
    if place == _KEPT_BY_ONE.get(kind, -1):
        return _Use(1.0, is_sure=True)
    if place == _ADDED.get(kind, -1):
        return _Use(float(model.tensors[tensor].dtype == "bool"), is_sure=True)
    large = _LARGE if named else _UNNAMED
    if node.op_type == "Where" and place == 0:
        hides = [number is not None and number <= -large for number in (_number(model, one) for one in places[1:3])]
        return _Use(float(straight == hides[1]), is_sure=True) if hides[0] != hides[1] else _OTHER
    if node.op_type == "Mul":
        number = _other(model, places, tensor)
        if number is None:
            return _Use(float(straight), is_sure=False)
        return _Use(float(not straight), is_sure=True) if abs(number) >= large and (named or not straight) else _OTHER
    if node.op_type == "Add" and named and straight and _is_scored(readers, node.output[0], 2):
        return _Use(0.0, is_sure=True)
    return _OTHER


def _other(model: Graph, places: list[str], tensor: str) -> float | None:
    """Return the constant number that a node reads beside a tensor; None if it reads another tensor."""
    return next((_number(model, one) for one in places if one != tensor), None)


def _number(model: Graph, name: str) -> float | None:
    """Return the value of a constant that holds one number; None for all others."""
    info = model.tensors.get(name)
    if info is None or name in model.inputs or (info.shape is not None and any(size != 1 for size in info.shape)):
        return None
    try:
        value = np.asarray(model.weight(name)).reshape(-1)
    except OnnxvizError:
        return None
    return float(value[0]) if value.size == 1 and value.dtype.kind in "biuf" else None


def _is_scored(readers: Mapping[str, Sequence[NodeProto]], tensor: str, steps: int) -> bool:
    """Return whether a Softmax reads a tensor after a few operators without weights."""
    for node in readers.get(tensor, ()):
        if "Softmax" in node.op_type:
            return True
        if steps and node.op_type in _ELEMENTWISE and _is_scored(readers, node.output[0], steps - 1):
            return True
    return False
