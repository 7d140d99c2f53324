"""The calls between the functions of a file, counted before the functions are inlined.

Forty functions that each call the next one twice are a file of 6 kB and a graph of 10**12 nodes. A function that calls
itself never ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from onnx import ModelProto, NodeProto

from onnxviz.errors import ModelError
from onnxviz.model.graph import structure

_MOST_NODES = 1_000_000
"""Most nodes of a graph with its functions inlined."""

Key = tuple[str, str, str]
"""A function's domain, name and overload."""


def check(model: ModelProto) -> None:
    """Refuse a model whose functions call themselves, or become too many nodes.

    Parameters
    ----------
    model : ModelProto
        The file.

    Raises
    ------
    ModelError
        If a function calls itself, directly or through others, or the graph would be too large.
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
    return str(getattr(one, "overload", ""))  # files have it from IR 10 on


def _calls(nodes: Iterable[NodeProto], bodies: Iterable[Key]) -> Counter[Key]:
    """Return how often some nodes, at any depth, call each function."""
    keys = ((node.domain, node.op_type, _overload(node)) for node in structure.every_node(nodes))
    return Counter(key for key in keys if key in bodies)


def _callees_first(calls: dict[Key, Counter[Key]]) -> list[Key]:
    """Return the functions sorted: each after those that it calls. No recursion: a chain of calls may be long."""
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
            raise ModelError(f"its function '{circle[1]}' calls itself; export the model again")
        stack += waiting
    return list(order)
