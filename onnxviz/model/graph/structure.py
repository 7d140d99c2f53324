"""The structure of a graph: which node makes a tensor, which tensors a node reads, in which order nodes can run."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from onnx import AttributeProto, GraphProto, NodeProto

from onnxviz.errors import ModelError


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """Yield the graphs that a node holds as attributes (If, Loop, Scan)."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def every_node(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Yield nodes and the nodes of their subgraphs, at any depth."""
    for node in nodes:
        yield node
        for graph in subgraphs(node):
            yield from every_node(graph.node)


def captured(graph: GraphProto) -> tuple[str, ...]:
    """Return the names that a subgraph reads from the graphs around it."""
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    own |= {tensor.values.name for tensor in graph.sparse_initializer}
    made = {name for node in graph.node for name in node.output}
    wanted: dict[str, None] = {}
    for node in graph.node:
        wanted.update(dict.fromkeys(read_by(node)))
    wanted.update(dict.fromkeys(value.name for value in graph.output))
    return tuple(name for name in wanted if name and name not in own and name not in made)


def read_by(node: NodeProto) -> tuple[str, ...]:
    """Return the tensors that a node reads or that its subgraphs capture, each once."""
    names = dict.fromkeys(name for name in node.input if name)
    for graph in subgraphs(node):
        names.update(dict.fromkeys(captured(graph)))
    return tuple(names)


def dependents(nodes: Iterable[NodeProto], names: Iterable[str]) -> set[str]:
    """Return some tensors, and every tensor that depends on one of them; the nodes are in an order in which they can run."""
    found = {*names}
    for node in nodes:
        if not found.isdisjoint(read_by(node)):
            found.update(node.output)
    return found - {""}


def renamed(node: NodeProto, names: Mapping[str, str]) -> NodeProto:
    """Return a copy of a node with its tensors renamed; tensors that its subgraphs define keep their names."""
    copy = NodeProto()
    copy.CopyFrom(node)
    for listed in (copy.input, copy.output):
        for place, name in enumerate(listed):
            listed[place] = names.get(name, name)
    for graph in subgraphs(copy):
        around = set(captured(graph))
        outer = {name: other for name, other in names.items() if name in around}
        inner = [renamed(one, outer) for one in graph.node]
        del graph.node[:]
        graph.node.extend(inner)
        for value in graph.output:  # a body may return a captured tensor unchanged
            value.name = outer.get(value.name, value.name)
    return copy


def producers(nodes: Sequence[NodeProto]) -> dict[str, int]:
    """Map each tensor to the position of the node that makes it.

    Raises
    ------
    ModelError
        If two nodes make a tensor of the same name.
    """
    made: dict[str, int] = {}
    for position, node in enumerate(nodes):
        for name in node.output:
            if not name:
                continue
            if name in made:
                first = nodes[made[name]].op_type
                raise ModelError(
                    f"the tensor '{name}' is made twice, by {first} and by {node.op_type}; a graph needs one maker for each name"
                )
            made[name] = position
    return made


def readers(nodes: Iterable[NodeProto]) -> dict[str, list[NodeProto]]:
    """Map each tensor to the nodes that read it as an input, in order; what subgraphs read is left out."""
    found: dict[str, list[NodeProto]] = {}
    for node in nodes:
        for name in dict.fromkeys(filter(None, node.input)):
            found.setdefault(name, []).append(node)
    return found


def in_order(nodes: Sequence[NodeProto], given: Collection[str]) -> list[NodeProto]:
    """Return the nodes sorted: each after the nodes whose outputs it reads. The file's order is kept where possible.

    Parameters
    ----------
    nodes : sequence of NodeProto
        In any order.
    given : collection of str
        Names that no node needs to make: inputs and initializers.

    Raises
    ------
    ModelError
        If no node or two nodes make a name, or the nodes form a cycle.
    """
    made = producers(nodes)
    for name in made:
        if name in given:
            raise ModelError(f"the tensor '{name}' is an input or an initializer and is made by a node as well")
    known = set(given)
    reads = [read_by(node) for node in nodes]
    for node, names in zip(nodes, reads, strict=True):
        for name in names:
            if name not in known and name not in made:
                label = f" '{node.name}'" if node.name else ""
                raise ModelError(
                    f"the {node.op_type} node{label} reads the tensor '{name}', which is no input, no initializer and no node's output"
                )
    waits = [sum(name in made and name not in known for name in names) for names in reads]
    readers: dict[str, list[int]] = {}
    for position, names in enumerate(reads):
        for name in names:
            readers.setdefault(name, []).append(position)
    ready = [position for position, count in enumerate(waits) if count == 0]  # ascending, hence a heap
    order: list[int] = []
    while ready:
        position = heapq.heappop(ready)
        order.append(position)
        for name in nodes[position].output:
            for reader in readers.get(name, ()) if name else ():
                waits[reader] -= 1
                if waits[reader] == 0:
                    heapq.heappush(ready, reader)
    if len(order) < len(nodes):
        held = sorted(set(range(len(nodes))) - set(order))
        kinds = ", ".join(nodes[position].op_type for position in held[:4])
        raise ModelError(f"the graph has a cycle: {len(held)} nodes wait for each other ({kinds}, …)")
    return [nodes[position] for position in order]


def ancestors(nodes: Sequence[NodeProto], targets: Iterable[str], stops: Collection[str]) -> tuple[list[int], set[str]]:
    """Return the nodes that some tensors depend on, and the tensors that no such node makes.

    Parameters
    ----------
    nodes : sequence of NodeProto
        The graph's nodes.
    targets : iterable of str
        Tensors to start from.
    stops : collection of str
        Tensors at which the walk back ends.

    Returns
    -------
    positions : list of int
        Positions of the needed nodes, ascending.
    leaves : set of str
        Names that the needed nodes read but do not make: inputs, initializers and stops.
    """
    made = producers(nodes)
    needed: set[int] = set()
    leaves: set[str] = set()
    stack = list(targets)
    seen: set[str] = set()
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        position = made.get(name)
        if position is None or name in stops:
            leaves.add(name)
        elif position not in needed:
            needed.add(position)
            stack.extend(read_by(nodes[position]))
    return sorted(needed), leaves
