"""What is known of a model without running it: facts, inputs, outputs, operators and tensors, as one document."""

from __future__ import annotations

import difflib
import fnmatch
from typing import TYPE_CHECKING, Any

from onnxviz.errors import TargetError
from onnxviz.wording import named_sizes

if TYPE_CHECKING:
    from onnxviz.model.model import Model


def describe(model: Model, pattern: str | None, settled: Model | None = None) -> dict[str, Any]:
    """Return all that is known of a model without running it, as `inspect --json` prints it.

    Parameters
    ----------
    model : Model
        The model.
    pattern : str or None
        Tensors whose names fit are told of alone. Where none does that counts, those are that the file has and the sizes settle.
    settled : Model, optional
        The same, folded for sizes and values that are settled; by default for the file's own sizes.

    Raises
    ------
    TargetError
        If no tensor's name fits the pattern.
    """
    from onnxviz.model.expectations.contract_reading import contract
    from onnxviz.model.graph.folding import folded
    from onnxviz.model.tensors.support import reach, support

    graph = folded(model) if settled is None else settled
    operators: dict[tuple[str, str], dict[str, Any]] = {}
    for node in graph.nodes:
        key = (node.domain, node.op_type)
        if key not in operators:
            found = support(node, graph.opsets.get(node.domain, 1))
            differentiable = found.converted and found.gradient != "zero"
            operators[key] = {
                "domain": key[0],
                "operator": key[1],
                "count": 0,
                "differentiable": differentiable,
                "reason": found.reason,
            }
        operators[key]["count"] += 1
    inputs = []
    for name, info in graph.inputs.items():
        expected = contract(model, name)
        span = [list(expected.low), list(expected.high)] if expected.bounded else None
        entry = {
            "name": name,
            "dtype": info.dtype,
            "shape": named_sizes(info.shape),
            "kind": expected.kind,
            "range": span,
        }
        inputs.append(
            {**entry, "layout": expected.layout, "channels": expected.color, "evidence": list(expected.evidence)}
        )
    names = [name for name in graph.tensors if name in model.tensors or name not in graph.constants]
    if pattern is None:
        every = _tensor_rows(graph, names, reach(graph))
    else:
        fitting = _fitting(pattern, names)
        away = [] if fitting or graph is model else _fitting(pattern, list(model.tensors))
        if not fitting and not away:
            close = difflib.get_close_matches(pattern, names, n=3, cutoff=0.4)
            raise TargetError(
                f"no tensor of {model.name} fits '{pattern}'." + (f" Close: {', '.join(close)}." if close else "")
            )
        rows = (graph, fitting) if fitting else (model, away)
        every = _tensor_rows(*rows, reach(rows[0]))
    original = model.original
    return {
        "model": {
            "path": str(model.path) if model.path else None,
            "sha256": model.digest,
            "bytes": model.source.size,
            "ir_version": original.ir_version,
            "opsets": {domain or "ai.onnx": version for domain, version in model.opsets.items()},
            "producer": " ".join(filter(None, (original.producer_name, original.producer_version))),
            "functions": len(original.functions),
        },
        "inputs": inputs,
        "outputs": [
            {"name": name, "dtype": info.dtype, "shape": named_sizes(info.shape)}
            for name, info in graph.outputs.items()
        ],
        "operators": sorted(operators.values(), key=lambda row: (-row["count"], row["operator"])),
        "nodes": len(graph.nodes),
        "file_nodes": len(model.nodes),
        "parameters": _parameters(graph),
        "tensors": every,
    }


def _fitting(pattern: str, names: list[str]) -> list[str]:
    return [name for name in names if name == pattern or fnmatch.fnmatchcase(name, pattern)]


def _parameters(graph: Model) -> int:
    """Return how many numbers the weights are; shapes, axes and indices, which are whole numbers of 64 bits, are none."""
    weights = {
        id(weight): graph.tensors[name]
        for name, weight in graph.constants.items()
        if name not in graph.settled and graph.tensors[name].dtype not in ("int64", "bool", "string")
    }
    return sum(_product(info.shape) for info in weights.values())


def _tensor_rows(model: Model, names: list[str], reached: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        found, info = reached[name], model.tensors[name]
        row = {
            "name": name,
            "operator": info.operator,
            "dtype": info.dtype,
            "shape": named_sizes(info.shape),
            "units": _units(info),
        }
        rows.append({**row, "differentiable": found.differentiable, "reason": found.reason})
    return rows


def _units(info: Any) -> int | None:
    units = info.units
    return units if units is None else int(units)


def _product(shape: tuple[Any, ...] | None) -> int:
    size = 1
    for one in shape or ():
        size *= int(one) if one else 0
    return size
