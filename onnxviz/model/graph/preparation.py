"""Preparation of a file's protocol buffer for `Graph`: nodes in order, functions inlined, large constants set apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

import onnx
import onnx.inliner
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from onnxviz.errors import ModelError
from onnxviz.model.graph import function_calls, schema_contract, structure
from onnxviz.model.graph.constants import Weight, declare, hoist, named_parts, separate, tensors_in
from onnxviz.model.graph.survival import survive


def prepare(original: ModelProto) -> tuple[GraphProto, dict[str, Weight], dict[str, int]]:
    """Return the graph, the constants and the opsets of a file.

    Parameters
    ----------
    original : ModelProto
        The file; not changed.

    Returns
    -------
    graph : GraphProto
        Nodes in an order in which they can run, functions inlined, domain "ai.onnx" written as "", large constants
        without values.
    constants : dict of str to (TensorProto or SparseTensorProto)
        By name.
    opsets : dict of str to int
        The version of each domain.

    Raises
    ------
    ModelError
        If the file is not a valid ONNX model.
    """
    for name in _names(original):
        if not isinstance(name, str):  # protocol buffers return text that is not UTF-8 as bytes
            raise ModelError(f"a name in it is not text ({name!r:.40}); the file is damaged")
    opsets = _opsets(original, original.graph)
    schema_contract.check(original, opsets)
    graph, constants = separate(original.graph)
    if original.functions:
        graph = _inlined(original, graph, opsets)
        inside: dict[str, Weight] = {}
        others = hoist(graph.node, inside, set(constants))
        del graph.node[:]
        graph.node.extend(others)
        declare(graph, inside)
        constants.update(inside)
        opsets = _opsets(original, graph, opsets)
        # A call may leave out an input that an operator inside the function needs.
        schema_contract.check_graph(graph, opsets)
    _normalize(graph.node)
    names = [value.name for value in graph.input]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise ModelError(f"the input '{twice}' occurs twice in the file; each name may occur once")
    given = {*names, *constants}
    ordered = structure.in_order(list(graph.node), given)
    made = {name for node in ordered for name in node.output if name} | given
    if not graph.output:
        raise ModelError("its graph has no output")
    for value in graph.output:
        if value.name not in made:
            raise ModelError(f"no node makes its output '{value.name}'")
    if any(a is not b for a, b in zip(ordered, graph.node, strict=True)):
        in_order = GraphProto()
        in_order.CopyFrom(graph)
        del in_order.node[:]
        in_order.node.extend(ordered)
        graph = in_order
    return graph, constants, opsets


def _names(original: ModelProto) -> Iterator[object]:
    """Yield every name and key of a file."""
    yield original.producer_name
    for entry in original.metadata_props:
        yield from (entry.key, entry.value)
    for opset in original.opset_import:
        yield opset.domain
    for function in original.functions:
        yield from (function.name, function.domain, *function.input, *function.output, *function.attribute)
        yield from (opset.domain for opset in function.opset_import)
        yield from _names_in(function.node)
    yield from _names_of(original.graph)


def _names_of(graph: GraphProto) -> Iterator[object]:
    yield graph.name
    for value in [*graph.input, *graph.output, *graph.value_info]:
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (sparse.values.name for sparse in graph.sparse_initializer)
    yield from _names_in(graph.node)


def _names_in(nodes: Iterable[NodeProto]) -> Iterator[object]:
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
        for graph in structure.subgraphs(node):
            yield from _names_of(graph)


def _inlined(original: ModelProto, graph: GraphProto, opsets: dict[str, int]) -> GraphProto:
    """Return a graph with the calls of model-local functions replaced by the functions' nodes."""
    function_calls.check(original)
    proto = ModelProto(ir_version=max(original.ir_version, 8), graph=graph, functions=original.functions)
    for domain, version in opsets.items():
        proto.opset_import.add(domain=domain, version=version)

    def work() -> bytes:
        try:
            found: bytes = onnx.inliner.inline_local_functions(proto).graph.SerializeToString()
            return found
        except MemoryError:
            raise
        except Exception as error:  # the inliner raises RuntimeError and others for invalid functions
            lines = str(error).splitlines() or [type(error).__name__]
            raise ModelError(f"its functions cannot be inlined: {lines[0]}") from None

    inlined: GraphProto = GraphProto.FromString(survive(work, "onnx's inlining of functions"))
    return inlined


def every_tensor(original: ModelProto, constants: dict[str, Weight]) -> Iterator[TensorProto]:
    """Yield all tensors of the file, also those in attributes and functions: any path could lead out of the folder."""
    for name, weight in constants.items():
        yield from named_parts(name, weight)
    yield from tensors_in(original.graph.node)
    for function in original.functions:
        yield from tensors_in(function.node)


def _opsets(proto: ModelProto, graph: GraphProto, known: Mapping[str, int] | None = None) -> dict[str, int]:
    """Return the version of each domain.

    Files older than opset imports use version 1 of all domains. For a domain that a later file does not import, the
    newest version is taken, as in ONNX Runtime.

    Raises
    ------
    ModelError
        If a file that needs opset imports has none: it was cut short.
    """
    opsets = dict(known or {})
    for entry in proto.opset_import:
        opsets["" if entry.domain == "ai.onnx" else entry.domain] = entry.version
    if not opsets and proto.ir_version >= 3:
        raise ModelError("it names no operator set; the file is cut short, or its exporter forgot opset_import")
    for domain in sorted({"", *_domains(graph)} - set(opsets)):
        opsets[domain] = 1 if proto.ir_version < 3 else _newest(domain)
    return opsets


def _domains(graph: GraphProto) -> Iterator[str]:
    for node in graph.node:
        yield "" if node.domain == "ai.onnx" else node.domain
        for body in structure.subgraphs(node):
            yield from _domains(body)


@cache
def _newest(domain: str) -> int:
    versions = [schema.since_version for schema in onnx.defs.get_all_schemas() if schema.domain == domain]
    return max(versions, default=1)


def _normalize(nodes: Iterable[NodeProto]) -> None:
    """Write the ONNX domain as "", in subgraphs too."""
    for node in nodes:
        if node.domain == "ai.onnx":
            node.domain = ""
        for graph in structure.subgraphs(node):
            _normalize(graph.node)
