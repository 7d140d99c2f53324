"""``onnxviz maximize``: an input that drives a target as high as it will go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onnxviz.commands.findings import Inquiry
from onnxviz.commands.maximization_record import finish, measurement, record
from onnxviz.commands.maximization_task import Task, prepare
from onnxviz.commands.options import (
    NamedText,
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
    target_option,
    wrt_option,
)
from onnxviz.commands.scoring import Scorer
from onnxviz.commands.terminal import Terminal, grid, visible

if TYPE_CHECKING:
    from rich.console import Console

    from onnxviz.formats.output_folder import OutputFolder

_SEARCHED = (
    *("bounds", "names", "data", "kept", "vocab", "sample_rate", "norm", "held"),
    *("value_range", "mean", "std", "layout", "channels", "literal"),
)


@click.command()
@model_argument
@target_option(
    "What to maximize: 'logits[281]', 'conv1[*]', 'logits[2] - 0.5*logits[5]', '-unit[3]'; may be given several times.",
    required=True,
)
@wrt_option
@set_option
@dim_option
@shape_option
@contract_options
@click.option(
    "--bounds", metavar="FILE|LO,HI", help="A vector's bounds: two numbers, or a table with a row for each feature."
)
@click.option("--names", metavar="FILE", type=click.Path(path_type=Path), help="A vector's feature names, one a line.")
@click.option(
    "--data",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Real samples of a vector (.csv, .npy, .parquet): ranges, means, whole numbers and one-hot groups are read off them.",
)
@click.option(
    "--keep",
    "kept",
    metavar="NAME=VALUE",
    multiple=True,
    type=NamedText("NAME=VALUE"),
    help="Fix a vector's feature, by name or number; of tokens a position, as in 0=[CLS].",
)
@click.option(
    "--vocab",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Tokens' names: a line each, or JSON; also tokenizer.json.",
)
@click.option(
    "--sample-rate",
    metavar="HZ",
    type=click.FloatRange(min=0, min_open=True),
    help="A signal's samples per second: axes in seconds and Hz, a spectrogram, and sound.wav.",
)
@click.option(
    "--norm",
    type=click.FloatRange(min=0, min_open=True),
    help="The norm of an unbounded input, in standardised units. [default: the root of its size]",
)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Steps of gradient ascent. [default: 256; 128 for pictures and signals]"
)
@click.option(
    "--restarts", type=click.IntRange(min=1), help="Random starts of each target. [default: 5; 1 for pictures]"
)
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), default=0.1, show_default=True, help="Adam's step."
)
@click.option("--optimizer", type=click.Choice(["adam", "lbfgs"]), default="adam", show_default=True)
@click.option("--no-transforms", is_flag=True, help="Climb without random shifts, scales and rotations.")
@click.option(
    "--literal", is_flag=True, help="Climb a probability itself, not the logit before its Softmax or Sigmoid."
)
@seed_option
@device_option
@output_options
@json_option
@click.pass_obj
def maximize(terminal: Terminal, /, **options: Any) -> int:
    """Find an input of MODEL that drives a target as high as it will go.

    The score is measured by ONNX Runtime on the untouched model. With -o a picture or chart per target, a contact sheet,
    arrays.npz and result.json are written.

    \b
    Examples:
      onnxviz maximize sample_models/digits.onnx -t 'logits[7]' -o seven
      onnxviz maximize sample_models/wine.onnx -t 'logits[*]' --data sample_models/wine.csv -o wines
    """
    check_output(options["output"], options["overwrite"], options["resume"])
    task = prepare(terminal, options)
    began = time.monotonic()
    with ExitStack() as stack:
        folder = _open_folder(terminal, stack, task, options) if options["output"] is not None else None
        runs = list(_run(terminal, task, folder))
        interrupted = any(run["status"] == "interrupted" for run in runs)
        document = {
            "model": {"path": str(task.model.path), "sha256": task.model.digest},
            "device": task.device,
            "seed": task.settings.seed,
            "seconds": round(time.monotonic() - began, 3),
            "runs": runs,
        }
        if folder is not None:
            finish(task, folder, document)
        terminal.emit(document, options["as_json"], lambda console: _show(console, document))
        if interrupted:
            raise KeyboardInterrupt
    return 0


def _open_folder(terminal: Terminal, stack: ExitStack, task: Task, options: dict[str, Any]) -> OutputFolder:
    from onnxviz.formats.output_folder import OutputFolder

    settings = {
        "verb": "maximize",
        "model": task.model.digest,
        "wrt": task.wrt,
        "shape": list(task.shape),
        **asdict(task.settings),
        # What else a result depends on, as it was written: a resumed folder must not mix two searches.
        **{key: str(options[key]) for key in _SEARCHED if options[key]},
    }
    folder = OutputFolder(
        options["output"], overwrite=options["overwrite"], resume=options["resume"], settings=settings
    )
    # Left last: by then the folder knows what it kept of an unfinished run.
    stack.callback(lambda: terminal.note(folder.message) if folder.message else None)
    return stack.enter_context(folder)


def _run(terminal: Terminal, task: Task, folder: OutputFolder | None) -> Iterator[dict[str, Any]]:
    """Climb what is not yet done, a group at a time, and save each as it is finished."""
    import torch

    from onnxviz.formats.file_names import safe_names
    from onnxviz.formats.json_documents import read_json
    from onnxviz.methods.search import search
    from onnxviz.model.resting import samples_at_once

    names = safe_names(str(one) for one in task.objectives)
    todo = []
    for objective, climbed in zip(task.objectives, task.climbed, strict=True):
        if folder is not None and folder.done(names[str(objective)]):
            summary = read_json(folder.partial / names[str(objective)] / "result.json")["summary"]
            if summary["status"] != "interrupted":
                yield summary
                continue
        todo.append((objective, climbed))
    if not todo:
        return
    tensors = list(dict.fromkeys(name for _, climbed in todo for name in climbed.tensors))
    measured = list(dict.fromkeys(name for objective, _ in todo for name in objective.tensors))
    network = task.network(tensors)
    session = task.session(measured)
    check = task.network(measured) if measured != tensors else network
    at_once = samples_at_once(task.model, tensors, task.moving.stops, task.shape)
    held = {name: torch.as_tensor(value) for name, value in task.held.items()}
    measure = measurement(task, session, check)
    score = Scorer(task, session, at_once)
    climbed_score = Scorer(task, task.session(tensors), at_once) if measured != tensors else score
    inquiry = Inquiry(task, network, check, score, climbed_score)
    done = 0
    with terminal.progress(f"{len(todo)} targets", task.settings.steps * len(todo)) as told:
        groups = search(
            network,
            task.space,
            [climbed for _, climbed in todo],
            held,
            task.settings,
            device=torch.device(task.device),
            batch_size=at_once,
            copies=task.copies,
            progress=lambda step, total, words: told(step * task.settings.steps * len(todo) // total, words),
        )
        for group in groups:
            for found in group:
                objective = todo[done][0]
                done += 1
                yield record(task, objective, found, inquiry(objective, found), measure, folder, names[str(objective)])


def _show(console: Console, document: dict[str, Any]) -> None:
    rows: list[tuple[Any, ...]] = []
    for row in document["runs"]:
        agreed = row["consistency"]["cosine_mean"]
        starts = f"{row['restarts']}" + (f", cosine {agreed:.2f}" if agreed is not None else "")
        said = row["message"] or row["status"]
        rows.append(
            (
                row["target"],
                row["label"],
                f"{row['initial_ort_score']:.4g}",
                f"{row['ort_score']:.4g}",
                f"{row['score']:.4g}",
                starts,
                said,
            )
        )
    columns: tuple[str, ...] = ("target", "label", "start", "ONNX Runtime", "torch", "starts", "")
    if not any(row[1] for row in rows):
        columns, rows = (columns[0], *columns[2:]), [(row[0], *row[2:]) for row in rows]
    console.print(grid(columns, rows, numeric=tuple(range(len(columns) - 5, len(columns) - 2))))
    files = [file for row in document["runs"] for file in row["files"] if file.endswith(".png")]
    for file in files[:8]:
        console.print(f"  {visible(file)}")
    if len(files) > 8:
        console.print(f"  and {len(files) - 8} more", style="dim")
    console.print(f"{document['seconds']:.1f} s on {document['device']}", style="dim")
