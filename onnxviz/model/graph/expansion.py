"""Operators that the ONNX schema defines by other operators: a node becomes the nodes of its function body."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from onnx import AttributeProto, FunctionProto, NodeProto, TypeProto
from onnx.defs import OpSchema

from onnxviz.model.graph import structure
from onnxviz.model.graph.schema_contract import breach, schema_at


def schema_of(node: NodeProto, version: int) -> OpSchema | None:
    """Return the schema of a node's operator at an opset version; None for operators that onnx does not define."""
    return schema_at(node.domain, node.op_type, version)


def expand(
    node: NodeProto, opsets: Mapping[str, int], types: Sequence[TypeProto | None], fresh: Callable[[], str]
) -> tuple[list[NodeProto], dict[str, int]] | None:
    """Return the nodes of an operator's function body, wired to the node's own inputs and outputs.

    Parameters
    ----------
    node : NodeProto
        The node to replace.
    opsets : mapping of str to int
        The version of each operator domain.
    types : sequence of TypeProto or None
        The types of the node's inputs; some bodies depend on them.
    fresh : callable
        Returns a new prefix for names inside the body.

    Returns
    -------
    nodes : list of NodeProto
    opsets : dict of str to int
        The operator versions that the body uses, by domain.
    None
        If the schema has no body for these types.
    """
    schema = schema_of(node, opsets.get(node.domain, 1))
    if schema is None or breach(node, opsets.get(node.domain, 1)) is not None:
        return None
    # Bodies are written in operators of the ONNX domain, and chosen by its version.
    body = _body(schema, node, opsets.get("", 1), types)
    if body is None:
        return None
    inner = {("" if entry.domain == "ai.onnx" else entry.domain): entry.version for entry in body.opset_import}
    return _wire(body, node, schema, fresh()), {**opsets, **inner}


def has_body(schema: Any) -> bool:
    """Return whether onnx defines an operator by other operators."""
    return bool(schema.has_function or schema.has_context_dependent_function)


def _body(schema: Any, node: NodeProto, version: int, types: Sequence[TypeProto | None]) -> FunctionProto | None:
    if schema.has_context_dependent_function:
        known = [kind.SerializeToString() if kind is not None else TypeProto().SerializeToString() for kind in types]
        versions = [v for v in schema.context_dependent_function_opset_versions if v <= version]
        try:
            found = schema.get_context_dependent_function_with_opset_version(
                versions[-1] if versions else schema.since_version, node.SerializeToString(), known
            )
        except Exception:  # a body that cannot be built for these types counts as none
            return None
        return FunctionProto.FromString(found) if found else None
    if schema.has_function:
        versions = [v for v in schema.function_opset_versions if v <= version]
        found = schema.get_function_with_opset_version(versions[-1] if versions else schema.since_version)
        return FunctionProto.FromString(found) if found else None
    return None


def _wire(body: FunctionProto, node: NodeProto, schema: OpSchema, prefix: str) -> list[NodeProto]:
    attributes = {attribute.name: attribute for attribute in node.attribute}
    for name, declared in schema.attributes.items():
        if name not in attributes and declared.default_value.name:
            attributes[name] = declared.default_value
    for default in body.attribute_proto:
        attributes.setdefault(default.name, default)
    names = dict(itertools.zip_longest(body.input, node.input[: len(body.input)], fillvalue=""))
    names.pop("", None)
    names.update({inner: outer for inner, outer in zip(body.output, node.output, strict=False) if outer})
    return [_rename(inner, names, attributes, prefix) for inner in body.node]


def _rename(
    node: NodeProto, names: Mapping[str, str], attributes: Mapping[str, AttributeProto], prefix: str
) -> NodeProto:
    def outer(name: str) -> str:
        return names.get(name, f"{prefix}{name}") if name else ""

    copy = NodeProto(op_type=node.op_type, domain=node.domain, name=f"{prefix}{node.name}")
    copy.input.extend(outer(name) for name in node.input)
    copy.output.extend(outer(name) for name in node.output)
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            given = attributes.get(attribute.ref_attr_name)
            if given is not None:
                copy.attribute.add().CopyFrom(given)
                copy.attribute[-1].name = attribute.name
            continue
        copy.attribute.add().CopyFrom(attribute)
    for graph in structure.subgraphs(copy):
        own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
        own |= {name for inner in graph.node for name in inner.output}
        inside = {**{name: name for name in own if name}, **{k: v for k, v in names.items() if k not in own}}
        renamed = [_rename(inner, inside, attributes, prefix) for inner in graph.node]
        del graph.node[:]
        graph.node.extend(renamed)
        for value in graph.output:  # a body may return a captured tensor unchanged
            if value.name not in own:
                value.name = outer(value.name)
    return copy
