"""``onnxviz report``: all that is known of a model in one page that opens without a network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxviz.analyses.keywords import requested
from onnxviz.commands.options import (
    contract_options,
    device_option,
    dim_option,
    json_option,
    model_argument,
    output_options,
    request_options,
    seed_option,
    set_option,
    shape_option,
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
    import onnxviz
    from onnxviz.pages.request import ReportRequest

    request = requested(ReportRequest, request_options(options))
    places = {name: options[name] for name in ("output", "overwrite", "resume")}
    document = onnxviz.report(options["model_path"], request=request, listener=terminal, **places).document()
    terminal.emit(document, options["as_json"], lambda console: _show(console, document))
    return 0


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
