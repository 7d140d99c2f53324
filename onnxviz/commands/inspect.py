"""``onnxviz inspect``: what is in this file, and which tensors can be aimed at."""

from __future__ import annotations

import difflib
import fnmatch
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxviz.commands.options import json_option, model_argument
from onnxviz.commands.terminal import Terminal, grid, shape_text, visible
from onnxviz.errors import TargetError

if TYPE_CHECKING:
    from rich.console import Console

    from onnxviz.model.graph import Model

_SUGGESTED = 6


@click.command()
@model_argument
@click.argument("pattern", metavar="[PATTERN]", required=False)
@json_option
@click.pass_obj
def inspect(terminal: Terminal, model_path: Path, pattern: str | None, as_json: bool) -> None:
    """Show what is in MODEL, and which tensors can be aimed at.

    With PATTERN (as the shell writes them: 'conv*', '*') a table of the tensors whose names fit.

    \b
    Examples:
      onnxviz inspect sample_models/digits.onnx
      onnxviz inspect sample_models/digits.onnx 'conv*'
    """
    import onnxviz

    model = onnxviz.load(model_path)
    document = describe(model, pattern)
    terminal.emit(
        document, as_json, lambda console: _show_tensors(console, document) if pattern else _show(console, document)
    )


def describe(model: Model, pattern: str | None) -> dict[str, Any]:
    """Return all that is known of a model without running it, as `inspect --json` prints it.

    Raises
    ------
    TargetError
        If no tensor's name fits the pattern.
    """
    from onnxviz.model.inputs import contract
    from onnxviz.model.support import reach, support

    reached = reach(model)
    operators: dict[tuple[str, str], dict[str, Any]] = {}
    for node in model.nodes:
        key = (node.domain, node.op_type)
        if key not in operators:
            found = support(node, model.opsets.get(node.domain, 1))
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
    for name, info in model.inputs.items():
        expected = contract(model, name)
        span = [list(expected.low), list(expected.high)] if expected.bounded else None
        entry = {"name": name, "dtype": info.dtype, "shape": _sizes(info.shape), "kind": expected.kind, "range": span}
        inputs.append(
            {**entry, "layout": expected.layout, "channels": expected.color, "evidence": list(expected.evidence)}
        )
    every = _tensor_rows(model, reached)
    names = [row["name"] for row in every]
    if pattern is not None:
        kept = {name for name in names if name == pattern or fnmatch.fnmatchcase(name, pattern)}
        if not kept:
            close = difflib.get_close_matches(pattern, names, n=3, cutoff=0.4)
            raise TargetError(
                f"no tensor of {model.name} fits '{pattern}'." + (f" Close: {', '.join(close)}." if close else "")
            )
        every = [row for row in every if row["name"] in kept]
    weights = sum(_product(model.tensors[name].shape) for name in model.constants)
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
            {"name": name, "dtype": info.dtype, "shape": _sizes(info.shape)} for name, info in model.outputs.items()
        ],
        "operators": sorted(operators.values(), key=lambda row: (-row["count"], row["operator"])),
        "parameters": weights,
        "tensors": every,
    }


def _tensor_rows(model: Model, reached: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name, info in model.tensors.items():
        found = reached[name]
        row = {
            "name": name,
            "operator": info.operator,
            "dtype": info.dtype,
            "shape": _sizes(info.shape),
            "units": _units(info),
        }
        rows.append({**row, "differentiable": found.differentiable, "reason": found.reason})
    return rows


def _units(info: Any) -> int | None:
    units = info.units
    return units if units is None else int(units)


def _sizes(shape: tuple[Any, ...] | None) -> list[Any] | None:
    return None if shape is None else list(shape)


def _product(shape: tuple[Any, ...] | None) -> int:
    size = 1
    for one in shape or ():
        size *= int(one) if one else 0
    return size


def _show(console: Console, document: dict[str, Any]) -> None:
    model = document["model"]
    opsets = ", ".join(f"{domain} {version}" for domain, version in model["opsets"].items())
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
    console.print()
    rows = [
        (_operator(row), row["count"], "yes" if row["differentiable"] else "no", row["reason"])
        for row in document["operators"]
    ]
    console.print(grid(("operator", "nodes", "gradient", ""), rows, numeric=(1,)))
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
        console.print("\nAim at, for instance", style="bold")
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
