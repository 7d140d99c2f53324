"""``onnxviz examples``: finds the samples of a data set with the highest and lowest scores for a target."""

from __future__ import annotations

from pathlib import Path
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
from onnxviz.wording import question_text

if TYPE_CHECKING:
    from rich.console import Console

_LISTED = 64
_SHORT = 40


@click.command()
@model_argument
@click.argument("data", metavar="[DATA]", required=False)
@target_option(
    "The target that scores the samples: 'conv1[*]' (every unit), 'logits[3]', a sum; may be given several times.",
    required=True,
)
@click.option(
    "-k",
    "k",
    type=click.IntRange(min=1),
    default=9,
    show_default=True,
    help="The number of highest, of spread and of lowest samples.",
)
@click.option(
    "--at",
    type=click.Choice(["mean", "max", "center"]),
    help="The score of a unit with many positions, as mean(TARGET), max(TARGET) or center(TARGET) say it: their mean, the "
    "highest, or the one at the center. [default: the question that fits the target]",
)
@click.option(
    "--with",
    "synthetic",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A result folder of maximize. Its pictures are shown beside the samples of the same target.",
)
@click.option(
    "--sheets",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="The largest number of sheets. The tables hold all targets.",
)
@data_options
@output_options
@plugin_options
@json_option
@click.pass_obj
def examples(terminal: Terminal, /, **options: Any) -> int:
    """Find the samples of DATA with the highest and lowest scores for targets of MODEL.

    DATA is a folder of pictures or sounds, an array, an archive, a table or a file of texts (.txt, a text in each
    line). It is read once for all targets. ONNX Runtime
    computes the scores on the untouched model. -o writes a sheet for each target, tables, and all scores. --resume continues an
    interrupted pass; if the data set has grown, it reads only the new samples.

    \b
    Examples:
      onnxviz examples sample_models/photo_patches.onnx sample_models/photo_patches_held_out -t 'relu2[3]' -t 'logits[1]' -o seen
      onnxviz examples sample_models/wine.onnx sample_models/wine.csv -t 'logits[*]' -k 3 -o bottles
    """
    from onnxviz.analyses.examples.choosing import rank
    from onnxviz.analyses.examples.request import ExamplesRequest

    request = requested(ExamplesRequest, request_options(options, "data"))
    document = rank(model_of(options, terminal), options["data"], request, output_of(options), terminal).document()
    terminal.emit(document, options["as_json"], lambda console: _show(console, document))
    return 0


def _written(one: dict[str, Any]) -> str:
    label = f", {one['label']}" if one["label"] and not one["id"].startswith(f"{one['label']}/") else ""
    text = one.get("text", "")
    shown = one["id"] if not text else f'"{text[:_SHORT]}{"…" if len(text) > _SHORT else ""}"'
    return f"{shown} ({one['score']:.4g}{label})"


def _show(console: Console, document: dict[str, Any]) -> None:
    known = f", {document['known']} of them with kept scores" if document["known"] else ""
    skipped = f", {len(document['skipped'])} skipped" if document["skipped"] else ""
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
        cells.append((row["target"], row["label"], question_text(row["question"]), *figures, said))
    columns: tuple[str, ...] = ("target", "label", "question", "lowest", "mean", "highest", "highest samples")
    shown = [place for place in range(len(columns)) if place not in (1, 2) or any(cell[place] for cell in cells)]
    columns, cells = tuple(columns[place] for place in shown), [tuple(cell[place] for place in shown) for cell in cells]
    console.print(grid(columns, cells, numeric=tuple(range(len(columns) - 4, len(columns) - 1))))
    if len(document["runs"]) > _LISTED:
        console.print(f"(the first {_LISTED} of {len(document['runs'])}; --json lists every one)", style="dim")
    for file in document["files"][:8]:
        console.print(f"  {visible(file)}")
    if len(document["files"]) > 8:
        console.print(f"  and {len(document['files']) - 8} more", style="dim")
