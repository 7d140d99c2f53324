"""``onnxviz verify``: is the differentiable copy the shipped model?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxviz.commands.options import (
    device_option,
    dim_option,
    json_option,
    model_argument,
    read_held,
    read_sizes,
    seed_option,
    set_option,
    shape_option,
    target_option,
)
from onnxviz.commands.terminal import Terminal, grid, shape_text, visible
from onnxviz.errors import TargetError, UnsupportedOperators, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from onnxviz.model.graph import Model

CHECK_FAILED = 3


@click.command()
@model_argument
@target_option("Only this tensor; may be given several times. [default: every float tensor]")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    help="Largest error, relative to each tensor's own range. [default: 0.001; 0.02 for float16 and quantised models]",
)
@set_option
@dim_option
@shape_option
@seed_option
@device_option
@click.option("--all", "show_all", is_flag=True, help="List every tensor, not only the worst.")
@json_option
@click.pass_obj
def verify(
    terminal: Terminal,
    model_path: Path,
    targets: tuple[str, ...],
    tolerance: float | None,
    held: tuple[tuple[str, str], ...],
    dims: tuple[tuple[str, str], ...],
    shapes: tuple[tuple[str, str], ...],
    seed: int,
    device: str,
    show_all: bool,
    as_json: bool,
) -> int:
    """Compare every float tensor of MODEL as torch and as ONNX Runtime compute it.

    Exits with 3 if one of them diverges, and names the first that does.

    \b
    Example:
      onnxviz verify sample_models/digits.onnx
    """
    import onnxviz
    from onnxviz.methods.verification import verify as compare
    from onnxviz.model.devices import choose_device
    from onnxviz.model.sample_inputs import feed

    if tolerance is not None and math.isnan(tolerance):
        raise UsageError("--tolerance nan: write a number of 0 or more, such as 0.001")
    model = onnxviz.load(model_path)
    settled, whole = read_sizes(dims, shapes, model)
    inputs = feed(model, read_held(held, model, settled, whole), settled, whole, seed)
    names, unsupported = _names(model, targets)
    limit = tolerance if tolerance is not None else _default_tolerance(model)
    place = choose_device(device)
    rows = []
    if names:
        session = model.session(names)
        rows = compare(model.network(names, device=place), session, inputs, names, limit)
        if not targets:
            # Once more as it ships: with no inner tensor marked, both sides fuse what they fuse in use.
            outputs = [name for name in model.outputs if name in names]
            whole_rows = (
                compare(model.network(outputs, device=place), model.session(outputs), inputs, outputs, limit)
                if outputs
                else []
            )
            rows += [
                row for row in whole_rows if not row.ok and all(row.name != other.name or other.ok for other in rows)
            ]
    first = next((row.name for row in rows if not row.ok), None)
    document: dict[str, Any] = {
        "model": {"path": str(model.path), "sha256": model.digest},
        "ok": first is None and not unsupported,
        "tolerance": limit,
        "tensors": [
            {
                "name": row.name,
                "operator": model.tensors[row.name].operator,
                "shape": list(row.shape),
                "dtype": row.dtype,
                "max_abs_error": row.max_abs_error,
                "max_rel_error": row.max_rel_error,
                "ok": row.ok,
                "note": row.note,
            }
            for row in rows
        ],
        "unsupported": [
            {
                "domain": one.domain,
                "operator": one.operator,
                "version": one.version,
                "count": one.count,
                "first_tensor": one.first_tensor,
                "reason": one.reason,
            }
            for one in unsupported
        ],
        "first_divergence": first,
    }
    terminal.emit(document, as_json, lambda console: _show(console, document, show_all))
    return 0 if document["ok"] else CHECK_FAILED


def _names(model: Model, targets: tuple[str, ...]) -> tuple[list[str], tuple[Any, ...]]:
    """Return the tensors to compare, in graph order, and the operators that stand in the way of others."""
    from onnxviz.model.support import reach
    from onnxviz.model.target import Target

    if targets:
        wanted = []
        for text in targets:
            name = Target.parse(text, model.tensors).tensor
            info = model.require(name, text)
            if not info.is_float:
                raise TargetError(f"{text}: it holds {info.dtype}; verify compares floating-point tensors")
            wanted.append(name)
        return list(dict.fromkeys(wanted)), ()
    floats = [name for name, info in model.tensors.items() if info.is_float and name in model.producers]
    try:
        model.network(floats)
    except UnsupportedOperators as error:
        reached = reach(model)
        return [name for name in floats if reached[name].converted], error.operators
    return floats, ()


def _default_tolerance(model: Model) -> float:
    """Return 0.001 of a tensor's range; a step of a coarse type where the model has one."""
    coarse = {
        "QuantizeLinear",
        "DynamicQuantizeLinear",
        "QLinearConv",
        "QLinearMatMul",
        "ConvInteger",
        "MatMulInteger",
        "QGemm",
        "QLinearAdd",
    }
    if any(node.op_type in coarse for node in model.nodes) or any(
        info.dtype in ("float16", "bfloat16") for info in model.tensors.values()
    ):
        return 2e-2
    return 1e-3


def _show(console: Console, document: dict[str, Any], show_all: bool) -> None:
    rows = document["tensors"]
    failed = [row for row in rows if not row["ok"]]
    listed = rows if show_all else failed[:20] or sorted(rows, key=lambda row: -row["max_rel_error"])[:5]
    cells = [
        (
            row["name"],
            row["operator"],
            shape_text(row["shape"]),
            f"{row['max_abs_error']:.2e}",
            f"{row['max_rel_error']:.2e}",
            row["note"] or ("ok" if row["ok"] else "differs"),
        )
        for row in listed
    ]
    if cells:
        console.print(grid(("tensor", "made by", "shape", "abs. error", "of its range", ""), cells, numeric=(3, 4)))
    if not show_all and not failed and len(rows) > len(listed):
        console.print(f"(the {len(listed)} worst of {len(rows)}; --all lists every one)", style="dim")
    for one in document["unsupported"]:
        name = f"{one['domain']}.{one['operator']}" if one["domain"] else one["operator"]
        where = f"opset {one['version']}, {one['count']} times, first at {visible(one['first_tensor'])}"
        console.print(f"not converted: {visible(name)} ({where}): {visible(one['reason'])}")
    limit = f"{document['tolerance']:g} of their range"
    if document["first_divergence"]:
        console.print(f"\nThe first divergence: {visible(document['first_divergence'])}.")
        console.print(f"{len(failed)} of {len(rows)} tensors differ by more than {limit}.")
    elif document["unsupported"]:
        console.print(f"\n{len(rows)} tensors agree within {limit}; what the operators above lead to was not compared.")
    else:
        console.print(f"\nAll {len(rows)} float tensors agree within {limit}.")
