"""``onnxviz verify``: checks that torch computes the same as ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from onnxviz.analyses.keywords import requested
from onnxviz.commands.options import (
    device_option,
    dim_option,
    json_option,
    model_argument,
    model_of,
    plugin_options,
    request_options,
    seed_option,
    set_option,
    shape_option,
    spelled,
    target_option,
)
from onnxviz.commands.terminal import Terminal, grid, visible
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from rich.console import Console

CHECK_FAILED = 3


@click.command()
@model_argument
@target_option("The tensor to compare; may be given several times. [default: every float tensor]")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    help="The largest allowed error, as a share of each tensor's range. [default: 0.001; 0.02 for float16 and quantized models]",
)
@click.option(
    "--engine",
    metavar="onnxviz|onnx2torch",
    type=click.Choice(["onnxviz", "onnx2torch"]),
    default="onnxviz",
    show_default=True,
    help="The converter to compare; onnx2torch needs pip install 'onnxviz[onnx2torch]'.",
)
@set_option
@dim_option
@shape_option
@seed_option
@device_option
@click.option("--all", "show_all", is_flag=True, help="List every tensor. Without it, only the worst are listed.")
@plugin_options
@json_option
@click.pass_obj
def verify(terminal: Terminal, /, **options: Any) -> int:
    """Check that torch and ONNX Runtime compute the same float tensors of MODEL.

    If a tensor diverges, the exit code is 3 and the first such tensor is named. If a tensor differs, each operator before it is
    run again on ONNX Runtime's own values. If every operator then agrees, the layers have only amplified rounding errors. Such
    a tensor is listed with its error, even if it is an output, but it is not a divergence.

    --engine onnx2torch compares the module that onnx2torch makes of MODEL in the same way.

    \b
    Example:
      onnxviz verify sample_models/digits.onnx
    """
    import onnxviz
    from onnxviz.analyses.verification import VerificationRequest

    request = requested(VerificationRequest, request_options(options, "show_all"))
    found = onnxviz.verify(model_of(options, terminal), request=request, listener=terminal)
    document = found.document()
    terminal.emit(document, options["as_json"], lambda console: _show(console, document, options["show_all"]))
    return 0 if found.ok else CHECK_FAILED


def _show(console: Console, document: dict[str, Any], show_all: bool) -> None:
    rows = document["tensors"]
    failed = [row for row in rows if not row["ok"]]
    amplified = [row for row in failed if row["amplified"]]
    # Divergent tensors come first, because they cause exit code 3.
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
    for one in document["unconfirmed"]:
        name = f"{one['domain']}.{one['operator']}" if one["domain"] else one["operator"]
        where = f"{one['count']} times, first at {visible(one['first_tensor'])}"
        console.print(f"not compared: {visible(name)} ({where}): {visible(spelled(one['reason']))}")
    if document["engine"] != "onnxviz":
        console.print(f"\nCompared with ONNX Runtime: the torch module of {document['engine']}.")
    limit = f"{document['tolerance']:g} of their range"
    if document["first_divergence"]:
        console.print(f"\nThe first divergence: {visible(document['first_divergence'])}.")
        console.print(f"{len(failed)} of {len(rows)} tensors differ by more than {limit}.")
    elif document["unsupported"]:
        agree = len(rows) - len(failed)
        console.print(f"\n{agree} tensors agree within {limit}; tensors behind the operators above were not compared.")
    elif failed:
        console.print(f"\n{len(rows) - len(failed)} of {len(rows)} float tensors agree within {limit}.")
    else:
        console.print(f"\nAll {len(rows)} float tensors agree within {limit}.")
    if amplified:
        console.print(
            f"Tensors with amplified rounding errors: {len(amplified)}. Each operator agrees on ONNX Runtime's own values of its inputs."
        )
