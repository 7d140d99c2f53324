"""How often the functions of a file call each other, counted before they are laid out in the graph.

Forty functions that each call the next one twice are a file of 6 kB and a graph of 10**12 nodes; a function that calls itself has no end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from onnx import ModelProto, NodeProto

from onnxviz.errors import ModelError
from onnxviz.model.graph import structure

_MOST_NODES = 1_000_000
"""Nodes that a graph may have once its functions are laid out."""

Key = tuple[str, str, str]
"""A function's domain, name and overload."""


def check(model: ModelProto) -> None:
    """Refuse a model whose functions call themselves, or lay out too many nodes.

    Parameters
    ----------
    model : ModelProto
        The file.

    Raises
    ------
    ModelError
        If one calls itself, by others too, or the graph would be too large.
    """
    bodies = {(one.domain, one.name, _overload(one)): one.node for one in model.functions}
    calls = {key: _calls(nodes, bodies) for key, nodes in bodies.items()}
    sizes: dict[Key, int] = {}
    for key in _callees_first(calls):
        own = sum(1 for _ in structure.every_node(bodies[key]))
        sizes[key] = own + sum(count * sizes[callee] for callee, count in calls[key].items())
    whole = sum(1 for _ in structure.every_node(model.graph.node))
    whole += sum(count * sizes[callee] for callee, count in _calls(model.graph.node, bodies).items())
    if whole > _MOST_NODES:
        raise ModelError(
            f"its functions call each other so often that the graph would have {whole:.3g} nodes; at most {_MOST_NODES:,} are allowed"
        )


def _overload(one: object) -> str:
    return str(getattr(one, "overload", ""))  # which files have from IR 10 on


def _calls(nodes: Iterable[NodeProto], bodies: Iterable[Key]) -> Counter[Key]:
    """Return how often some nodes, at any depth, call each function."""
    keys = ((node.domain, node.op_type, _overload(node)) for node in structure.every_node(nodes))
    return Counter(key for key in keys if key in bodies)


def _callees_first(calls: dict[Key, Counter[Key]]) -> list[Key]:
    """Return functions so that each comes after those that it calls; a long chain must not be deep in Python's stack."""
    order: dict[Key, None] = {}
    opened: set[Key] = set()
    stack = list(calls)
    while stack:
        key = stack[-1]
        if key in order:
            stack.pop()
            continue
        waiting = [callee for callee in calls[key] if callee not in order]
        if not waiting:
            order[key] = None
            opened.discard(stack.pop())
            continue
        opened.add(key)
        circle = next((callee for callee in waiting if callee in opened), None)
        if circle is not None:
            raise ModelError(f"its function '{circle[1]}' calls itself; export the model anew")
        stack += waiting
    return list(order)
