"""The tensors that depend on random operators, which draw other numbers at every run of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto

from onnxviz.errors import OnnxvizError
from onnxviz.model.graph.constants import from_proto
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.structure import read_by, subgraphs

RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
)
"""Operators of the ONNX domain that draw at every run. A Dropout draws in training mode alone."""

_Value = Callable[[str], Any]
"""Returns the value of a tensor by its name; None where it is not known."""


@dataclass(frozen=True)
class Draw:
    """A place in the graph where random numbers are drawn.

    Attributes
    ----------
    operator : str
        The random operator; for a draw inside a subgraph, the one inside.
    tensor : str
        The tensor outside of subgraphs that holds what is drawn.
    """

    operator: str
    tensor: str

    def __str__(self) -> str:
        return f"{self.operator} at {self.tensor}"


def random_tensors(model: Graph, fed: Mapping[str, Any] | None = None) -> dict[str, Draw]:
    """Return the tensors whose values change from run to run, each with the first draw that it depends on.

    Parameters
    ----------
    model : Graph
        The model.
    fed : mapping of str to ndarray, optional
        Values of inputs. They tell whether a Dropout is in training mode where an input decides it; where nothing tells,
        the Dropout counts as random.
    """
    fed = {} if fed is None else fed

    def value(name: str) -> Any:
        if name in fed:
            return fed[name]
        try:
            return model.weight(name) if name in model.constants else None
        except OnnxvizError:
            return None

    found: dict[str, Draw] = {}
    for node in model.nodes:
        before = next((found[name] for name in read_by(node) if name in found), None)
        operator = "" if before else _drawing(node, value)
        for name in node.output:
            if name and (before or operator):
                found[name] = before or Draw(operator, name)
    return found


def random_note(model: Graph, tensors: Iterable[str], fed: Mapping[str, Any] | None = None) -> str:
    """Return a sentence on those of some tensors that depend on random operators; "" if none does.

    Parameters
    ----------
    model, fed
        As in `random_tensors`.
    tensors : iterable of str
        The tensors that numbers are shown of.
    """
    found = random_tensors(model, fed)
    name = next((one for one in tensors if one in found), None)
    if name is None:
        return ""
    draw = found[name]
    where = f"{draw.operator} makes it" if draw.tensor == name else f"it depends on {draw}"
    return f"{name} is random: {where}, which draws anew at every run; each number shown is that of one run"


def _drawing(node: NodeProto, value: _Value) -> str:
    """Return the random operator that a node is, or that its subgraphs hold; "" if there is none."""
    if node.domain == "":
        if node.op_type in RANDOM:
            return str(node.op_type)
        if node.op_type == "Dropout" and _training(node, value):
            return "Dropout in training mode"
    for graph in subgraphs(node):
        inside = _inside(graph, value)
        found = next(filter(None, (_drawing(inner, inside) for inner in graph.node)), "")
        if found:
            return found
    return ""


def _training(node: NodeProto, value: _Value) -> bool:
    """Return whether a Dropout drops elements: it is in training mode, or may be, and its ratio is not 0."""
    if len(node.input) < 3 or not node.input[2]:
        return False
    training, ratio = value(node.input[2]), value(node.input[1]) if node.input[1] else None
    on = training is None or bool(np.asarray(training).any())
    return on and (ratio is None or bool(np.asarray(ratio).any()))


def _inside(graph: GraphProto, outer: _Value) -> _Value:
    """Return a lookup of values inside a subgraph, whose own tensors hide those around it."""
    own: dict[str, Any] = dict.fromkeys(one.name for one in graph.input)
    for node in graph.node:
        own.update(dict.fromkeys(node.output))
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.type == AttributeProto.TENSOR:
                own[node.output[0]] = attribute.t
    own.update((tensor.name, tensor) for tensor in graph.initializer)

    def value(name: str) -> Any:
        if name not in own:
            return outer(name)
        try:
            return from_proto(own[name], f"the value of '{name}'")
        except OnnxvizError:
            return None

    return value
