"""``onnxviz filters``: the first layer's weights, read straight from the file."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxviz.analyses.kernel_pictures import kernel_colors, kernel_scale, matrix_picture, seen_by
from onnxviz.commands.options import (
    check_output,
    contract_options,
    dim_option,
    json_option,
    model_argument,
    output_options,
    seed_option,
    set_option,
    shape_option,
)
from onnxviz.commands.terminal import Terminal, grid, visible
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from onnxviz.analyses.inputs.settled import Settled
    from onnxviz.contract import InputContract
    from onnxviz.drawing.pictures import Picture
    from onnxviz.methods.kernels.filters import FilterDescription
    from onnxviz.model.expectations.first_layer import FirstLayer

_LISTED = 64


@click.command()
@model_argument
@click.option(
    "-t",
    "--target",
    "weight",
    metavar="WEIGHT",
    help="Another layer: its weight, or what it makes. [default: the first layer]",
)
@click.option("--input", "input_name", metavar="NAME", help="Start from this input, where there are several.")
@click.option(
    "--apply",
    "applied",
    metavar="INPUT",
    type=click.Path(path_type=Path),
    help="Show what each filter answers on a picture, an array or a sound.",
)
@contract_options
@set_option
@dim_option
@shape_option
@seed_option
@output_options
@json_option
@click.pass_obj
def filters(
    terminal: Terminal,
    model_path: Path,
    weight: str | None,
    input_name: str | None,
    applied: Path | None,
    value_range: tuple[float, ...] | None,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    layout: str | None,
    channels: str | None,
    held: dict[str, str],
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    seed: int,
    output: Path | None,
    overwrite: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Draw and describe the kernels of MODEL's first layer, as the file holds them.

    \b
    Examples:
      onnxviz filters sample_models/photo_patches.onnx -o kernels
      onnxviz filters sample_models/edge_filter.onnx --apply sample_models/edge_filter_camera.png -o edges
    """
    import onnxviz
    from onnxviz.analyses.inputs.request import InputRequest
    from onnxviz.analyses.inputs.settled import settle
    from onnxviz.methods.kernels.filters import describe, order
    from onnxviz.model.expectations.first_layer import first_layer

    check_output(output, overwrite, resume)
    model = onnxviz.load(model_path)
    found = first_layer(model, input_name, weight)
    source = input_name or seen_by(model, found)
    request = InputRequest(
        held=held,
        dims=dims,
        shapes=shapes,
        value_range=value_range,
        mean=mean,
        std=std,
        layout=layout,
        channels=channels,
    )
    settled = settle(model, request).about([] if source is None else [source])
    expected = settled.contract(source) if source is not None else None
    colors = kernel_colors(found, expected)
    descriptions = describe(found.kernels, color=colors)
    answers = None
    if applied is not None:
        answers = _apply(settled, found, expected, applied, seed)
    ranked = [descriptions[place] for place in order(descriptions)]
    files: list[str] = []
    if output is not None:
        files = _write(terminal, model, found, ranked, colors, answers, expected, output, overwrite, resume)
    rows = []
    for one in descriptions:
        row = asdict(one)
        if answers is not None:
            row["answer"] = _answer(answers, one.index)
        rows.append(row)
    document = {
        "model": {"path": str(model.path), "sha256": model.digest},
        "layer": found.layer,
        "operator": found.operator,
        "weight": found.weight,
        "shape": list(found.kernels.shape),
        "groups": found.groups,
        "path": list(found.path),
        "filters": rows,
        "files": files,
    }
    terminal.emit(document, as_json, lambda console: _show(console, document, [one.index for one in ranked]))


def _apply(
    settled: Settled,
    found: FirstLayer,
    expected: InputContract | None,
    applied: Path,
    seed: int,
) -> np.ndarray:
    """Return what the layer answers on an input, as ONNX Runtime computes it: (filter, *space)."""
    import numpy as np

    from onnxviz.analyses.inputs.one_sample import read_input
    from onnxviz.errors import UsageError
    from onnxviz.model.expectations.sample_inputs import feed
    from onnxviz.model.graph.labels import sample_rate

    model = settled.model
    if expected is None or found.layer not in model.producers:
        raise UsageError(f"--apply: {found.weight} is not the first layer of an input; leave -t out")
    array = read_input(applied, expected, settled.shape(expected.name), sample_rate(model.original))
    session = model.session([found.layer])
    inputs = feed(model, {**settled.held, expected.name: array}, settled.dims, settled.shapes, seed)
    answer = np.asarray(session(inputs)[found.layer], np.float64)
    count = len(found.kernels)
    if answer.ndim > 1 and answer.shape[1] == count:
        return np.asarray(answer[0])
    # A matrix answers along the last axis.
    return np.moveaxis(answer[0], -1, 0) if answer.ndim > 1 and answer.shape[-1] == count else answer.reshape(1, -1)


def _answer(answers: np.ndarray, index: int) -> dict[str, float] | None:
    if index >= len(answers):
        return None
    values = answers[index]
    return {"mean": float(values.mean()), "min": float(values.min()), "max": float(values.max())}


def _write(
    terminal: Terminal,
    model: Any,
    found: FirstLayer,
    ranked: list[FilterDescription],
    colors: Any,
    answers: np.ndarray | None,
    expected: InputContract | None,
    output: Path,
    overwrite: bool,
    resume: bool,
) -> list[str]:
    import numpy as np

    from onnxviz.drawing.pictures import save_picture
    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.formats.results import Result

    arrays: dict[str, np.ndarray] = {"kernels": found.kernels.astype(np.float32)}
    axes = {
        "kernels": " ".join(("filter", "channel", "depth", "height", "width")[:2])
        + "".join(f" {one}" for one in _spatial(found.kernels.ndim - 2))
    }
    if answers is not None:
        arrays["answers"] = answers.astype(np.float32)
    settings = {"verb": "filters", "model": model.digest, "weight": found.weight, "applied": answers is not None}
    with OutputFolder(output, overwrite=overwrite, resume=resume, settings=settings) as folder:
        save_picture(folder.file("filters.png"), _sheet(model, found, ranked, colors, expected))
        names = ["filters.png", "arrays.npz", "result.json"]
        if answers is not None:
            save_picture(folder.file("answers.png"), _answer_sheet(found, ranked, answers))
            names.append("answers.png")
        summary = {
            "layer": found.layer,
            "weight": found.weight,
            "path": list(found.path),
            "filters": [asdict(one) for one in ranked],
        }
        provenance = {"model": model.name, "sha256": model.digest}
        Result(arrays, axes, summary, provenance=provenance).save(folder.partial)
    terminal.note(f"written: {output}")
    return [str(output / name) for name in names]


def _spatial(count: int) -> tuple[str, ...]:
    return {0: (), 1: ("time",), 2: ("height", "width"), 3: ("depth", "height", "width")}.get(count, ())


def _title(found: FirstLayer) -> str:
    size = shape_text(found.kernels.shape[1:])
    return f"{_count(len(found.kernels))} of {size}"


def _count(filters: int) -> str:
    return "1 filter" if filters == 1 else f"{filters} filters"


def _sheet(
    model: Any, found: FirstLayer, ranked: list[FilterDescription], colors: Any, expected: InputContract | None
) -> Picture:
    import numpy as np

    from onnxviz.drawing.kernels import kernel_picture
    from onnxviz.drawing.sheet import ColorBar, Sheet, Tile

    largest = float(np.abs(found.kernels).max()) or 1.0
    step = "sample" if found.kernels.ndim == 3 else "px"
    subtitle = f"{model.name}: {found.operator}, {found.weight}"
    if found.kernels.ndim == 2:
        return matrix_picture(
            model, found, f"{len(found.kernels)} units on {found.kernels.shape[1]} features", subtitle
        )
    tiles = []
    for one in ranked:
        kernel = found.kernels[one.index]
        own = kernel_scale(kernel, largest)
        picture = kernel_picture(kernel, own, colors if colors in ("rgb", "bgr") else None)
        tiles.append(Tile(picture, str(one.index), _detail(one, step), _section(one, ranked), sharp=kernel.ndim != 2))
    if colors in ("rgb", "bgr"):
        note = "Each kernel in its own scale: gray is zero."
        return Sheet(tiles, _title(found), subtitle, note).draw()
    if found.kernels.ndim == 3 and found.kernels.shape[1] <= 4:
        return Sheet(
            tiles, _title(found), subtitle, "Each kernel in its own scale; the line in the middle is zero."
        ).draw()
    bar = ColorBar("diverging", -1.0, 1.0, "weight / largest")
    return Sheet(tiles, _title(found), subtitle, "", bar).draw()


def _section(one: FilterDescription, ranked: list[FilterDescription]) -> str:
    return one.kind if len(ranked) > 1 else ""


def _detail(one: FilterDescription, step: str) -> str:
    words = []
    if one.duplicate_of is not None:
        words.append(f"= {one.duplicate_of}")
    if one.orientation is not None:
        words.append(f"{one.orientation:.0f}°")
    if one.frequency is not None:
        words.append(f"{one.frequency:.2f}/{step}")
    return " ".join(words)


def _answer_sheet(found: FirstLayer, ranked: list[FilterDescription], answers: np.ndarray) -> Picture:
    import numpy as np

    from onnxviz.drawing.kernels import curve
    from onnxviz.drawing.pictures import diverging
    from onnxviz.drawing.sheet import ColorBar, Sheet, Tile

    tiles = []
    for one in ranked:
        if one.index >= len(answers):
            continue
        values = answers[one.index]
        largest = float(np.abs(values).max()) or 1.0
        flat = values.ndim < 2
        picture = (
            curve(values.reshape(1, -1), largest) if flat else diverging(values.reshape(-1, values.shape[-1]), largest)
        )
        tiles.append(Tile(picture, str(one.index), f"±{largest:.3g}", _section(one, ranked)))
    bar = ColorBar("diverging", -1.0, 1.0, "answer / largest") if answers.ndim > 2 else None
    return Sheet(
        tiles,
        f"What {_count(len(tiles))} answer{'s' if len(tiles) == 1 else ''}",
        f"{found.layer}, by ONNX Runtime",
        "Beneath each: its largest answer.",
        bar,
    ).draw()


def _show(console: Console, document: dict[str, Any], ranked: list[int]) -> None:
    rows = {row["index"]: row for row in document["filters"]}
    size = f"{_count(len(rows))} of {shape_text(document['shape'][1:])}"
    maker = f"{visible(document['operator'])} making {visible(document['layer'])}"
    console.print(f"{visible(document['weight'])}: {size}, {maker}", style="bold")
    console.print(f"from the file by {visible(' → '.join(document['path']))}")
    counts = Counter(row["kind"] for row in rows.values())
    console.print(", ".join(f"{count} {kind}" for kind, count in counts.most_common()))
    console.print()
    cells: list[tuple[Any, ...]] = []
    for index in ranked[:_LISTED]:
        row = rows[index]
        angle = "" if row["orientation"] is None else f"{row['orientation']:.0f}°"
        frequency = "" if row["frequency"] is None else f"{row['frequency']:.3f}"
        answer = row.get("answer")
        cells.append(
            (
                index,
                row["kind"],
                angle,
                frequency,
                f"{row['norm']:.3g}",
                row["text"],
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
