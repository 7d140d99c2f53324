"""``onnxviz filters``: draws the filters of the first layer, as the file holds them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxviz.analyses.keywords import requested
from onnxviz.commands.options import (
    contract_options,
    dim_option,
    json_option,
    model_argument,
    model_of,
    output_options,
    plugin_options,
    request_options,
    seed_option,
    set_option,
    shape_option,
)
from onnxviz.commands.terminal import Terminal, grid, visible
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from rich.console import Console

_LISTED = 64


@click.command()
@model_argument
@click.option(
    "-t",
    "--target",
    "weight",
    metavar="WEIGHT",
    help="The layer: its weight, or its output. [default: the first layer]",
)
@click.option(
    "--input", "input_name", metavar="NAME", help="The input whose first layer is shown, if the model has several."
)
@click.option(
    "--apply",
    "apply",
    metavar="INPUT",
    type=click.Path(path_type=Path),
    help="Show the output of each filter for a picture, an array or a sound.",
)
@contract_options
@set_option
@dim_option
@shape_option
@seed_option
@output_options
@plugin_options
@json_option
@click.pass_obj
def filters(terminal: Terminal, /, **options: Any) -> None:
    """Draw and describe the filters of MODEL's first layer.

    The filters are read from the file. Each filter is described, for example as an edge, a line or a grating. -o writes
    filters.png and arrays.npz.

    \b
    Examples:
      onnxviz filters sample_models/photo_patches.onnx -o kernels
      onnxviz filters sample_models/edge_filter.onnx --apply sample_models/edge_filter_camera.png -o edges
    """
    from onnxviz.analyses.filters.describing import filters as described
    from onnxviz.analyses.filters.request import FiltersRequest

    request = requested(FiltersRequest, request_options(options))
    places = {name: options[name] for name in ("output", "overwrite", "resume")}
    found = described(model_of(options, terminal), request=request, listener=terminal, **places)
    document = found.document()
    ranked = [one.index for one in found.ranked]
    terminal.emit(document, options["as_json"], lambda console: _show(console, document, ranked))


def _show(console: Console, document: dict[str, Any], ranked: list[int]) -> None:
    rows = {row["index"]: row for row in document["filters"]}
    size = f"{_count(len(rows))} of {shape_text(document['shape'][1:])}"
    maker = f"{visible(document['operator'])} computes {visible(document['layer'])} with it"
    console.print(f"{visible(document['weight'])}: {size}; {maker}", style="bold")
    console.print(f"path in the file: {visible(' → '.join(document['path']))}")
    counts = Counter(row["kind"] for row in rows.values() if "letters" not in row)
    if counts:
        console.print(", ".join(f"{count} {kind}" for kind, count in counts.most_common()))
    console.print()
    cells: list[tuple[Any, ...]] = []
    for index in ranked[:_LISTED]:
        row = rows[index]
        angle = "" if row["orientation"] is None else f"{row['orientation']:.0f}°"
        frequency = "" if row["frequency"] is None or "letters" in row else f"{row['frequency']:.3f}"
        answer = row.get("answer")
        cells.append(
            (
                index,
                "motif" if "letters" in row else row["kind"],
                angle,
                frequency,
                f"{row['norm']:.3g}",
                row.get("letters") or row["text"],
                "" if not answer else f"{answer['min']:.3g} to {answer['max']:.3g}",
            )
        )
    columns: tuple[str, ...] = ("filter", "kind", "angle", "frequency", "norm", "", "answer")
    if not any(cell[-1] for cell in cells):
        columns, cells = columns[:-1], [cell[:-1] for cell in cells]
    console.print(grid(columns, cells, numeric=(0, 2, 3, 4)))
    if len(rows) > _LISTED:
        console.print(f"(the first {_LISTED} of {len(rows)}; --json lists every one)", style="dim")
    for file in document["files"]:
        console.print(f"  {visible(file)}")


def _count(filters: int) -> str:
    return "1 filter" if filters == 1 else f"{filters} filters"
