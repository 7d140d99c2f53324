"""``onnxviz attribute``: which parts of a real input drive a target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxviz.analyses.attribution.task import METHODS
from onnxviz.analyses.keywords import requested
from onnxviz.commands.options import (
    contract_options,
    device_option,
    dim_option,
    json_option,
    label_option,
    model_argument,
    output_of,
    output_options,
    request_options,
    seed_option,
    set_option,
    shape_option,
    spelled,
    target_option,
)
from onnxviz.commands.terminal import Terminal, grid, visible

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@model_argument
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@target_option(
    "What to explain: 'logits[281]', 'conv1[12, 5, 5]', 'logits[2] - logits[5]'; may be given several times. "
    "[default: the class of the highest score]"
)
@click.option(
    "-m",
    "--method",
    "methods",
    metavar="METHOD",
    multiple=True,
    type=click.Choice([*METHODS, "all"]),
    help=f"One of {', '.join(METHODS)}; may be given several times; all takes what suits the model. "
    "[default: integrated-gradients; where no gradient passes, shapley or occlusion]",
)
@click.option(
    "--wrt",
    metavar="NAME",
    help="The tensor that is explained: an input, or any float tensor inside the graph. [default: what INPUT feeds]",
)
@click.option(
    "--baseline",
    metavar="zero|mean|blur|FILE",
    help="What stands for an absent part. [default: the mean of pictures, signals and known features; else zero]",
)
@click.option("--layer", metavar="TENSOR", help="Grad-CAM's tensor. [default: the last with places before the target]")
@click.option(
    "--steps", type=click.IntRange(min=1), help="Of the integral. [default: as many, and where, as bring it within 1 %]"
)
@click.option(
    "--samples",
    type=click.IntRange(min=2),
    help="Masks of rise [1000], orders of shapley [25], noise of smoothgrad [32].",
)
@click.option("--window", type=click.IntRange(min=1), help="The side of occlusion's window, in pixels or samples.")
@click.option(
    "--literal", is_flag=True, help="Explain a probability itself, not the logit before its Softmax or Sigmoid."
)
@click.option("--names", metavar="FILE", type=click.Path(path_type=Path), help="A vector's feature names, one a line.")
@click.option(
    "--data",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Real samples of a vector: their mean is the baseline.",
)
@click.option(
    "--vocab",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The tokens' names, one a line, the first that of token 0.",
)
@label_option
@set_option
@dim_option
@shape_option
@contract_options
@seed_option
@device_option
@output_options
@json_option
@click.pass_obj
def attribute(terminal: Terminal, /, **options: Any) -> int:
    """Tell which parts of INPUT drive a target of MODEL.

    INPUT is a picture, a sound, an array or a table, of which the first row counts, or the one that FILE#7 picks; several
    inputs take a file each, as NAME=FILE.
    Each result states how the score falls as the most important parts are deleted, and rises as they are inserted, by
    ONNX Runtime on the untouched model, beside the same for chance. With -o a picture, arrays.npz and result.json are written.

    \b
    Examples:
      onnxviz attribute sample_models/digits.onnx sample_models/digits_seven.png -m all -o seven
      onnxviz attribute sample_models/forest.onnx sample_models/forest_malignant.csv
    """
    from onnxviz.analyses.attribution.explaining import attribute_all
    from onnxviz.analyses.attribution.request import AttributionRequest

    request = requested(AttributionRequest, request_options(options, "inputs"))
    document = attribute_all(options["model_path"], options["inputs"], request, output_of(options), terminal).document()
    terminal.emit(document, options["as_json"], lambda console: _show(console, document))
    return 0


def _show(console: Console, document: dict[str, Any]) -> None:
    for row in document["runs"]:
        label = f" ({visible(row['label'])})" if row["label"] else ""
        console.print(f"{visible(row['target'])}{label}: {row['ort_score']:.4g} by ONNX Runtime", style="bold")
        console.print(f"{row['ort_baseline_score']:.4g} for the baseline: {visible(row['baseline'])}")
        if row["explained"] != row["target"]:
            before, after = row["explained_baseline_score"], row["explained_score"]
            console.print(f"explained at {visible(row['explained'])}: {before:.4g} to {after:.4g}")
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
    """Return where a value stands: by name, or by index; with the input where there are several."""
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
