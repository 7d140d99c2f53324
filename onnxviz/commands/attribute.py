"""``onnxviz attribute``: shows which parts of a real input matter for a target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxviz.analyses.attribution.task import METHODS
from onnxviz.analyses.keywords import requested
from onnxviz.commands.options import (
    classes_option,
    contract_options,
    device_option,
    dim_option,
    json_option,
    label_option,
    model_argument,
    model_of,
    named,
    output_of,
    output_options,
    plugin_options,
    request_options,
    seed_option,
    set_option,
    shape_option,
    spelled,
    target_option,
    text_column_option,
    text_option,
    vocab_option,
)
from onnxviz.commands.terminal import Terminal, grid, visible
from onnxviz.wording import question_text

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@model_argument
@click.argument("inputs", metavar="[INPUT]...", nargs=-1)
@target_option(
    "The target to explain: 'logits[281]', 'conv1[12, 5, 5]', 'logits[2] - logits[5]'; may be given several times. "
    "[default: the class of the highest score]"
)
@click.option(
    "-m",
    "--method",
    "methods",
    metavar="METHOD",
    multiple=True,
    type=click.Choice([*METHODS, "all"]),
    help=f"One of {', '.join(METHODS)}; may be given several times. all takes every method that suits the model. "
    "[default: integrated-gradients; for models without a gradient, shapley or occlusion]",
)
@click.option(
    "--wrt",
    metavar="NAME",
    multiple=True,
    callback=lambda context, parameter, names: named(names),
    help="The tensor whose parts are explained: an input, or a float tensor inside the graph; may be given several times. "
    "[default: the inputs that INPUT feeds]",
)
@click.option(
    "--baseline",
    metavar="zero|mean|blur|FILE",
    help="The value of an absent part. [default: the mean for pictures, signals and known features; else zero]",
)
@click.option(
    "--layer",
    metavar="TENSOR",
    help="The tensor for Grad-CAM. [default: the last tensor before the target that has positions]",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help="The number of steps of the integral. [default: enough for an error of 1 %]",
)
@click.option(
    "--samples",
    type=click.IntRange(min=2),
    help="The number of masks of rise [1000], of orders of shapley [25], of noisy copies of smoothgrad [32].",
)
@click.option("--window", type=click.IntRange(min=1), help="The side of the window of occlusion, in pixels or samples.")
@click.option(
    "--literal",
    is_flag=True,
    help="Explain a probability itself. Without it, the logit before the Softmax or Sigmoid is explained.",
)
@click.option(
    "--names",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A file with the name of a vector's feature in each line.",
)
@click.option(
    "--data",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Real samples of a vector. Their mean is the baseline.",
)
@text_option
@text_column_option
@vocab_option
@classes_option
@label_option
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
def attribute(terminal: Terminal, /, **options: Any) -> int:
    """Show which parts of INPUT matter for a target of MODEL.

    INPUT is a picture, a sound, an array, a table or a file of texts; --text takes a text itself. The first row is
    explained; FILE#7 selects another row. A model with
    several inputs takes a file for each: NAME=FILE.

    ONNX Runtime checks each explanation on the untouched model: how far the score falls when the most important parts are
    deleted first, and how far it rises when they are inserted first. The same numbers are given for chance. -o writes a
    picture, arrays.npz and result.json.

    \b
    Examples:
      onnxviz attribute sample_models/digits.onnx sample_models/digits_seven.png -m all -o seven
      onnxviz attribute sample_models/forest.onnx sample_models/forest_malignant.csv
    """
    from onnxviz.analyses.attribution.explaining import attribute_all
    from onnxviz.analyses.attribution.request import AttributionRequest

    request = requested(AttributionRequest, request_options(options, "inputs"))
    document = attribute_all(
        model_of(options, terminal), options["inputs"], request, output_of(options), terminal
    ).document()
    terminal.emit(document, options["as_json"], lambda console: _show(console, document))
    return 0


def _show(console: Console, document: dict[str, Any]) -> None:
    for row in document["runs"]:
        label = f" ({visible(row['label'])})" if row["label"] else ""
        asked = f"{visible(question_text(row['question']))} ".lstrip()
        console.print(f"{visible(row['target'])}{label}: {asked}{row['ort_score']:.4g} by ONNX Runtime", style="bold")
        console.print(f"{row['ort_baseline_score']:.4g} for the baseline: {visible(row['baseline'])}")
        if row["explained"] != row["target"]:
            before, after = row["explained_baseline_score"], row["explained_score"]
            console.print(f"explained: {visible(row['explained'])}: {before:.4g} to {after:.4g}")
        if row["message"]:
            console.print(visible(spelled(row["message"])))
        if row["layer"]:
            console.print(f"Grad-CAM at {visible(row['layer'])}")
        console.print()
        console.print(
            grid(("method", "strongest", "inserted", "deleted", "chance", "adds up to", ""), _rows(row), (2, 3))
        )
    files = [file for row in document["runs"] for file in row["files"] if file.endswith(".png")]
    for file in files[:8]:
        console.print(f"  {visible(file)}")
    if len(files) > 8:
        console.print(f"  and {len(files) - 8} more", style="dim")
    console.print(f"{document['seconds']:.1f} s on {document['device']}", style="dim")


def _place(one: dict[str, Any], several: bool) -> str:
    """Return the place of a value, by name or by index; with the input, if there are several inputs."""
    text = one["name"] or f"[{', '.join(map(str, one['place']))}]"
    return f"{one['input']}{'' if text.startswith('[') else ' '}{text}" if several else text


def _rows(row: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for one in row["methods"]:
        areas, whole = one["faithfulness"], one["completeness"]
        strongest = ", ".join(
            f"{_place(each, len(row['wrt']) > 1)} {each['value']:{'+' if one['signed'] else ''}.3g}"
            for each in one["strongest"][:3]
        )
        measured = areas["insertion"] is not None
        chance = f"{areas['chance_insertion']:.2f}, {areas['chance_deletion']:.2f}" if measured else ""
        verdict = "" if not measured else "better than chance" if areas["beats_chance"] else "no better than chance"
        rows.append(
            (
                one["method"],
                strongest,
                f"{areas['insertion']:.2f}" if measured else "",
                f"{areas['deletion']:.2f}" if measured else "",
                chance,
                "" if whole is None else f"{whole['total']:.4g} of {whole['difference']:.4g}",
                "; ".join(part for part in (verdict, one["message"]) if part),
            )
        )
    return rows
