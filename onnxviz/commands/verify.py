"""``onnxviz verify``: is the differentiable copy the shipped model?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from onnxviz.analyses.keywords import requested
from onnxviz.commands.options import (
    device_option,
    dim_option,
    json_option,
    model_argument,
    request_options,
    seed_option,
    set_option,
    shape_option,
    target_option,
)
from onnxviz.commands.terminal import Terminal, grid, visible
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from rich.console import Console

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
def verify(terminal: Terminal, /, **options: Any) -> int:
    """Compare every float tensor of MODEL as torch and as ONNX Runtime compute it.

    Exits with 3 if one of them diverges, and names the first that does. Where a tensor differs, each operator that had a
    part in it is run once more, on ONNX Runtime's own values of its inputs. If all of them agree, rounding was amplified on the
    way: the tensor is listed with its error, outputs as well, but it is no divergence.

    \b
    Example:
      onnxviz verify sample_models/digits.onnx
    """
    import onnxviz
    from onnxviz.analyses.verification import VerificationRequest

    request = requested(VerificationRequest, request_options(options, "show_all"))
    found = onnxviz.verify(options["model_path"], request=request, listener=terminal)
    document = found.document()
    terminal.emit(document, options["as_json"], lambda console: _show(console, document, options["show_all"]))
    return 0 if found.ok else CHECK_FAILED


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
