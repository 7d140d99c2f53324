"""``onnxviz inspect``: lists what is in a model, and which tensors can be targets."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from onnxviz.analyses.keywords import requested
from onnxviz.commands.options import (
    classes_option,
    contract_options,
    dim_option,
    json_option,
    model_argument,
    model_of,
    plugin_options,
    request_options,
    set_option,
    shape_option,
)
from onnxviz.commands.terminal import Terminal, grid, visible
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from rich.console import Console

_SUGGESTED = 6


@click.command()
@model_argument
@click.argument("pattern", metavar="[PATTERN]", required=False)
@classes_option
@click.option(
    "--input",
    "input_name",
    metavar="NAME",
    help="The input that the range and the layout are for, if the model has several.",
)
@contract_options
@set_option
@dim_option
@shape_option
@plugin_options
@json_option
@click.pass_obj
def inspect(terminal: Terminal, /, pattern: str | None, **options: Any) -> None:
    """List what is in MODEL, and which tensors can be targets.

    With a PATTERN, such as 'conv*' or '*', list the tensors whose names match it. The options --kind, --layout, --range and others
    are those of all verbs: they show how the inputs are read with them.

    \b
    Examples:
      onnxviz inspect sample_models/digits.onnx
      onnxviz inspect sample_models/digits.onnx 'conv*'
    """
    import onnxviz
    from onnxviz.analyses.description import InspectionRequest

    model = model_of(options, terminal)
    request = requested(InspectionRequest, request_options(options))
    document = onnxviz.inspect(model, pattern, request=request, listener=terminal).document()
    terminal.emit(
        document,
        options["as_json"],
        lambda console: _show_tensors(console, document) if pattern else _show(console, document),
    )


def _show(console: Console, document: dict[str, Any]) -> None:
    model = document["model"]
    opsets = ", ".join(f"{domain} {version}" for domain, version in model["opsets"].items()) or "not named"
    console.print(
        f"{visible(str(model['path']))}  {_bytes(model['bytes'])}, {document['parameters']:,} parameters", style="bold"
    )
    maker = visible(model["producer"]) or "an unnamed exporter"
    console.print(
        f"IR {model['ir_version']}; opsets {visible(opsets)}; made by {maker}; sha256 {model['sha256'][:16]}…"
    )
    console.print("\nInputs", style="bold")
    for entry in document["inputs"]:
        words = f"{entry['kind']} {entry['layout']}" + (f" {entry['channels']}" if entry["channels"] else "")
        console.print(
            f"  {visible(entry['name'])}  {entry['dtype']} {visible(shape_text(entry['shape']))}  {words}{_range_text(entry['range'])}"
        )
        for sentence in entry["evidence"]:
            console.print(f"    {visible(sentence)}", style="dim")
    console.print("\nOutputs", style="bold")
    for entry in document["outputs"]:
        console.print(f"  {visible(entry['name'])}  {entry['dtype']} {visible(shape_text(entry['shape']))}")
        if entry["classes"]:
            some = ", ".join(entry["classes"][:_SUGGESTED]) + (", …" if len(entry["classes"]) > _SUGGESTED else "")
            console.print(f"    {len(entry['classes'])} classes: {visible(some)}", style="dim")
    console.print()
    rows = [
        (_operator(row), row["count"], "yes" if row["differentiable"] else "no", row["reason"])
        for row in document["operators"]
    ]
    console.print(grid(("operator", "nodes", "gradient", ""), rows, numeric=(1,)))
    if document["nodes"] != document["file_nodes"]:
        console.print(
            f"{document['nodes']:,} nodes; the file has {document['file_nodes']:,}, the others depend on the sizes only",
            style="dim",
        )
    aims = [
        row
        for row in document["tensors"]
        if row["differentiable"] and row["units"] and row["operator"] not in ("Input",)
    ]
    kinds = Counter(row["operator"] for row in aims)
    best = [
        row
        for row in aims
        if row["operator"] in ("Conv", "Gemm", "MatMul", "FusedConv", "Add") or kinds[row["operator"]] == 1
    ]
    chosen = best[:3] + best[-3:] if len(best) > _SUGGESTED else best
    if chosen:
        console.print("\nPossible targets", style="bold")
        for row in chosen:
            console.print(
                f"  {visible(row['name'])}  {row['operator']}, {row['units']} {'unit' if row['units'] == 1 else 'units'}"
            )
    console.print(f"\n{len(document['tensors'])} tensors: add a pattern to list them, as in '*'", style="dim")


def _operator(row: dict[str, Any]) -> str:
    return f"{row['domain']}.{row['operator']}" if row["domain"] else str(row["operator"])


def _range_text(span: list[list[float]] | None) -> str:
    if span is None:
        return ""
    low, high = span
    if len(low) == 1:
        return f", {low[0]:g} to {high[0]:g}"
    return f", {min(low):.3g} to {max(high):.3g}"


def _bytes(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"


def _show_tensors(console: Console, document: dict[str, Any]) -> None:
    rows = [
        (
            row["name"],
            row["operator"],
            row["dtype"],
            shape_text(row["shape"]),
            "" if row["units"] is None else row["units"],
            "yes" if row["differentiable"] else f"no: {row['reason']}",
        )
        for row in document["tensors"]
    ]
    console.print(grid(("tensor", "made by", "type", "shape", "units", "gradient"), rows, numeric=(4,)))
