"""``onnxviz report``: all that is known of a model in one page that opens without a network."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxviz.commands.options import (
    check_output,
    contract_options,
    device_option,
    dim_option,
    json_option,
    model_argument,
    output_options,
    seed_option,
    set_option,
    shape_option,
    wrt_option,
)
from onnxviz.commands.terminal import Terminal, visible
from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from onnxviz.pages.jobs import Hands
    from onnxviz.pages.making import Book
    from onnxviz.pages.plan import Job

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def _seconds(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """Return a duration in seconds: ``90``, ``90s``, ``2m``, ``1.5h`` or ``none``."""
    if value == "none":
        return float("inf")
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", value)
    if found is None:
        raise click.BadParameter(f"'{value}' is no time such as 90s, 2m, 1h or none", ctx, param)
    return float(found[1]) * _UNITS[found[2]]


def _scheduler(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Return the address of a scheduler, checked."""
    if value is not None and not re.fullmatch(
        r"(?:(?:tcp|tls|wss?|ucx)://)?(?:\[[0-9a-fA-F:.]+\]|[^\s/:\[\]]+):\d{1,5}", value
    ):
        raise click.BadParameter(f"'{value}' is no address such as tcp://host:8786", ctx, param)
    return value


@click.command()
@model_argument
@click.argument("data", metavar="[DATA]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--budget",
    metavar="TIME",
    callback=_seconds,
    default="2m",
    show_default=True,
    help="How long to search: 90s, 2m, 1h, or none for as long as it takes.",
)
@click.option(
    "--tensors",
    "patterns",
    metavar="PATTERN",
    multiple=True,
    help="Show these tensors; may be given several times. [default: the outputs and a spread of layers]",
)
@click.option(
    "--units", type=click.IntRange(min=1), default=12, show_default=True, help="So many units of each tensor, at least."
)
@click.option(
    "--single-file", is_flag=True, help="Write all of it into one HTML file as well, report.html in the folder."
)
@click.option(
    "--input",
    "inputs",
    metavar="FILE",
    multiple=True,
    help="A sample input, FILE or a row of one as FILE#7: what it does inside, and what drives the answer; several times.",
)
@click.option(
    "--label",
    metavar="COLUMN",
    help="A column of DATA, or an archive's array, that names the samples' classes and is no feature.",
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    callback=_scheduler,
    help="Let the workers of a Dask cluster search and score DATA, as in tcp://host:8786; pip install 'onnxviz[cluster]'.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Steps of each ascent. [default: as maximize]")
@click.option("--restarts", type=click.IntRange(min=1), help="Random starts of each unit. [default: as maximize]")
@wrt_option
@set_option
@dim_option
@shape_option
@contract_options
@seed_option
@device_option
@output_options
@json_option
@click.pass_obj
def report(terminal: Terminal, /, **options: Any) -> int:
    """Make one page of what MODEL has learned: index.html in the folder of -o, which opens without a network.

    It holds the file's facts, what the input expects, the graph, the first layer's filters, units of the outputs and of
    layers from input to output with the inputs that drive them most, and how far torch agrees with ONNX Runtime. With DATA (a
    folder of pictures or sounds, an array, a table) each unit has the samples that drive it most and least and a histogram of
    its scores; with --input what a sample does inside. What does not fit into --budget is listed; --resume goes on from there.

    \b
    Examples:
      onnxviz report sample_models/digits.onnx -o digits_report
      onnxviz report sample_models/wine.onnx sample_models/wine.csv --budget 30s -o wine_report
      onnxviz report sample_models/digits.onnx sample_models/digits_held_out.npy --input sample_models/digits_seven.png -o seen
    """
    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.pages.making import open_book

    began = time.monotonic()
    check_output(options["output"], options["overwrite"], options["resume"])
    book = open_book(options)
    if options["output"] is None:
        raise UsageError("a report is a folder: say where with -o DIR")
    folder = OutputFolder(
        options["output"], overwrite=options["overwrite"], resume=options["resume"], settings=book.settings
    )
    try:
        with _hands(terminal, book) as (searching, scoring), folder:
            book.begin(folder)
            for sentence in book.notes:
                terminal.note(sentence)
            try:
                book.look(terminal, scoring, began, options["budget"], before=True)
                _search(terminal, book, searching, began, options["budget"])
                book.look(terminal, scoring, began, options["budget"], before=False)
            finally:
                book.write(single=options["single_file"])
            found = book.document()
    finally:
        if folder.message:
            terminal.note(folder.message)
    document = {
        **found,
        "seconds": round(time.monotonic() - began, 3),
        "files": [str(options["output"] / name) for name in ["index.html", *["report.html"] * options["single_file"]]],
    }
    terminal.emit(document, options["as_json"], lambda console: _show(console, document))
    return 0


@contextmanager
def _hands(terminal: Terminal, book: Book) -> Iterator[tuple[Hands, Hands]]:
    """Give who searches units, and who scores shards of the data: this process, or the workers of --cluster."""
    address = book.options["cluster"]
    if address is None:
        from onnxviz.pages.data_shards import shares
        from onnxviz.pages.jobs import one_by_one, side_by_side

        with one_by_one() as searching, side_by_side(shares()[0]) as scoring:
            yield searching, scoring
        return
    from onnxviz.pages.cluster.dask import ClusterExecutor
    from onnxviz.pages.cluster.parcel import pack
    from onnxviz.pages.jobs import Hands

    with ClusterExecutor(address, pack(book.model, book.search)) as there:
        terminal.note(f"{there.workers} workers at {address}")
        hands = Hands(there, there.room, 2)
        yield hands, hands


def _search(terminal: Terminal, book: Book, hands: Hands, began: float, budget: float) -> None:
    """Do the jobs that are not done, in turn, as long as the budget lasts."""
    from onnxviz.pages.jobs import gather
    from onnxviz.pages.unit_search import run_job

    todo = [job for job in book.jobs if not book.report.done(job)]
    if not todo:
        return
    total = sum(len(job.units) for job in todo)
    done = 0
    with terminal.progress(f"{total} units", total) as told:
        affordable = _affordable(book, todo, began, budget, hands.ahead)
        for job, searched in gather(hands, affordable, run_job, book.search):
            book.keep(job, searched)
            done += len(job.units)
            told(done, job.aim.tensor)


def _affordable(book: Book, todo: Sequence[Job], began: float, budget: float, ahead: int) -> Iterator[Job]:
    """Yield the jobs that are thought to end within the budget; the first in any case, for only doing it tells what jobs cost."""
    started = False
    for job in todo:
        thought = book.seconds_of(job)
        if started and time.monotonic() - began + (thought or 0.0) * ahead > budget:
            continue
        started = True
        yield job


def _show(console: Console, document: dict[str, Any]) -> None:
    console.print(f"{visible(document['files'][0])}", style="bold")
    for row in document["tensors"]:
        console.print(f"  {visible(row['name'])}: {row['done']} of {row['units']} units")
    checked = document["verification"]
    if checked is not None:
        console.print(
            f"  torch and ONNX Runtime agree in {checked['agree']} of {checked['compared']} tensors", style="dim"
        )
    data = document["data"]
    if data is not None:
        more = "" if data["complete"] else " so far; --resume --budget 10m goes on"
        count = f"{data['samples']} sample" + ("" if data["samples"] == 1 else "s")
        said = data["message"] or f"{count} of {data['name']} scored for {data['units']} units{more}"
        console.print(f"  {visible(said)}")
    for row in document["inputs"]:
        more = f": left out: {' and '.join(row['left'])}; --resume --budget 10m goes on" if row["left"] else ""
        console.print(f"  {visible(row['name'])}{more}")
    left = document["left_out"]
    if left["units"]:
        more = "" if left["seconds"] is None else f", in about {left['seconds']:.0f} s"
        console.print(f"left out: {left['units']} units; --resume --budget 10m goes on{more}")
    console.print(f"{document['seconds']:.1f} s", style="dim")
