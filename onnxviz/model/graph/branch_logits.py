"""The logits inside an If: what the branches squash becomes one more output of the If, so that it can be a target."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from onnx import GraphProto, NodeProto, ValueInfoProto
from onnx.helper import make_node

from onnxviz.model.graph import structure
from onnxviz.model.graph.graph import AnyGraph

LOGITS = "/logits"
"""The end of the name of an added output; it begins with the name of the squashed output."""

_CARRYING = frozenset(
    {"Identity", "Cast", "Dropout", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Transpose", "ReduceMean"}
)
"""Operators that may follow a squashing function inside a branch: they move values or average them."""

_DEPTH = 8
"""So many of them may follow."""


def with_branch_logits(model: AnyGraph, squashing: Collection[str]) -> AnyGraph:
    """Return a graph in which every If that squashes an output has an output for the values before, too.

    A branch that does not squash gives its own value there. Everything else is the same: the added outputs belong to the
    graph alone, and ONNX Runtime runs the untouched file for outputs of the file.

    Parameters
    ----------
    model : Graph
        The graph; not changed.
    squashing : collection of str
        Operators that squash their first input, such as Softmax.

    Returns
    -------
    Graph
        The same graph if no branch squashes an output.
    """
    producers = dict(model.producers)
    taken = set(model.tensors)
    nodes = [_extended(node, producers, taken, squashing) for node in model.nodes]
    if all(one is other for one, other in zip(nodes, model.nodes, strict=True)):
        return model
    graph = GraphProto()
    graph.CopyFrom(model.graph)
    del graph.node[:]
    graph.node.extend(nodes)
    return type(model)(
        model.source,
        graph,
        model.opsets,
        model.constants,
        model.original,
        whole=model.whole,
        settled=model.settled,
        classes=model.classes,
    )


def _extended(
    node: NodeProto,
    around: Mapping[str, NodeProto],
    taken: set[str],
    squashing: Collection[str],
) -> NodeProto:
    """Return an If with the added outputs; any other node, and an If that squashes nothing, as it is."""
    if node.op_type != "If" or node.domain or len(list(structure.subgraphs(node))) != 2:
        return node
    found = NodeProto()
    found.CopyFrom(node)
    branches = list(structure.subgraphs(found))
    scopes = []
    for branch in branches:
        scope = dict(around)
        inner = []
        for one in branch.node:
            one = _extended(one, scope, taken, squashing)
            inner.append(one)
            scope.update((name, one) for name in one.output if name)
        del branch.node[:]
        branch.node.extend(inner)
        scopes.append(scope)
    changed = False
    outputs = [list(branch.output) for branch in branches]
    for output, *values in zip(node.output, *outputs, strict=True):
        name = f"{output}{LOGITS}"
        chains = [_chain(value.name, scope, squashing) for value, scope in zip(values, scopes, strict=True)]
        if not output or name in taken or not any(chains):
            continue
        taken.add(name)
        for branch, value, chain in zip(branches, values, chains, strict=True):
            start, tail = chain or (value.name, [])
            _give(branch, start, tail, name, taken)
        found.output.append(name)
        changed = True
    return found if changed else node


def _chain(name: str, scope: Mapping[str, NodeProto], squashing: Collection[str]) -> tuple[str, list[NodeProto]] | None:
    """Return what is squashed into a tensor, and the nodes between the squashing and the tensor; None if nothing is."""
    tail: list[NodeProto] = []
    for _ in range(_DEPTH):
        node = scope.get(name)
        if node is None or node.domain:
            return None
        if node.op_type in squashing:
            return node.input[0], tail[::-1]
        if node.op_type == "If" and f"{name}{LOGITS}" in node.output:
            return f"{name}{LOGITS}", tail[::-1]
        if node.op_type not in _CARRYING:
            return None
        tail.append(node)
        name = node.input[0]
    return None


def _give(branch: GraphProto, value: str, tail: list[NodeProto], name: str, taken: set[str]) -> None:
    """Add an output to a branch: a value after the nodes that followed its squashing, so that it has the squashed layout."""
    # At least by an Identity: a branch may not return a tensor of the graph around it, nor one tensor twice.
    for node in tail or [make_node("Identity", [value], [""])]:
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.input[0], copy.name = value, ""
        value = name
        while value in taken:
            value += "'"
        taken.add(value)
        del copy.output[:]
        copy.output.append(value)
        branch.node.append(copy)
    # Its type is left to inference.
    branch.output.append(ValueInfoProto(name=value))
