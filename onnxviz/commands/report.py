"""``onnxviz report``: puts all results about a model into one page that works offline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxviz.analyses.keywords import requested
from onnxviz.commands.options import (
    classes_option,
    contract_options,
    device_option,
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
    text_column_option,
    text_option,
    vocab_option,
    wrt_option,
)
from onnxviz.commands.terminal import Terminal, visible

if TYPE_CHECKING:
    from rich.console import Console

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
    """Return the address of a scheduler, or fail if it is no address."""
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
    help="The time for the whole report: 90s, 2m, 1h, or none for no limit. A slow model gets fewer steps.",
)
@click.option(
    "--tensors",
    "patterns",
    metavar="PATTERN",
    multiple=True,
    help="The tensors to show; may be given several times. [default: the outputs and a selection of layers]",
)
@click.option(
    "--units",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    help="The number of units of each tensor, at least.",
)
@click.option(
    "--single-file", is_flag=True, help="Also write the whole report into one HTML file, report.html in the folder."
)
@click.option(
    "--input",
    "inputs",
    metavar="FILE",
    multiple=True,
    help="A sample to show: what it does inside the model, and which of its parts drive the answer. FILE#7 selects a row; "
    "may be given several times.",
)
@click.option(
    "--label",
    metavar="COLUMN",
    help="The column of DATA, or the array of an archive, with the class of each sample; it is not a feature.",
)
@classes_option
@text_option
@text_column_option
@vocab_option
@click.option(
    "--cluster",
    metavar="ADDRESS",
    callback=_scheduler,
    help="A Dask cluster whose workers search and score DATA, such as tcp://host:8786; needs pip install 'onnxviz[cluster]'.",
)
@click.option("--steps", type=click.IntRange(min=1), help="The number of steps of each search. [default: as maximize]")
@click.option(
    "--restarts", type=click.IntRange(min=1), help="The number of random starts of each unit. [default: as maximize]"
)
@wrt_option
@set_option
@dim_option
@shape_option
@contract_options
@seed_option
@device_option
@output_options
@plugin_options
@json_option
@click.pass_obj
def report(terminal: Terminal, /, **options: Any) -> int:
    """Make a web page that shows what MODEL has learned. It works offline.

    The page is index.html in the folder of -o. It shows the facts of the file, the expected input, the graph, the filters of the
    first layer, units of the outputs and of layers with the best input for each unit, and a check of torch against ONNX Runtime.

    DATA is a folder of pictures or sounds, an array, a table or a file of texts. With DATA, each unit also has its highest and
    lowest samples and a histogram of its scores. With --input, the page shows what a sample does inside the model. The page lists the work
    that did not fit into --budget. --resume continues it.

    \b
    Examples:
      onnxviz report sample_models/digits.onnx -o digits_report
      onnxviz report sample_models/wine.onnx sample_models/wine.csv --budget 30s -o wine_report
      onnxviz report sample_models/digits.onnx sample_models/digits_held_out.npy --input sample_models/digits_seven.png -o seen
    """
    import onnxviz
    from onnxviz.pages.request import ReportRequest

    request = requested(ReportRequest, request_options(options))
    places = {name: options[name] for name in ("output", "overwrite", "resume")}
    document = onnxviz.report(model_of(options, terminal), request=request, listener=terminal, **places).document()
    terminal.emit(document, options["as_json"], lambda console: _show(console, document))
    return 0


def _show(console: Console, document: dict[str, Any]) -> None:
    console.print(f"{visible(document['files'][0])}", style="bold")
    for row in document["tensors"]:
        console.print(f"  {visible(row['name'])}: {row['done']} of {row['units']} units")
        if row["message"]:
            console.print(f"    {visible(row['message'])}")
    checked = document["verification"]
    if checked is not None:
        console.print(
            f"  torch and ONNX Runtime agree in {checked['agree']} of {checked['compared']} tensors", style="dim"
        )
    data = document["data"]
    if data is not None:
        more = "" if data["complete"] else " so far; continue with --resume --budget 10m"
        count = f"{data['samples']} sample" + ("" if data["samples"] == 1 else "s")
        said = data["message"] or f"{count} of {data['name']} scored for {data['units']} units{more}"
        console.print(f"  {visible(said)}")
    for row in document["inputs"]:
        more = f": no time for {' and '.join(row['left'])}; continue with --resume --budget 10m" if row["left"] else ""
        console.print(f"  {visible(row['name'])}{more}")
    left = document["left_out"]
    if left["sections"]:
        console.print("no time for the check against ONNX Runtime; continue with --resume --budget 10m")
    if left["units"]:
        more = "" if left["seconds"] is None else f", about {left['seconds']:.0f} s of work"
        console.print(f"no time for {left['units']} units; continue with --resume --budget 10m{more}")
    console.print(f"{document['seconds']:.1f} s", style="dim")
