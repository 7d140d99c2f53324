"""``onnxviz verify``: is the differentiable copy the shipped model?"""

from __future__ import annotations

import math
from dataclasses import replace
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

    from onnxviz.methods.verification import Agreement
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

    Exits with 3 if one of them diverges, and names the first that does. Where a tensor differs, each operator that had a
    part in it is run once more, on ONNX Runtime's own values of its inputs. If all of them agree, rounding was amplified on the
    way: the tensor is listed with its error, outputs as well, but it is no divergence.

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
        if not all(row.ok for row in rows):
            rows = _explain(model, rows, inputs, limit, place, whole=not targets)
        if not targets:
            # Once more as it ships: with no inner tensor marked, both sides fuse what they fuse in use.
            outputs = [name for name in model.outputs if name in names]
            whole_rows = (
                compare(model.network(outputs, device=place), model.session(outputs), inputs, outputs, limit)
                if outputs
                else []
            )
            fine = {row.name for row in rows if row.ok}
            rows += [
                replace(row, note=row.note or "only with nothing inside marked, as ONNX Runtime fuses it")
                for row in whole_rows
                if not row.ok and row.name in fine
            ]
    first = next((row.name for row in rows if row.diverges), None)
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
                "amplified": row.amplified,
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


def _explain(
    model: Model, rows: list[Agreement], inputs: dict[str, Any], limit: float, device: Any, *, whole: bool
) -> list[Agreement]:
    """Tell rounding that was amplified from operators that differ; `whole` says that the rows are all that can be compared."""
    from functools import partial

    from onnxviz.methods.verification import explain, suspects
    from onnxviz.methods.verification import verify as compare
    from onnxviz.model.isolation import Isolation, sources

    every = rows
    if not whole:
        # The tensors asked for are judged by what lies before them as well.
        part = model.cut([row.name for row in rows])
        names = [name for name, info in part.tensors.items() if info.is_float and name in part.producers]
        every = compare(model.network(names, device=device), model.session(names), inputs, names, limit)
    reads = partial(sources, model)
    alone = Isolation(model, suspects(every, reads, limit), inputs, device)
    explained = {row.name: row for row in explain(every, alone, reads, limit) if not row.ok}
    return [explained.get(row.name, row) for row in rows]


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
    amplified = [row for row in failed if row["amplified"]]
    # What diverges comes first: it is what the exit code is about.
    failed = [row for row in failed if not row["amplified"]] + amplified
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
        agree = len(rows) - len(failed)
        console.print(f"\n{agree} tensors agree within {limit}; what the operators above lead to was not compared.")
    elif failed:
        console.print(f"\n{len(rows) - len(failed)} of {len(rows)} float tensors agree within {limit}.")
    else:
        console.print(f"\nAll {len(rows)} float tensors agree within {limit}.")
    if amplified:
        console.print(
            f"Rounding upstream is amplified in {len(amplified)}: each operator agrees on ONNX Runtime's own values of its inputs."
        )
