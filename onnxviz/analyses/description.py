"""The description of a model: facts, inputs, outputs, operators and tensors, as one document."""

from __future__ import annotations

import difflib
import fnmatch
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onnxviz.analyses.inputs.classes import Classes, with_classes
from onnxviz.analyses.listener import SILENT, Listener
from onnxviz.analyses.opening import opened
from onnxviz.errors import TargetError
from onnxviz.wording import named_sizes

if TYPE_CHECKING:
    from onnxviz.model.model import Model


@dataclass(frozen=True, eq=False)
class Description:
    """The description of a model, as a mapping. A notebook shows it like the model itself.

    Attributes
    ----------
    model : Model
        The model.
    told : dict
        The document that `inspect --json` prints.
    """

    model: Model
    told: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        """Return a part of the document: "model", "inputs", "outputs", "operators", "parameters" or "tensors"."""
        return self.told[key]

    def document(self) -> dict[str, Any]:
        """Return the description as `inspect --json` prints it."""
        return self.told

    row = document

    def _repr_html_(self) -> str:
        """Show the model in a notebook."""
        from onnxviz.model.notebook import model_html

        return model_html(self.model)


def inspect(
    model: Model | str | os.PathLike[str] | bytes,
    pattern: str | None = None,
    *,
    classes: Classes | None = None,
    listener: Listener = SILENT,
) -> Description:
    """Return the description of a model: what its file holds, and which tensors can be targets.

    Parameters
    ----------
    model : Model, path or bytes
        The model.
    pattern : str, optional
        A name or a pattern such as ``conv*``: only tensors whose names fit are listed. Default: all tensors.
    classes : path, sequence of str or mapping, optional
        The names of the classes, or a file of names. They replace the names in the model's file.
    listener : Listener
        Receives notes.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If the model has another number of classes.
    ModelError
        If the file is no valid ONNX model.
    TargetError
        If no tensor's name fits the pattern.
    """
    model = with_classes(listener, opened(model), classes)
    return Description(model, describe(model, pattern))


def describe(model: Model, pattern: str | None, settled: Model | None = None) -> dict[str, Any]:
    """Return the description of a model, as `inspect --json` prints it.

    The model runs only if the range of an input is assumed: a run measures the range.

    Parameters
    ----------
    model : Model
        The model.
    pattern : str or None
        A name or a pattern: only tensors whose names fit are listed. If no tensor of the folded graph fits, the tensors
        that folding removed are searched. None lists all tensors.
    settled : Model, optional
        The model, folded for settled sizes and values. Default: folded for the file's own sizes.

    Raises
    ------
    TargetError
        If no tensor's name fits the pattern.
    """
    from onnxviz.analyses.inputs.request import InputRequest
    from onnxviz.analyses.inputs.settled import settle
    from onnxviz.model.graph.folding import folded
    from onnxviz.model.graph.zipped import output_classes
    from onnxviz.model.tensors.support import reach, support

    graph = folded(model) if settled is None else settled
    operators: dict[tuple[str, str], dict[str, Any]] = {}
    for node in graph.nodes:
        key = (node.domain, node.op_type)
        if key not in operators:
            found = support(node, graph.opsets.get(node.domain, 1), extensions=graph.extensions)
            differentiable = found.converted and found.gradient != "zero"
            operators[key] = {
                "domain": key[0],
                "operator": key[1],
                "count": 0,
                "differentiable": differentiable,
                "reason": found.reason,
            }
        operators[key]["count"] += 1
    said = settle(model, InputRequest())
    inputs = []
    for name, info in graph.inputs.items():
        expected = said.contract(name)
        span = [list(expected.low), list(expected.high)] if expected.bounded else None
        entry = {
            "name": name,
            "dtype": info.dtype,
            "shape": named_sizes(info.shape),
            "kind": expected.kind,
            "range": span,
            **({"letters": expected.letters} if expected.letters else {}),
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
            **model.provenance,
            "bytes": model.source.size,
            "ir_version": original.ir_version,
            "opsets": model.imported_opsets,
            "producer": " ".join(filter(None, (original.producer_name, original.producer_version))),
            "functions": len(original.functions),
        },
        "inputs": inputs,
        "outputs": [
            {
                "name": name,
                "dtype": info.dtype,
                "shape": named_sizes(info.shape),
                "classes": list(output_classes(model, name)),
            }
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
    """Return the number of weights. Constants of int64 (shapes, axes, indices), bool and string are no weights."""
    weights = {
        id(weight): graph.tensors[name]
        for name, weight in graph.constants.items()
        if name not in graph.settled and graph.tensors[name].dtype not in ("int64", "bool", "string")
    }
    return sum(_product(info.shape) for info in weights.values())


def _tensor_rows(model: Model, names: list[str], reached: dict[str, Any]) -> list[dict[str, Any]]:
    from onnxviz.model.tensors.channel_axis import unit_count

    rows = []
    for name in names:
        found, info = reached[name], model.tensors[name]
        row = {
            "name": name,
            "operator": info.operator,
            "dtype": info.dtype,
            "shape": named_sizes(info.shape),
            "units": unit_count(model, name),
        }
        rows.append({**row, "differentiable": found.differentiable, "reason": found.reason})
    return rows


def _product(shape: tuple[Any, ...] | None) -> int:
    size = 1
    for one in shape or ():
        size *= int(one) if one else 0
    return size
