"""The tensors that a gradient can reach, from the operators' catalog alone, without torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from onnx import NodeProto

from onnxviz.model.graph.expansion import has_body, schema_of
from onnxviz.model.graph.extensions import NO_EXTENSIONS, Extensions
from onnxviz.model.graph.fake_quantization import ROUNDING
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.structure import read_by, subgraphs

_CATALOG = Path(__file__).parents[1] / "operators" / "catalog.json"

ZERO = "zero"
_CONSTANT = "it is constant"
_HINT = "; `straight_through` lets it pass as if nothing were rounded"


@dataclass(frozen=True)
class Support:
    """Facts about an operator.

    Attributes
    ----------
    converted : bool
        Whether the operator can run in torch.
    gradient : str
        "smooth", "straight-through" or "zero".
    reason : str
        Why the operator cannot be converted, or why no gradient passes; "" if all is well.
    """

    converted: bool
    gradient: str
    reason: str = ""


@cache
def _catalog() -> dict[tuple[str, str], list[tuple[int, int | None, str]]]:
    table: dict[tuple[str, str], list[tuple[int, int | None, str]]] = {}
    for domain, operator, since, until, gradient in json.loads(_CATALOG.read_text(encoding="utf-8")):
        table.setdefault((domain, operator), []).append((since, until, gradient))
    return table


def support(
    node: NodeProto, version: int, opsets: Mapping[str, int] | None = None, extensions: Extensions = NO_EXTENSIONS
) -> Support:
    """Return the facts about a node's operator at an opset version.

    Parameters
    ----------
    node : NodeProto
        The node. All operators in its bodies must be supported too.
    version : int
        The opset version of the node's domain.
    opsets : mapping of str to int, optional
        The versions of other domains that the bodies may use. Default: `version` for all.
    extensions : Extensions
        The custom operators that the user named. They serve what is not known otherwise.
    """
    for graph in subgraphs(node):
        for inner in graph.node:
            found = support(inner, (opsets or {}).get(inner.domain, version), opsets, extensions)
            if not found.converted:
                return Support(False, ZERO, f"its body holds {inner.op_type}: {found.reason}")
    for since, until, gradient in _catalog().get((node.domain, node.op_type), ()):
        if since <= version and (until is None or version <= until):
            return Support(True, gradient, f"{node.op_type} passes no gradient" if gradient == ZERO else "")
    schema = schema_of(node, version)
    if schema is not None and has_body(schema):
        return Support(True, "smooth")
    custom = extensions.find(node.domain, node.op_type, version)
    if custom is not None:
        gradient = str(getattr(custom.gradient, "value", custom.gradient))
        return Support(True, gradient, f"{node.op_type} passes no gradient" if gradient == ZERO else "")
    return Support(False, ZERO, f"{node.op_type} is not implemented")


@dataclass(frozen=True)
class Reach:
    """The connection of a tensor to the inputs that can move.

    Attributes
    ----------
    converted : bool
        Whether all operators that the tensor depends on can run in torch.
    differentiable : bool
        Whether a gradient can pass from the tensor to an input.
    reason : str
        The obstacle, such as the operator that passes no gradient and the tensor that it makes.
    stopped : bool
        Whether an operator stops the gradient; false if no moving input leads to the tensor.
    """

    converted: bool
    differentiable: bool
    reason: str = ""
    stopped: bool = False


def reach(model: Graph, sources: Iterable[str] | None = None, *, straight_through: bool = False) -> dict[str, Reach]:
    """Return for every tensor whether it can be computed in torch and whether a gradient passes back from it.

    Parameters
    ----------
    model : Graph
        The model.
    sources : iterable of str, optional
        Tensors that move: inputs, or tensors inside the graph that are fed. Default: the floating-point inputs.
    straight_through : bool
        As in `Network`: whether gradients pass through rounding outside quantization too.
    """
    moving = set(sources) if sources is not None else {name for name, info in model.inputs.items() if info.is_float}
    apart = "it is no floating-point input" if sources is None else f"it does not depend on {', '.join(moving)}"
    table = {name: Reach(True, name in moving, "" if name in moving else apart) for name in model.inputs}
    table.update({name: Reach(True, False, _CONSTANT) for name in model.constants})
    known: dict[tuple[str, str], Support] = {}
    for node in model.nodes:
        key = (node.domain, node.op_type)
        if key not in known or any(subgraphs(node)):
            known[key] = support(node, model.opsets.get(node.domain, 1), model.opsets, model.extensions)
        found = known[key]
        before = [table[name] for name in read_by(node)]
        blocked = next((entry for entry in before if not entry.converted), None)
        for name in node.output:
            if name in moving:
                table[name] = Reach(True, True)
            elif blocked is not None:
                table[name] = Reach(False, False, blocked.reason)
            elif not found.converted:
                table[name] = Reach(False, False, found.reason)
            elif not any(entry.differentiable for entry in before):
                # The best reason is an operator that stops the gradient, then an input that does not move.
                told = sorted(before, key=lambda entry: (not entry.stopped, entry.reason == _CONSTANT))
                table[name] = replace(told[0], converted=True) if told else Reach(True, False, _CONSTANT)
            else:
                moving_here = [one for one in read_by(node) if table[one].differentiable]
                why = _stop(model, node, name, found, moving_here) or _stop_inside(
                    model, node, name, set(moving_here), straight_through
                )
                if why and node.op_type in ROUNDING and not node.domain:
                    if straight_through or name in model.fake_quantized:
                        why = ""
                    else:
                        why += _HINT
                table[name] = Reach(True, not why, why, bool(why))
    return table


def _stop(model: Graph, node: NodeProto, name: str, found: Support, moving: Sequence[str]) -> str:
    """Return why no gradient passes from one of a node's outputs to its inputs `moving`; "" if it does."""
    if found.gradient == ZERO:
        return f"{node.op_type} at {name} passes no gradient"
    info = model.tensors.get(name)
    if info is None or info.is_float or info.container != "tensor":
        return ""
    # Whole numbers of a quantization carry a gradient: the operator that makes them passes it straight through.
    quantized = any(not model.tensors[one].is_float for one in moving if one in model.tensors)
    casting = node.op_type in ("Cast", "CastLike") and not node.domain
    if quantized or (found.gradient == "straight-through" and not casting):
        return ""
    return f"{node.op_type} at {name} gives {info.dtype}, which carries no gradient"


_FIRST_OUTPUT = {"If": 0, "Loop": 1, "Scan": 0, "SequenceMap": 0}
"""Position of the body's output that is the node's first output. A Loop's body first returns whether to go on."""


def _stop_inside(model: Graph, node: NodeProto, name: str, moving: set[str], straight_through: bool) -> str:
    """Return why no gradient passes through the bodies of If, Loop or Scan to an output; "" if one body passes it."""
    if node.domain or node.op_type not in _FIRST_OUTPUT:
        return ""
    place = list(node.output).index(name) + _FIRST_OUTPUT[node.op_type]
    reasons = []
    for body in subgraphs(node):
        # Any tensor that the node reads may enter by any of the body's inputs.
        open_names = {*moving, *(value.name for value in body.input)}
        stops: dict[str, str] = {}
        for inner in body.node:
            before = read_by(inner)
            reason = next((stops[one] for one in before if one in stops), _CONSTANT)
            passes = any(one in open_names for one in before)
            if passes:
                found = support(inner, model.opsets.get(inner.domain, 1), model.opsets, model.extensions)
                rounding = inner.op_type in ROUNDING and not inner.domain
                for made in inner.output:
                    if found.gradient == ZERO and not (rounding and (straight_through or made in model.fake_quantized)):
                        stops[made] = f"{inner.op_type} at {made} inside {node.op_type} at {name} passes no gradient"
                        stops[made] += _HINT if rounding else ""
                        open_names.discard(made)
                    else:
                        open_names.add(made)
            else:
                stops.update(dict.fromkeys(inner.output, reason))
        given = body.output[place].name if place < len(body.output) else ""
        if given in open_names or not given:
            return ""
        reasons.append(stops.get(given, _CONSTANT))
    told = sorted(reasons, key=lambda reason: reason == _CONSTANT)
    return told[0] if told and told[0] != _CONSTANT else ""
