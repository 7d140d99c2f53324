"""A model as HTML for notebooks: facts, inputs and contracts, outputs, operators. Text from the file is escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from onnxviz.model.expectations.contract_reading import contract
from onnxviz.model.tensors.support import support
from onnxviz.wording import named_sizes

if TYPE_CHECKING:
    from onnxviz.contract import InputContract
    from onnxviz.model.graph.graph import Graph

_MOST = 24
"""Most rows of a table: a model may have thousands of outputs."""


def model_html(model: Graph) -> str:
    """Return a model as a piece of HTML without scripts, styles or links.

    Parameters
    ----------
    model : Graph
        The model. Nothing is run.
    """
    opsets = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in model.opsets.items())
    maker = " ".join(filter(None, (model.original.producer_name, model.original.producer_version)))
    facts = [
        f"{model.source.size:,} bytes",
        f"{len(model.nodes):,} nodes",
        f"opsets {opsets}",
        *([f"made by {maker}"] if maker else []),
        f"sha256 {model.digest[:16]}…",
    ]
    counts = Counter((node.domain, node.op_type) for node in model.nodes)
    first = {(node.domain, node.op_type): node for node in reversed(model.nodes)}
    operators = []
    for key, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        found = support(first[key], model.opsets.get(key[0], 1), extensions=model.extensions)
        gradient = "yes" if found.converted and found.gradient != "zero" else f"no: {found.reason}"
        operators.append((".".join(filter(None, key)), count, gradient))
    inputs = [
        (name, info.dtype, _shape(info.shape), _expected(contract(model, name))) for name, info in model.inputs.items()
    ]
    outputs = [(name, info.dtype, _shape(info.shape)) for name, info in model.outputs.items()]
    return (
        f"<div><b>{escape(model.name)}</b><br>{escape('; '.join(facts))}"
        + _table("inputs", ("name", "type", "shape", "expects"), inputs)
        + _table("outputs", ("name", "type", "shape"), outputs)
        + _table("operators", ("operator", "nodes", "gradient"), operators)
        + "</div>"
    )


def _expected(found: InputContract) -> str:
    words = [found.kind, *([found.layout] if len(found.axes) > 1 else []), *([found.color] if found.color else [])]
    if found.bounded:
        words.append(f"{min(found.low):g} to {max(found.high):g}")
    return " ".join(words) + "".join(f"\n{sentence}" for sentence in found.evidence)


def _shape(shape: Sequence[Any] | None) -> str:
    sizes = named_sizes(shape)
    if sizes is None:
        return "unknown"
    return " × ".join("?" if size is None else str(size) for size in sizes) or "scalar"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell)).replace(chr(10), '<br>')}</td>" for cell in row) + "</tr>"
        for row in rows[:_MOST]
    )
    more = f"<p>and {len(rows) - _MOST:,} more {escape(title)}</p>" if len(rows) > _MOST else ""
    return f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"
