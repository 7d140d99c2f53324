"""``onnxviz maximize``: an input that drives a target as high as it will go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import onnxviz
from onnxviz.analyses.keywords import requested
from onnxviz.analyses.maximization.request import MaximizationRequest
from onnxviz.analyses.maximization.wording import in_short
from onnxviz.commands import options as shared
from onnxviz.commands.terminal import Terminal, grid, visible

if TYPE_CHECKING:
    from rich.console import Console

_FILE, _COUNT, _ABOVE_0 = click.Path(path_type=Path), click.IntRange(min=1), click.FloatRange(min=0, min_open=True)


@click.command()
@shared.model_argument
@shared.target_option(
    "What to maximize: 'logits[281]', 'conv1[*]', 'logits[2] - 0.5*logits[5]', '-unit[3]', 'energy(conv5)'; may be given several times.",
    required=True,
)
@shared.wrt_option
@shared.set_option
@shared.dim_option
@shared.shape_option
@shared.contract_options
@click.option(
    "--bounds",
    metavar="FILE|LO,HI",
    type=shared.Bounds(),
    help="A vector's bounds: two numbers, or a table with a row for each feature.",
)
@click.option("--names", metavar="FILE", type=_FILE, help="A vector's feature names, one a line.")
@click.option(
    "--data",
    metavar="FILE|DIR",
    type=_FILE,
    help="Real samples (.csv, .npy, .parquet, a folder): the score is placed among theirs; a vector's ranges, means, whole numbers "
    "and one-hot groups are read off them, and how a picture's or signal's channels vary together and its spectrum falls.",
)
@click.option(
    "--keep",
    "kept",
    metavar="NAME=VALUE",
    multiple=True,
    type=shared.NamedText("NAME=VALUE"),
    help="Fix a vector's feature, by name or number; of tokens a position, as in 0=[CLS].",
)
@click.option("--vocab", metavar="FILE", type=_FILE, help="Tokens' names: a line each, or JSON; also tokenizer.json.")
@click.option(
    "--sample-rate",
    metavar="HZ",
    type=_ABOVE_0,
    help="A signal's samples per second: axes in seconds and Hz, a spectrogram, and sound.wav.",
)
@click.option(
    "--norm",
    type=_ABOVE_0,
    help="The norm of an unbounded input, in standardized units. [default: the root of its size]",
)
@click.option(
    "--like",
    metavar="FILE",
    type=_FILE,
    help="The real input that like(TENSOR) and inversion(TENSOR) follow: a picture, an array, a sound or a table's first row.",
)
@click.option(
    "--parameterization",
    type=click.Choice(["fourier", "pixel", "maco"]),
    help="What moves: a spectrum that falls as nature's does, each pixel by itself, or phases at nature's magnitudes, which "
    "suits deep networks. [default: fourier for pictures and signals]",
)
@click.option(
    "--start",
    metavar="FILE",
    type=_FILE,
    help="Start from this picture, array, sound or first row of a table; restarts scatter about it.",
)
@click.option(
    "--size",
    metavar="N|HxW",
    type=shared.Size(),
    help="Render at another size than the file's, where the part up to the target allows it.",
)
@click.option(
    "--steps",
    type=_COUNT,
    help="Steps of gradient ascent, or generations without. [default: 256; 96 for pictures, 64 for signals and what is "
    "large, 32 for what is vast]",
)
@click.option(
    "--restarts",
    type=_COUNT,
    help="Random starts of each target. [default: 5; 1 for pictures and what is large; 4 or 6 for a set]",
)
@click.option("--rate", type=_ABOVE_0, help="Adam's step. [default: 0.1; 0.4 for pictures and signals; 1 with maco]")
@click.option(
    "--optimizer",
    type=click.Choice(["adam", "nadam", "lbfgs", "cma"]),
    help="What climbs; cma looks at scores alone. [default: adam; nadam with maco; cma where no gradient reaches the input]",
)
@click.option("--no-transforms", is_flag=True, help="Climb without random shifts, scales and rotations.")
@click.option(
    "--save-every",
    metavar="N",
    type=_COUNT,
    help="Draw the input after every N steps as well, in the folder frames of each target.",
)
@click.option(
    "--straight-through",
    is_flag=True,
    help="Let the gradient pass Round, Floor, Ceil and Sign as if they rounded nothing; else it is zero there.",
)
@click.option(
    "--literal", is_flag=True, help="Climb a probability itself, not the logit before its Softmax or Sigmoid."
)
@shared.seed_option
@shared.device_option
@shared.output_options
@shared.json_option
@click.pass_obj
def maximize(terminal: Terminal, /, **options: Any) -> int:
    """Find an input of MODEL that drives a target as high as it will go.

    The score is measured by ONNX Runtime on the untouched model, and so is how far it is to be trusted. Where no gradient
    reaches the input, CMA-ES searches instead. With -o a picture or chart per target, a contact sheet,
    arrays.npz and result.json are written.

    A TARGET is a tensor with an index, or a weighted sum of such and of functions. For a tensor T: energy(T),
    direction(T, FILE.npy), like(T), inversion(T). For what the input pays: total_variation(input), l1(input), l2(input),
    blur(input). For a set of restarts that is shown together: diversity(T), alignment(T), interpolate(T[3], T[8]).
    docs/objectives.md tells what each one means.

    \b
    Examples:
      onnxviz maximize sample_models/digits.onnx -t 'logits[7]' -o seven
      onnxviz maximize sample_models/wine.onnx -t 'logits[*]' --data sample_models/wine.csv -o wines
      onnxviz maximize sample_models/photo_patches.onnx -t 'like(relu2)' --like sample_models/photo_patches_cat.png -o cat
      onnxviz maximize sample_models/photo_patches.onnx -t 'conv2[33] - 10*diversity(conv2)' -o facets
    """
    request = requested(MaximizationRequest, shared.request_options(options))
    found = onnxviz.maximize(
        options["model_path"],
        options["targets"],
        output=options["output"],
        overwrite=options["overwrite"],
        resume=options["resume"],
        listener=terminal,
        request=request,
    )
    document = found.document()
    terminal.emit(document, options["as_json"], lambda console: _show(console, document))
    if found.interrupted:
        raise KeyboardInterrupt
    return 0


def _show(console: Console, document: dict[str, Any]) -> None:
    rows = [
        {
            "target": row["target"],
            "label": row["label"],
            "start": f"{row['initial_ort_score']:.4g}",
            "ONNX Runtime": f"{row['ort_score']:.4g}",
            "torch": "-" if row["score"] is None else f"{row['score']:.4g}",
            **in_short(row),
        }
        for row in document["runs"]
    ]
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    numeric = [place for place, name in enumerate(columns) if name in ("start", "ONNX Runtime", "torch", "if moved")]
    console.print(grid(columns, [[row[name] for name in columns] for row in rows], numeric=numeric))
    files = [file for row in document["runs"] for file in row["files"] if file.endswith(".png")]
    for file in files[:8]:
        console.print(f"  {visible(file)}")
    if len(files) > 8:
        console.print(f"  and {len(files) - 8} more", style="dim")
    console.print(f"{document['seconds']:.1f} s on {document['device']}", style="dim")
