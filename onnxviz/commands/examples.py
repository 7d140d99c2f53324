"""``onnxviz examples``: the samples of a data set that drive a target most, and least."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxviz.commands.options import (
    check_output,
    data_options,
    json_option,
    model_argument,
    output_options,
    target_option,
)
from onnxviz.commands.terminal import Terminal, grid, visible

if TYPE_CHECKING:
    from rich.console import Console

    from onnxviz.analyses.examples.scoring_pass import ExemplarPass
    from onnxviz.formats.output_folder import OutputFolder

_LISTED = 64
_STORE = "scores.sqlite"
_SETTLED = ("value_range", "mean", "std", "layout", "channels", "held", "dims", "shapes", "input_name", "label", "at")


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
    from tempfile import TemporaryDirectory

    import onnxviz
    from onnxviz.analyses.examples.scoring_pass import ExemplarPass
    from onnxviz.analyses.examples.sheets import synthetic_pictures
    from onnxviz.analyses.inputs.feed import prepare_feed
    from onnxviz.formats.score_store import ScoreStore

    check_output(options["output"], options["overwrite"], options["resume"])
    began = time.monotonic()
    model = onnxviz.load(options["model_path"])
    made = synthetic_pictures(options["synthetic"]) if options["synthetic"] else {}
    work = ExemplarPass(terminal, model, options["targets"], options["at"] == "max")
    feed = prepare_feed(terminal, model, options, (options["data"],))
    data = feed.open(options["data"])
    with ExitStack() as stack:
        folder = _open_folder(terminal, stack, options, model.digest)
        # Closed before the folder takes its name, and with all that is done in it when the pass is interrupted.
        place = folder.file(_STORE) if folder is not None else Path(stack.enter_context(TemporaryDirectory()), _STORE)
        store = stack.enter_context(closing(ScoreStore(place)))
        tally, read = work.run(feed, data, store)
        feed.close(tally, read)
        runs = work.rows(store, options["k"])
        document: dict[str, Any] = {
            "model": {"path": str(model.path), "sha256": model.digest},
            "data": options["data"],
            "samples": read + tally.unchanged,
            "read": read,
            "known": tally.unchanged,
            "skipped": [{"id": identity, "message": said} for identity, said in tally.problems],
            "at": options["at"],
            "k": options["k"],
            "runs": runs,
            "files": [],
        }
        if folder is not None:
            document["files"] = _write(terminal, folder, work, document, options, made)
        document["seconds"] = round(time.monotonic() - began, 3)
        terminal.emit(document, options["as_json"], lambda console: _show(console, document))
    return 0


def _open_folder(terminal: Terminal, stack: ExitStack, options: dict[str, Any], digest: str) -> OutputFolder | None:
    from onnxviz.formats.output_folder import OutputFolder

    if options["output"] is None:
        return None
    settings = {
        "verb": "examples",
        "model": digest,
        "targets": list(options["targets"]),
        # What else the scores depend on, as it was written.
        **{key: str(options[key]) for key in _SETTLED if options[key]},
    }
    folder = OutputFolder(
        options["output"], overwrite=options["overwrite"], resume=options["resume"], settings=settings
    )
    stack.callback(lambda: terminal.note(folder.message) if folder.message else None)
    return stack.enter_context(folder)


def _write(
    terminal: Terminal,
    folder: OutputFolder,
    work: ExemplarPass,
    document: dict[str, Any],
    options: dict[str, Any],
    made: dict[str, tuple[Path, str]],
) -> list[str]:
    """Draw the sheets, and write tables and the whole result."""
    from onnxviz.analyses.examples.sheets import Sheets
    from onnxviz.analyses.examples.tables import write_tables
    from onnxviz.drawing.input_drawing import Drawing
    from onnxviz.drawing.pictures import save_picture
    from onnxviz.formats.atomic_file import atomic_file
    from onnxviz.formats.file_names import safe_names
    from onnxviz.formats.json_documents import json_text
    from onnxviz.model.graph.labels import feature_names

    if work.feed is None:
        return []
    drawing = Drawing(work.feed.contracts[work.feed.main], feature_names(work.model.original))
    sheets = Sheets(work.feed, drawing, options["data"], made, options["at"] == "max")
    names = safe_names(row["target"] for row in document["runs"])
    drawn = document["runs"][: options["sheets"]]
    if len(drawn) < len(document["runs"]):
        terminal.note(f"sheets of the first {len(drawn)} of {len(document['runs'])} targets; --sheets draws more")
    files = []
    with terminal.progress("sheets", len(drawn)) as told:
        for group in sheets.groups(drawn):
            samples = sheets.samples(group)
            for row in group:
                picture = sheets.draw(row, samples)
                if picture is not None:
                    name = f"{names[row['target']]}.png"
                    save_picture(folder.file(name), picture)
                    row["files"] = [str(folder.path / name)]
                    files += row["files"]
                told(len(files), row["target"])
    files += [str(folder.path / name) for name in write_tables(folder, document["runs"])]
    files += [str(folder.path / name) for name in ("result.json", _STORE)]
    document["files"] = files
    with atomic_file(folder.file("result.json")) as file:
        file.write(json_text(document).encode("utf-8"))
    return files


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
