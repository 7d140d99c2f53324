"""The float tensor that a tensor of integers, truth values or text is made of: such a tensor cannot be maximized itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from onnx import NodeProto

from onnxviz.model.graph.graph import Graph
from onnxviz.target import Target

_ROUNDING = frozenset(("Cast", "CastLike", "QuantizeLinear", "DynamicQuantizeLinear", "Identity", "Clip", "Min", "Max"))
"""Operators that keep every number at its place."""


@dataclass(frozen=True)
class FloatSource:
    """The nearest float tensor before a tensor that holds no floats.

    Attributes
    ----------
    tensor : str
        The float tensor.
    operator : str
        The operator that reads it on the way.
    alike : bool
        Whether both tensors have the same elements, but for rounding, so that an index means the same.
    """

    tensor: str
    operator: str
    alike: bool


def float_source(model: Graph, name: str) -> FloatSource | None:
    """Return the nearest float tensor inside the graph that a tensor without floats is made of; None if there is none.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        A tensor of integers, truth values or text.

    Examples
    --------
    >>> import onnx.parser
    >>> from onnxviz import load
    >>> head = '<ir_version: 8, opset_import: ["" : 17]> g (float[1, 3] x) => (int64[1, 1] y)'
    >>> text = head + "{ s = Neg(x)  y = ArgMax <axis = 1> (s) }"
    >>> float_source(load(onnx.parser.parse_model(text)), "y")
    FloatSource(tensor='s', operator='ArgMax', alike=False)
    """
    waiting, seen = [(name, True)], {name}
    while waiting:
        tensor, alike = waiting.pop(0)
        node = model.producers.get(tensor)
        if node is None:
            continue
        alike = alike and node.op_type in _ROUNDING and node.output[0] == tensor
        for other in _before(model, node, tensor):
            info = model.tensors.get(other)
            if info is None or other in model.constants or other in seen:
                continue
            seen.add(other)
            if info.is_float and info.element_type and other in model.producers and info.shape != ():
                return FloatSource(other, node.op_type, alike)
            if not info.is_float:
                waiting.append((other, alike))
    return None


def unrounded(model: Graph, target: Target) -> Target | None:
    """Return the target in the float tensor that is rounded to integers; None if no rounding makes the target.

    Parameters
    ----------
    model : Graph
        The model.
    target : Target
        The target. Its index means the same in the float tensor.
    """
    if not model.tensors[target.tensor].is_integer:
        return None
    found = float_source(model, target.tensor)
    return replace(target, tensor=found.tensor) if found is not None and found.alike else None


def _before(model: Graph, node: NodeProto, tensor: str) -> list[str]:
    """Return what a tensor is made of: of a classifier's labels its scores, else all that the node reads."""
    scores = [name for name in node.output if name != tensor and name in model.tensors and model.tensors[name].is_float]
    labels = node.domain == "ai.onnx.ml" and node.output[0] == tensor
    return [*(scores if labels else ()), *filter(None, node.input)]
