"""The description of a model: facts, inputs, outputs, operators and tensors, as one document."""

from __future__ import annotations

import difflib
import fnmatch
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from onnxviz.analyses.inputs.classes import Classes, with_classes
from onnxviz.analyses.inputs.kinds import with_kind
from onnxviz.analyses.inputs.request import InputRequest
from onnxviz.analyses.inputs.settled import settle
from onnxviz.analyses.keywords import requested
from onnxviz.analyses.listener import SILENT, Listener
from onnxviz.analyses.opening import opened
from onnxviz.errors import TargetError, UsageError
from onnxviz.wording import named_sizes

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.settled import Settled
    from onnxviz.model.model import Model
    from onnxviz.model.tensors.support import Reach


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


@dataclass(frozen=True, kw_only=True)
class InspectionRequest:
    """The user's settings of the inputs and classes that are described.

    Attributes
    ----------
    inputs : InputRequest
        Settings of the model's inputs, as every verb takes them.
    input_name : str, optional
        The input that the range, layout and channels are for, if the model has several.
    classes : path, sequence of str or mapping, optional
        The names of the classes, or a file of names. They replace the names in the model's file.
    """

    inputs: InputRequest = field(default_factory=InputRequest)
    input_name: str | None = None
    classes: Classes | None = None


def inspect(
    model: Model | str | os.PathLike[str] | bytes,
    pattern: str | None = None,
    *,
    request: InspectionRequest | None = None,
    listener: Listener = SILENT,
    **keywords: Any,
) -> Description:
    """Return the description of a model: what its file holds, and which tensors can be targets.

    Parameters
    ----------
    model : Model, path or bytes
        The model.
    pattern : str, optional
        A name or a pattern such as ``conv*``: only tensors whose names fit are listed. Default: all tensors.
    request : InspectionRequest, optional
        Settings in place of keywords.
    listener : Listener
        Receives notes.
    **keywords
        Fields of `InspectionRequest` and `InputRequest`: classes, input_name, held, dims, shapes, value_range, mean, std, layout,
        channels, kind, letters.

    Raises
    ------
    UsageError
        If there is no such file or input, or a setting does not fit the model.
    DataError
        If the model has another number of classes.
    ModelError
        If the file is no valid ONNX model.
    TargetError
        If no tensor's name fits the pattern.
    """
    request = requested(InspectionRequest, keywords) if request is None else request
    model = with_kind(with_classes(listener, opened(model), request.classes), request.inputs)
    said = settle(model, request.inputs)
    said = said.about(_spoken(said, request.input_name))
    return Description(model, describe(model, pattern, _sized(said), said))


def _spoken(said: Settled, name: str | None) -> list[str]:
    """Return the inputs that a range, a layout and an order of colors are for: the named one, else the pictures, else the first of data."""
    from onnxviz.model.expectations.input_roles import data_inputs

    inputs = said.model.inputs
    if name is not None:
        if name not in inputs:
            raise UsageError(
                f"`input_name` {name}: {said.model.name} has no such input; its inputs are {', '.join(inputs)}"
            )
        return [name]
    free = [one for one in data_inputs(said.model) if one not in said.held and inputs[one].dtype != "string"]
    return [one for one in free if said.contract(one).has_pixels] or free[:1]


def _sized(said: Settled) -> Model | None:
    """Return the model folded for the sizes of a request; None if the request gives no size."""
    from onnxviz.model.graph.folding import folded

    model, shapes = said.model, dict[str, tuple[int | str | None, ...]](said.shapes)
    for name, info in model.inputs.items():
        if name not in shapes and info.shape is not None and said.dims.keys() & set(info.shape):
            shapes[name] = tuple(said.dims.get(size, size) if isinstance(size, str) else size for size in info.shape)
    return folded(model, shapes) if shapes else None


def describe(
    model: Model, pattern: str | None, settled: Model | None = None, inputs: Settled | None = None
) -> dict[str, Any]:
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
    inputs : Settled, optional
        The inputs as a request settles them. Default: as the file tells.

    Raises
    ------
    TargetError
        If no tensor's name fits the pattern.
    """
    from onnxviz.model.graph.folding import folded
    from onnxviz.model.graph.zipped import output_classes
    from onnxviz.model.tensors.support import support

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
    said = settle(model, InputRequest()) if inputs is None else inputs
    told = []
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
        told.append(
            {**entry, "layout": expected.layout, "channels": expected.color, "evidence": list(expected.evidence)}
        )
    names = [name for name in graph.tensors if name in model.tensors or name not in graph.constants]
    if pattern is None:
        every = _tensor_rows(graph, names, _reached(graph))
    else:
        fitting = _fitting(pattern, names)
        away = [] if fitting or graph is model else _fitting(pattern, list(model.tensors))
        if not fitting and not away:
            close = difflib.get_close_matches(pattern, names, n=3, cutoff=0.4)
            raise TargetError(
                f"no tensor of {model.name} fits '{pattern}'." + (f" Close: {', '.join(close)}." if close else "")
            )
        rows = (graph, fitting) if fitting else (model, away)
        every = _tensor_rows(*rows, _reached(rows[0]))
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
        "inputs": told,
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


def _reached(graph: Model) -> dict[str, Reach]:
    """Return how each tensor is connected to what `maximize` can move: inputs of numbers, and the embeddings of token inputs."""
    from onnxviz.model.expectations.embedding import find_embedding
    from onnxviz.model.expectations.integer_inputs import movable_inputs
    from onnxviz.model.tensors.support import reach

    moving = [info.name for info in movable_inputs(graph)]
    tables = [find_embedding(graph, name) for name in graph.inputs if name not in moving]
    found = [one.output for one in tables if one is not None]
    if not found:
        return reach(graph)
    reached = reach(graph, [*found, *moving])
    still = {name: replace(reached[name], reason="it is not moved") for name in graph.inputs if name not in moving}
    return {**reached, **still}


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
