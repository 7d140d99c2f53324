"""``onnxviz examples``: the samples of a data set that drive a target most, and least."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxviz.analyses.keywords import requested
from onnxviz.commands.options import (
    data_options,
    json_option,
    model_argument,
    output_of,
    output_options,
    request_options,
    target_option,
)
from onnxviz.commands.terminal import Terminal, grid, visible

if TYPE_CHECKING:
    from rich.console import Console

_LISTED = 64


@click.command()
@model_argument
@click.argument("data", metavar="DATA")
@target_option(
    "What is ranked by: 'conv1[*]' (every unit), 'logits[3]', a sum; may be given several times.", required=True
)
@click.option(
    "-k", "k", type=click.IntRange(min=1), default=9, show_default=True, help="How many samples of each kind."
)
@click.option(
    "--at",
    type=click.Choice(["mean", "max"]),
    default="mean",
    show_default=True,
    help="What ranks a unit with many positions: its mean, which is the target's own value, or its maximum.",
)
@click.option(
    "--with",
    "synthetic",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A result folder of maximize: its picture of a target is shown beside the target's samples.",
)
@click.option(
    "--sheets",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Draw sheets of this many targets at most; all of them are in the tables.",
)
@data_options
@output_options
@json_option
@click.pass_obj
def examples(terminal: Terminal, /, **options: Any) -> int:
    """Find the samples of DATA that drive targets of MODEL most and least.

    DATA is a folder of pictures or sounds, an array, archive or table. It is read once, by ONNX Runtime on the untouched
    model, for any number of targets. With -o a sheet per target, tables and a store of all scores are written; with --resume
    an interrupted pass goes on, and a grown data set only pays for what is new.

    \b
    Examples:
      onnxviz examples sample_models/photo_patches.onnx sample_models/photo_patches_held_out -t 'relu2[3]' -t 'logits[1]' -o seen
      onnxviz examples sample_models/wine.onnx sample_models/wine.csv -t 'logits[*]' -k 3 -o bottles
    """
    from onnxviz.analyses.examples.choosing import rank
    from onnxviz.analyses.examples.request import ExamplesRequest

    request = requested(ExamplesRequest, request_options(options, "data"))
    document = rank(options["model_path"], options["data"], request, output_of(options), terminal).document()
    terminal.emit(document, options["as_json"], lambda console: _show(console, document))
    return 0


def _written(one: dict[str, Any]) -> str:
    label = f", {one['label']}" if one["label"] and not one["id"].startswith(f"{one['label']}/") else ""
    return f"{one['id']} ({one['score']:.4g}{label})"


def _show(console: Console, document: dict[str, Any]) -> None:
    known = f", {document['known']} of them known" if document["known"] else ""
    skipped = f", {len(document['skipped'])} passed over" if document["skipped"] else ""
    count = document["samples"]
    said = f"{count} sample{'' if count == 1 else 's'} of {visible(document['data'])}"
    console.print(f"{said}{known}{skipped}", style="bold")
    console.print()
    cells = []
    for row in document["runs"][:_LISTED]:
        known = row["statistics"]
        said = row["message"] or "  ".join(_written(one) for one in row["highest"][:3])
        figures = ["", "", ""]
        if known["count"]:
            figures = [f"{known[key]:.4g}" for key in ("min", "mean", "max")]
        cells.append((row["target"], row["label"], *figures, said))
    columns: tuple[str, ...] = ("target", "label", "lowest", "mean", "highest", "samples that drive it most")
    if not any(cell[1] for cell in cells):
        columns, cells = (columns[0], *columns[2:]), [(cell[0], *cell[2:]) for cell in cells]
    console.print(grid(columns, cells, numeric=tuple(range(len(columns) - 4, len(columns) - 1))))
    if len(document["runs"]) > _LISTED:
        console.print(f"(the first {_LISTED} of {len(document['runs'])}; --json lists every one)", style="dim")
    for file in document["files"][:8]:
        console.print(f"  {visible(file)}")
    if len(document["files"]) > 8:
        console.print(f"  and {len(document['files']) - 8} more", style="dim")
