"""``onnxviz maximize``: finds the input with the highest score for a target."""

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
from onnxviz.wording import question_text

if TYPE_CHECKING:
    from rich.console import Console

_FILE, _COUNT, _ABOVE_0 = click.Path(path_type=Path), click.IntRange(min=1), click.FloatRange(min=0, min_open=True)


@click.command()
@shared.model_argument
@shared.target_option(
    "The target to maximize: 'logits[281]', 'conv1[*]', 'logits[2] - 0.5*logits[5]', '-unit[3]', 'energy(conv5)'; "
    "may be given several times.",
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
    help="The bounds of a vector: two numbers, or a table with a row for each feature.",
)
@click.option("--names", metavar="FILE", type=_FILE, help="A file with the name of a vector's feature in each line.")
@click.option(
    "--data",
    metavar="FILE|DIR",
    type=_FILE,
    help="Real samples (.csv, .npy, .parquet, a folder). The score is compared with their scores. For a vector, they also give the "
    "ranges, means, whole numbers and one-hot groups; for a picture or signal, the spectrum and the correlation of channels.",
)
@click.option(
    "--near-data",
    is_flag=True,
    help="Keep the input where the best samples of --data are: a score between once and twice the best real one, and a path through "
    "the layers like those of real samples.",
)
@click.option(
    "--keep",
    "kept",
    metavar="NAME=VALUE",
    multiple=True,
    type=shared.NamedText("NAME=VALUE"),
    help="Fix a feature of a vector, by name or number, or a position of tokens, as in 0=[CLS]; may be given several times.",
)
@shared.vocab_option
@shared.classes_option
@click.option(
    "--sample-rate",
    metavar="HZ",
    type=_ABOVE_0,
    help="The samples per second of a signal. Charts then have seconds and Hz, and a spectrogram; sound.wav is written.",
)
@click.option(
    "--norm",
    type=_ABOVE_0,
    help="The norm of an input without bounds, in standardized units. [default: the square root of its size]",
)
@click.option(
    "--like",
    metavar="FILE",
    type=_FILE,
    help="The real input for like(TENSOR) and inversion(TENSOR): a picture, an array, a sound or the first row of a table.",
)
@click.option(
    "--parameterization",
    type=click.Choice(["fourier", "pixel", "maco"]),
    help="What the search changes: a spectrum with natural amplitudes (fourier), each pixel (pixel), or the phases of a natural "
    "spectrum (maco), which suits deep networks. [default: fourier for pictures and signals]",
)
@click.option(
    "--start",
    metavar="FILE|TEXT",
    help="Start from this picture, array, sound or first row of a table, or for a model of tokens from this text. Restarts begin near it.",
)
@click.option(
    "--keep-near",
    is_flag=True,
    help="Only accent the input of --start: three changes, of 10 %, 25 % and 50 % of its contrast, where the target cares. "
    "-o writes strip.png.",
)
@click.option(
    "--size",
    metavar="N|HxW",
    type=shared.Size(),
    help="The size of the picture, if the layers before the target allow another size than the file's.",
)
@click.option(
    "--steps",
    type=_COUNT,
    help="The number of steps, or of generations of cma. [default: 256; 112 to 176 for pictures, 64 for signals and large inputs, "
    "32 to 64 for very large models]",
)
@click.option(
    "--restarts",
    type=_COUNT,
    help="The number of random starts for each target. [default: 5; 1 for pictures and large inputs; 4 or 6 for a set]",
)
@click.option(
    "--rate",
    type=_ABOVE_0,
    help="The step size of the search. [default: 0.1; 0.4 for pictures and signals; 1 with maco]",
)
@click.option(
    "--optimizer",
    type=click.Choice(["adam", "nadam", "lbfgs", "cma"]),
    help="The search method; cma needs no gradient. [default: adam; nadam with maco; cma if no gradient reaches the input]",
)
@click.option("--no-transforms", is_flag=True, help="Search without moving the input at random.")
@click.option(
    "--save-every",
    metavar="N",
    type=_COUNT,
    help="Also draw the input after every N steps, into the folder frames of each target.",
)
@click.option(
    "--straight-through",
    is_flag=True,
    help="Let the gradient pass Round, Floor, Ceil and Sign unchanged. Without it, their gradient is zero.",
)
@click.option(
    "--literal",
    is_flag=True,
    help="Maximize a probability itself. Without it, the logit before the Softmax or Sigmoid is maximized.",
)
@shared.seed_option
@shared.device_option
@shared.output_options
@shared.plugin_options
@shared.json_option
@click.pass_obj
def maximize(terminal: Terminal, /, **options: Any) -> int:
    """Find the input of MODEL with the highest score for a target.

    ONNX Runtime measures the score on the untouched model, and checks how reliable it is. If no gradient reaches the input,
    CMA-ES searches with scores alone. -o writes a picture or chart for each target, a contact sheet, arrays.npz and
    result.json.

    A TARGET is a tensor with an index, a function, or a weighted sum of these. Questions about the places that an index
    leaves: mean(T), max(T), center(T); without one, the question that fits is asked and named. Functions of a tensor T: energy(T),
    direction(T, FILE.npy), like(T), inversion(T). Penalties of the input, to subtract: total_variation(input), l1(input),
    l2(input), blur(input). Functions of a set of restarts: diversity(T), alignment(T), interpolate(T[3], T[8]).
    docs/objectives.md explains each function.

    \b
    Examples:
      onnxviz maximize sample_models/digits.onnx -t 'logits[7]' -o seven
      onnxviz maximize sample_models/wine.onnx -t 'logits[*]' --data sample_models/wine.csv -o wines
      onnxviz maximize sample_models/photo_patches.onnx -t 'like(relu2)' --like sample_models/photo_patches_cat.png -o cat
      onnxviz maximize sample_models/photo_patches.onnx -t 'conv2[33] - 10*diversity(conv2)' -o facets
    """
    request = requested(MaximizationRequest, shared.request_options(options))
    found = onnxviz.maximize(
        shared.model_of(options, terminal),
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


def _places(places: dict[str, list[int]]) -> str:
    """Return the highest places as text."""
    return "".join(f" at {', '.join(map(str, place))}" for place in places.values())


def _show(console: Console, document: dict[str, Any]) -> None:
    rows = [
        {
            "target": row["target"],
            "label": row["label"],
            "question": question_text(row["question"]) + _places(row["places"]),
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
