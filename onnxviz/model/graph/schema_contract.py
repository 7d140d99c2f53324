"""The check of nodes against the schemas of their operators, in Python, before C++ reads the graph.

The shape inference of onnx assumes a checked model: it reads a required input that is missing, and the process crashes.
ONNX Runtime refuses such nodes with a message. So does this check, and it refuses nothing that ONNX Runtime runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto
from onnx.defs import OpSchema

from onnxviz.errors import ModelError
from onnxviz.model.graph import structure

_NEWEST = (1 << 31) - 1
"""The highest opset version that a schema can be looked up for: onnx stores it in 32 bits."""


@dataclass(frozen=True)
class Contract:
    """The rules of an operator's schema for the nodes that call the operator.

    Attributes
    ----------
    what : str
        The operator and the opset version that its schema appeared in, for messages.
    required : tuple of (int, str)
        The positions of the required inputs, and their names.
    inputs, outputs : tuple of (int, int)
        The least and the highest number of inputs, and of outputs.
    attributes : dict of str to int
        The type of each attribute, as AttributeProto numbers them.
    """

    what: str
    required: tuple[tuple[int, str], ...]
    inputs: tuple[int, int]
    outputs: tuple[int, int]
    attributes: Mapping[str, int]


@cache
def schema_at(domain: str, operator: str, version: int) -> OpSchema | None:
    """Return the schema of an operator at an opset version; None for operators that onnx does not define.

    Parameters
    ----------
    domain, operator : str
        As written in the node; the ONNX domain is "".
    version : int
        The version that the file imports. Any number is accepted: the file is untrusted.
    """
    if version < 1:
        return None
    try:
        return onnx.defs.get_schema(operator, min(version, _NEWEST), domain)
    except onnx.defs.SchemaError:
        return None


@cache
def contract(domain: str, operator: str, version: int) -> Contract | None:
    """Return the rules of an operator's schema; None for operators that onnx does not define, or no longer defines.

    Parameters
    ----------
    domain, operator, version
        As in `schema_at`.
    """
    schema = schema_at(domain, operator, version)
    if schema is None or schema.deprecated:
        return None
    single = OpSchema.FormalParameterOption.Single
    required = [(place, given.name) for place, given in enumerate(schema.inputs) if given.option == single]
    if schema.inputs and schema.inputs[-1].option == OpSchema.FormalParameterOption.Variadic:
        # ONNX Runtime accepts empty names among the inputs of a Concat, except the first.
        required += [(len(schema.inputs) - 1, schema.inputs[-1].name)] if schema.inputs[-1].min_arity else []
    return Contract(
        f"{operator} of opset {schema.since_version}",
        tuple(required),
        (schema.min_input, schema.max_input),
        (schema.min_output, schema.max_output),
        {name: _number(attribute.type) for name, attribute in schema.attributes.items()},
    )


def breach(node: NodeProto, version: int) -> str | None:
    """Return how a node breaks its operator's schema, as a part of a sentence; None if it does not.

    Parameters
    ----------
    node : NodeProto
        The node. Its subgraphs are not checked.
    version : int
        The imported opset version of the node's domain.
    """
    asked = contract("" if node.domain == "ai.onnx" else node.domain, node.op_type, version)
    if asked is None:
        return None
    inputs, outputs = node.input, len(node.output)
    given = len(inputs)
    for place, name in asked.required:
        if place >= given or not inputs[place]:
            return f"has no input {place + 1}, '{name}', which {asked.what} needs"
    least, most = asked.inputs
    if not least <= given <= most:
        while given > most and not inputs[given - 1]:
            given -= 1  # empty names at the end stand for nothing
        if given > most:
            return f"has {given} inputs; {asked.what} takes at most {most}"
        if given < least:
            return f"has {given} inputs; {asked.what} takes at least {least}"
    least, most = asked.outputs
    if not least <= outputs <= most:
        return f"has {outputs} outputs; {asked.what} gives at {f'most {most}' if outputs > most else f'least {least}'}"
    for attribute in node.attribute:
        kind, wanted = attribute.type, asked.attributes.get(attribute.name)
        # Files of 2017 leave the type out.
        if kind != wanted and wanted is not None and kind != AttributeProto.UNDEFINED:
            return f"has the attribute '{attribute.name}' as {_kind(kind)}; {asked.what} takes it as {_kind(wanted)}"
    return None


def check(model: ModelProto, opsets: Mapping[str, int]) -> None:
    """Refuse a model if one of its nodes, at any depth, breaks its operator's schema.

    Parameters
    ----------
    model : ModelProto
        The file. Its functions are checked too.
    opsets : mapping of str to int
        The version of each domain; the ONNX domain is "".

    Raises
    ------
    ModelError
        If a node breaks its schema. The message names the node, the operator, and the input by name and position.
    """
    local = {(function.domain, function.name) for function in model.functions}
    check_graph(model.graph, opsets, local)
    for function in model.functions:
        own = {
            **opsets,
            **{("" if one.domain == "ai.onnx" else one.domain): one.version for one in function.opset_import},
        }
        _check_nodes(function.node, own, local)


def check_graph(graph: GraphProto, opsets: Mapping[str, int], local: Collection[tuple[str, str]] = ()) -> None:
    """Refuse a graph if one of its nodes, at any depth, breaks its operator's schema.

    Parameters
    ----------
    graph : GraphProto
        The graph.
    opsets : mapping of str to int
        The version of each domain; the ONNX domain is "".
    local : collection of (str, str)
        Domain and name of the file's own functions. A node may call them like operators.

    Raises
    ------
    ModelError
        As in `check`.
    """
    _check_nodes(graph.node, opsets, local)


def _check_nodes(nodes: Iterable[NodeProto], opsets: Mapping[str, int], local: Collection[tuple[str, str]]) -> None:
    for node in nodes:
        if (node.domain, node.op_type) not in local:
            wrong = breach(node, opsets.get("" if node.domain == "ai.onnx" else node.domain, 1))
            if wrong is not None:
                raise ModelError(f"{label(node)} {wrong}; the file is damaged, or its exporter is at fault")
        for graph in structure.subgraphs(node):
            _check_nodes(graph.node, opsets, local)


def label(node: NodeProto) -> str:
    """Return a node's operator and name for messages; without a name, its operator and first output."""
    if node.name:
        return f"the {node.op_type} node '{node.name}'"
    made = next((name for name in node.output if name), None)
    return f"a {node.op_type} node without a name" if made is None else f"the {node.op_type} node that makes '{made}'"


def _number(kind: Any) -> int:
    """Return an attribute's type as AttributeProto numbers it; onnx's type hints do not say that it is a number."""
    return int(kind)


def _kind(number: int) -> str:
    """Return the type of an attribute as ONNX names it."""
    known = AttributeProto.AttributeType.DESCRIPTOR.values_by_number
    return str(known[number].name) if number in known else f"type {number}"
