"""``onnxviz activations``: shows what a real input does inside the model, computed by ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from onnxviz.analyses.keywords import requested
from onnxviz.commands.options import (
    data_options,
    json_option,
    model_argument,
    model_of,
    output_of,
    output_options,
    plugin_options,
    request_options,
    target_option,
)
from onnxviz.commands.terminal import Terminal, grid, visible
from onnxviz.wording import question_text, shape_text

if TYPE_CHECKING:
    from rich.console import Console

_LISTED = 10


@click.command()
@model_argument
@click.argument("inputs", metavar="[INPUT]...", nargs=-1)
@target_option("The tensor to show: 'conv1', 'conv1[12]', 'logits'; may be given several times. [default: the outputs]")
@data_options
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="The largest number of samples; the first ones are taken.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=_LISTED,
    show_default=True,
    help="The number of strongest units to list.",
)
@output_options
@plugin_options
@json_option
@click.pass_obj
def activations(terminal: Terminal, /, **options: Any) -> int:
    """Show how INPUT activates tensors of MODEL.

    INPUT is a picture, a sound, an array, a table or a file of texts; --text takes a text itself. FILE#7 selects a row
    of an array, table or file of texts, and FILE#0:4 several rows.
    ONNX Runtime computes all values on the untouched model. -o writes a picture for each sample and target, arrays.npz and
    result.json.

    \b
    Examples:
      onnxviz activations sample_models/photo_patches.onnx sample_models/photo_patches_cat.png -t relu1 -t logits -o cat
      onnxviz activations sample_models/digits.onnx 'sample_models/digits_held_out.npy#3' -t 'conv1[2]' -t logits -o digit
    """
    from onnxviz.analyses.activations.looking import look
    from onnxviz.analyses.activations.request import ActivationsRequest

    request = requested(ActivationsRequest, request_options(options, "inputs"))
    document = look(model_of(options, terminal), options["inputs"], request, output_of(options), terminal).document()
    terminal.emit(document, options["as_json"], lambda console: _show(console, document))
    return 0


def _show(console: Console, document: dict[str, Any]) -> None:
    for row in document["samples"]:
        label = f"  ({row['label']})" if row.get("label") else ""
        console.print(f"{visible(row['id'])}{visible(label)}", style="bold")
        if "text" in row:
            console.print(visible(row["text"]))
            console.print(visible(" | ".join(one["text"] for one in row["tokens"])), style="dim")
        for one in row["targets"]:
            _show_target(console, one)
    for file in document["files"][:12]:
        console.print(f"  {visible(file)}")
    if len(document["files"]) > 12:
        console.print(f"  and {len(document['files']) - 12} more", style="dim")


def _show_target(console: Console, row: dict[str, Any]) -> None:
    if not row["shape"]:
        label = f" ({row['label']})" if row.get("label") else ""
        value = "not finite" if row["value"] is None else f"{row['value']:.6g}"
        console.print(f"{visible(row['target'])}: {value}{visible(label)}")
        console.print()
        return
    sizes = f"{shape_text(row['shape'])} ({', '.join(row['axes'])})"
    if row["min"] is None:
        said = "no finite value" if row["not_finite"] else "empty at this input"
        console.print(f"{visible(row['target'])}: {shape_text(row['shape'])}, {said}")
        return
    asked = question_text(row["question"]) or "mean"
    said = f"{row['min']:.4g} to {row['max']:.4g}, {asked} {row['value']:.4g}, {row['zeros']:.0%} zeros"
    if row["not_finite"]:
        said += f", {row['not_finite']} not finite"
    console.print(f"{visible(row['target'])}: {visible(sizes)}; {said}")
    if not row["strongest"]:
        console.print()
        return
    labeled = any(one["label"] for one in row["strongest"])
    spread = any(one["position"] for one in row["strongest"])
    columns = [
        "unit",
        *(["label"] if labeled else []),
        *(["std", row["question"], "max", "at"] if spread else ["value"]),
    ]
    cells = []
    for one in row["strongest"]:
        cell: list[Any] = [one["index"], *([one["label"]] if labeled else [])]
        if spread:
            at = ", ".join(map(str, one["position"])) + (f" {one['token']}" if one.get("token") else "")
            cell += [f"{one['spread']:.4g}", f"{one['score']:.4g}", f"{one['max']:.4g}", at]
        else:
            cell.append(f"{one['mean']:.4g}")
        cells.append(cell)
    first = 2 if labeled else 1
    console.print(grid(columns, cells, numeric=(0, *range(first, first + (3 if spread else 1)))))
