"""The logits inside an If: what the branches squash becomes one more output of the If, so that it can be a target."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from onnx import GraphProto, NodeProto, ValueInfoProto
from onnx.helper import make_node

from onnxviz.model.graph import structure
from onnxviz.model.graph.graph import AnyGraph

LOGITS = "/logits"
"""The end of the name of an added output; it begins with the name of the squashed output."""

_DEPTH = 8
"""So many operators that hand values on may follow a squashing function."""


def with_branch_logits(model: AnyGraph, squashing: Collection[str], transparent: Collection[str]) -> AnyGraph:
    """Return a graph in which every If that squashes an output has an output for the values before, too.

    A branch that does not squash gives its own value there. Everything else is the same: the added outputs belong to the
    graph alone, and ONNX Runtime runs the untouched file for outputs of the file.

    Parameters
    ----------
    model : Graph
        The graph; not changed.
    squashing : collection of str
        Operators that squash their first input, such as Softmax.
    transparent : collection of str
        Operators behind them that hand values on.

    Returns
    -------
    Graph
        The same graph if no branch squashes an output.
    """
    producers = dict(model.producers)
    taken = set(model.tensors)
    nodes = [_extended(node, producers, taken, squashing, transparent) for node in model.nodes]
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
    transparent: Collection[str],
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
            one = _extended(one, scope, taken, squashing, transparent)
            inner.append(one)
            scope.update((name, one) for name in one.output if name)
        del branch.node[:]
        branch.node.extend(inner)
        scopes.append(scope)
    changed = False
    for place, output in enumerate(node.output):
        before = [
            _before(branch.output[place].name, scope, squashing, transparent)
            for branch, scope in zip(branches, scopes, strict=True)
        ]
        name = f"{output}{LOGITS}"
        if not output or name in taken or not any(before):
            continue
        taken.add(name)
        for branch, logits in zip(branches, before, strict=True):
            _give(branch, logits or branch.output[place].name, name, taken)
        found.output.append(name)
        changed = True
    return found if changed else node


def _before(
    name: str, scope: Mapping[str, NodeProto], squashing: Collection[str], transparent: Collection[str]
) -> str:
    """Return the tensor that is squashed into a tensor; "" if none is."""
    for _ in range(_DEPTH):
        node = scope.get(name)
        if node is None or node.domain:
            return ""
        if node.op_type in squashing:
            return node.input[0]
        if node.op_type == "If" and f"{name}{LOGITS}" in node.output:
            return f"{name}{LOGITS}"
        if node.op_type not in transparent:
            return ""
        name = node.input[0]
    return ""


def _give(branch: GraphProto, value: str, name: str, taken: set[str]) -> None:
    """Add an output to a branch. Its type is left to inference: a Cast may lie between the logits and the first output."""
    inside = f"{name}/{branch.name or 'branch'}"
    while inside in taken:
        inside += "'"
    taken.add(inside)
    # By an Identity: a branch may not return a tensor of the graph around it, nor one tensor twice.
    branch.node.append(make_node("Identity", [value], [inside]))
    branch.output.append(ValueInfoProto(name=inside))
