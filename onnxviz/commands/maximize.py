"""``onnxviz maximize``: an input that drives a target as high as it will go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from onnxviz.commands.options import (
    check_output,
    contract_options,
    device_option,
    dim_option,
    json_option,
    model_argument,
    output_options,
    read_held,
    read_sizes,
    refine_contract,
    seed_option,
    set_option,
    shape_option,
    target_option,
    wrt_option,
)
from onnxviz.commands.terminal import Terminal, grid, shape_text, visible
from onnxviz.errors import DifferentiationError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from onnxviz.commands.drawing import Drawing
    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.methods.objectives import Objective
    from onnxviz.methods.search import Found, Settings, Space
    from onnxviz.model.graph import Model
    from onnxviz.model.inputs import InputContract

INTERRUPTED = 130
_SMALL = 256
"""Pictures of fewer pixels a side are enlarged until they have about as many."""


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
    help="Real samples of a vector: their ranges, means and deviations count.",
)
@click.option(
    "--norm",
    type=click.FloatRange(min=0, min_open=True),
    help="The norm of an unbounded input, in standardised units. [default: the root of its size]",
)
@click.option("--steps", type=click.IntRange(min=1), default=256, show_default=True, help="Steps of gradient ascent.")
@click.option(
    "--restarts", type=click.IntRange(min=1), help="Random starts of each target. [default: 5; 1 for pictures]"
)
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), default=0.05, show_default=True, help="Adam's step."
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
def maximize(terminal: Terminal, **options: Any) -> int:
    """Find an input of MODEL that drives a target as high as it will go.

    The score is measured by ONNX Runtime on the untouched model. With -o a picture or chart per target, a contact sheet,
    arrays.npz and result.json are written.

    \b
    Examples:
      onnxviz maximize sample_models/digits.onnx -t 'logits[7]' -o seven
      onnxviz maximize sample_models/wine.onnx -t 'logits[*]' --data sample_models/wine.csv -o wines
    """
    check_output(options["output"], options["overwrite"], options["resume"])
    task = _prepare(terminal, options)
    began = time.monotonic()
    with ExitStack() as stack:
        folder = _open_folder(stack, task, options) if options["output"] is not None else None
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
            _finish(task, folder, document)
        terminal.emit(document, options["as_json"], lambda console: _show(console, document))
        if interrupted:
            raise KeyboardInterrupt
    return 0


@dataclass(frozen=True)
class _Task:
    """Everything that is settled before the first step."""

    model: Model
    wrt: str
    inside: bool
    expected: InputContract
    shape: tuple[int, ...]
    objectives: tuple[Objective, ...]
    climbed: tuple[Objective, ...]
    space: Space
    settings: Settings
    drawing: Drawing
    held: dict[str, np.ndarray]
    labels: tuple[str, ...]
    device: str


def _prepare(terminal: Terminal, options: dict[str, Any]) -> _Task:
    import onnxviz
    from onnxviz.methods.search import Settings
    from onnxviz.model.devices import choose_device
    from onnxviz.model.inputs import contract, default_input
    from onnxviz.model.labels import class_names
    from onnxviz.model.resting import rest

    model = onnxviz.load(options["model_path"])
    dims, shapes = read_sizes(options["dims"], options["shapes"], model)
    held = read_held(options["held"], model, dims, shapes)
    moving = default_input(model, options["wrt"])
    inside = moving.name not in model.inputs
    expected = refine_contract(
        contract(model, moving.name), *(options[key] for key in ("value_range", "mean", "std", "layout", "channels"))
    )
    written = _parse(model, options["targets"])
    shape, center, spread = _shape(model, moving.name, expected, inside, held, dims, shapes, options["seed"])
    objectives = _expand(
        model, written, [moving.name] if inside else [], moving.name, shape, held, dims, shapes, options["seed"]
    )
    _check_reach(model, objectives, moving.name)
    climbed = objectives if options["literal"] else tuple(_twin(model, one) for one in objectives)
    space, drawing = _space(model, moving.name, expected, shape, center, spread, options)
    default_restarts = 1 if space.spectral and expected.kind == "image" else 5
    robust = not options["no_transforms"]
    settings = Settings(
        options["steps"],
        options["restarts"] or default_restarts,
        options["seed"],
        options["rate"],
        options["optimizer"],
        robust,
    )
    for sentence in expected.evidence:
        terminal.note(f"{moving.name}: {sentence}")
    for objective, other in zip(objectives[:1], climbed[:1], strict=True):
        if objective != other:
            terminal.note(f"climbing {other}, before the squashing; the score is that of {objective}")
    part = model.cut([name for one in (*objectives, *climbed) for name in one.tensors], [moving.name] if inside else [])
    others = [name for name in part.inputs if name != moving.name]
    resting = rest(model, others, held, dims, shapes)
    for name in others:
        if name not in held:
            terminal.note(
                f"{name}: held at rest ({shape_text(resting[name].shape)}); --set {name}=… holds it elsewhere"
            )
    device = str(choose_device(options["device"]))
    labels = class_names(model.original)
    return _Task(
        model,
        moving.name,
        inside,
        expected,
        shape,
        objectives,
        climbed,
        space,
        settings,
        drawing,
        resting,
        labels,
        device,
    )


def _parse(model: Model, texts: tuple[str, ...]) -> tuple[Objective, ...]:
    from onnxviz.methods.objectives import Objective

    parsed = []
    for text in texts:
        objective = Objective.parse(text, model.tensors)
        for name in objective.tensors:
            info = model.require(name, text)
            if not info.is_float:
                raise UsageError(f"{text}: {name} holds {info.dtype}; only floating-point tensors can be maximized")
        parsed.append(objective)
    return tuple(parsed)


def _shape(
    model: Model,
    name: str,
    expected: InputContract,
    inside: bool,
    held: dict[str, np.ndarray],
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    seed: int,
) -> tuple[tuple[int, ...], np.ndarray | None, np.ndarray | None]:
    """Return the moving tensor's shape with its batch, and for a tensor inside the graph where its values lie."""
    from onnxviz.model.sample_inputs import feed, settled_shape

    if not inside:
        shape = settled_shape(model, name, dims, shapes)
        if len(shape) < 1 or 0 in shape:
            raise UsageError(
                f"{name} has the shape {shape_text(shape)}: there is nothing to move; settle it with --shape {name}=…"
            )
        return shape, None, None
    # What ONNX Runtime computes there for a seeded input tells its shape, center and spread.
    values = np.asarray(model.session([name])(feed(model, held, dims, shapes, seed))[name], np.float32)
    if values.ndim < 2 or not values.size:
        raise UsageError(f"--wrt {name}: its shape is {shape_text(values.shape)}; a batch and one more axis are wanted")
    spread = float(values.std())
    return values.shape, np.asarray(values.mean(), np.float32), np.asarray(spread if spread > 0 else 1.0, np.float32)


def _expand(
    model: Model,
    written: tuple[Objective, ...],
    stops: list[str],
    wrt: str,
    shape: tuple[int, ...],
    held: dict[str, np.ndarray],
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    seed: int,
) -> tuple[Objective, ...]:
    """Check every index and replace every ``*``; sizes that the graph does not tell are measured by ONNX Runtime."""
    from onnxviz.methods.objectives import Activation
    from onnxviz.model.sample_inputs import feed
    from onnxviz.model.target import EACH

    sizes: dict[str, tuple[Any, ...]] = {}
    for objective in written:
        for _, term in objective.terms:
            if not isinstance(term, Activation) or term.target.tensor in sizes:
                continue
            name = term.target.tensor
            known = model.tensors[name].shape
            starred = EACH in term.target.index
            if known is None or (starred and not all(isinstance(size, int) for size in known[1:])):
                fed = feed(model, held, dims, {**shapes, wrt: shape} if wrt in model.inputs else shapes, seed)
                known = tuple(np.asarray(model.session([name])(fed)[name]).shape)
            sizes[name] = tuple(size if isinstance(size, int) else None for size in known[1:])
    for objective in written:
        for _, term in objective.terms:
            if isinstance(term, Activation):
                term.target.check(sizes[term.target.tensor])
    whole = {name: tuple(size or 1 for size in known) for name, known in sizes.items()}
    return tuple(one for objective in written for one in objective.expand(whole))


def _check_reach(model: Model, objectives: tuple[Objective, ...], wrt: str) -> None:
    """Say what stands in the way before anything is converted."""
    from onnxviz.model.support import reach

    reached = reach(model, [wrt])
    for objective in objectives:
        states = [reached[name] for name in objective.tensors]
        if not any(state.differentiable for state in states) and all(state.converted for state in states):
            reason = next((state.reason for state in states if state.reason), "nothing connects them")
            raise DifferentiationError(f"{objective}: no gradient reaches {wrt}: {reason}")


def _twin(model: Model, objective: Objective) -> Objective:
    from onnxviz.methods.objectives import Objective as Sum
    from onnxviz.model.twin import unsquashed

    target = objective.target
    twin = unsquashed(model, target) if target is not None else None
    return objective if twin is None else Sum.of(twin)


def _space(
    model: Model,
    name: str,
    expected: InputContract,
    shape: tuple[int, ...],
    center: np.ndarray | None,
    spread: np.ndarray | None,
    options: dict[str, Any],
) -> tuple[Space, Drawing]:
    from onnxviz.commands.drawing import Drawing
    from onnxviz.commands.feature_data import Features, read_features
    from onnxviz.methods.search import Space
    from onnxviz.model.labels import feature_names

    own = shape[1:] or (1,)
    axes = expected.axes if len(expected.axes) == len(own) else tuple(f"axis{place + 1}" for place in range(len(own)))
    flat = expected.kind == "vector" and len(own) == 1
    features = Features()
    if flat:
        features = read_features(
            own[0], feature_names(model.original), options["bounds"], options["names"], options["data"]
        )
    elif any(options[key] is not None for key in ("bounds", "names", "data")):
        raise UsageError(f"--bounds, --names and --data are for vectors; {name} is a {expected.kind} (see --range)")
    low = features.low if features.low is not None else _along(expected.low, axes)
    high = features.high if features.high is not None else _along(expected.high, axes)
    if low is not None and options["norm"] is not None:
        raise UsageError("--norm is for unbounded inputs; leave out --bounds, --range and --data, or leave out --norm")
    mean = features.mean if features.mean is not None else _along(expected.mean, axes) if expected.mean else center
    scale = features.scale if features.scale is not None else _along(expected.scale, axes) if expected.scale else spread
    colors = expected.color if expected.color in ("rgb", "bgr") and expected.kind == "image" else None
    kind = expected.kind if len(expected.axes) == len(own) else "array"
    space = Space(
        name,
        own,
        axes,
        kind,
        colors,
        low,
        high,
        np.zeros(()) if mean is None else np.asarray(mean),
        np.ones(()) if scale is None else np.asarray(scale),
        options["norm"],
    )
    drawing = Drawing(
        expected,
        features.names,
        mean if flat else None,
        scale if flat else None,
        low if flat else None,
        high if flat else None,
    )
    return space, drawing


def _along(values: tuple[float, ...], axes: tuple[str, ...]) -> np.ndarray | None:
    """Return numbers that hold for all elements, or one per channel or feature, so that they broadcast."""
    if not values:
        return None
    array = np.asarray(values, np.float64)
    if array.size == 1:
        return array.reshape(())
    if "channel" in axes:
        return array.reshape([-1 if axis == "channel" else 1 for axis in axes])
    return array


def _open_folder(stack: ExitStack, task: _Task, options: dict[str, Any]) -> OutputFolder:
    from onnxviz.formats.output_folder import OutputFolder

    settings = {
        "verb": "maximize",
        "model": task.model.digest,
        "wrt": task.wrt,
        "shape": list(task.shape),
        **asdict(task.settings),
    }
    return stack.enter_context(
        OutputFolder(options["output"], overwrite=options["overwrite"], resume=options["resume"], settings=settings)
    )


def _run(terminal: Terminal, task: _Task, folder: OutputFolder | None) -> Iterator[dict[str, Any]]:
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
    stops = [task.wrt] if task.inside else []
    tensors = list(dict.fromkeys(name for _, climbed in todo for name in climbed.tensors))
    measured = list(dict.fromkeys(name for objective, _ in todo for name in objective.tensors))
    network = task.model.network(tensors, stops, device=task.device)
    session = task.model.session(measured, stops)
    check = task.model.network(measured, stops, device=task.device) if measured != tensors else network
    at_once = samples_at_once(task.model, tensors, stops, task.shape)
    held = {name: torch.as_tensor(value) for name, value in task.held.items()}
    measure = _measurement(task, session, check)
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
            progress=lambda step, total, words: told(step * task.settings.steps * len(todo) // total, words),
        )
        for group in groups:
            for found in group:
                objective = todo[done][0]
                done += 1
                yield _record(task, objective, found, measure, folder, names[str(objective)])


Measure = Callable[["Objective", np.ndarray], tuple[float, float]]


def _measurement(task: _Task, session: Any, network: Any) -> Measure:
    """Return a function that scores an array, by torch and by ONNX Runtime on the untouched model."""
    import torch

    dtype = _own_type(task)

    def measure(objective: Objective, array: np.ndarray) -> tuple[float, float]:
        fed = {**task.held, task.wrt: array.astype(dtype)[None]}
        with torch.no_grad():
            ours = objective(network({name: torch.as_tensor(np.asarray(value)) for name, value in fed.items()}))
        theirs = objective({name: np.asarray(value, np.float64) for name, value in session(fed).items()})  # type: ignore[arg-type]  # a term reads numpy as well
        return float(ours.reshape(-1)[0]), float(np.asarray(theirs).reshape(-1)[0])

    return measure


def _own_type(task: _Task) -> str:
    """Return the input's type, so that what is saved can be fed as it is; float32 where numpy lacks it."""
    dtype = task.model.tensors[task.wrt].dtype
    return dtype if dtype in ("float16", "float32", "float64") else "float32"


def _record(
    task: _Task, objective: Objective, found: Found, measure: Measure, folder: OutputFolder | None, name: str
) -> dict[str, Any]:
    """Measure one result, write it, and return its row."""
    ascent = found.ascent
    score, ort_score = measure(objective, ascent.array)
    start_score = _initial(found)
    row: dict[str, Any] = {
        "target": str(objective),
        "climbed": str(found.objective),
        "label": _label(task, objective),
        "wrt": task.wrt,
        "shape": list(task.shape[1:]),
        "units": found.text,
        "steps": ascent.steps,
        "restarts": len(found.ascents),
        "score": score,
        "ort_score": ort_score,
        "initial_ort_score": measure(objective, found.start)[1],
        "climbed_score": ascent.score,
        "initial_climbed_score": start_score,
        "status": ascent.status,
        "message": ascent.message,
        "consistency": asdict(found.consistency),
        "optimizer": task.settings.optimizer,
        "differentiable": True,
        "files": [],
    }
    if folder is None:
        return row
    from onnxviz.formats.pictures import enlarge, save_picture
    from onnxviz.formats.results import Result

    dtype = _own_type(task)
    every = np.stack([one.array for one in found.ascents]).astype(dtype)
    arrays = {
        "input": ascent.array.astype(dtype)[None],
        "restarts": every,
        "scores": np.asarray([one.score for one in found.ascents], np.float64),
        "history": np.stack([_padded(one.history, task.settings.steps) for one in found.ascents]),
    }
    axes = {
        "input": " ".join(("batch", *task.space.axes)),
        "restarts": " ".join(("restart", *task.space.axes)),
        "history": "restart step",
    }
    title = f"{objective}" + (f" ({row['label']})" if row["label"] else "")
    subtitle = f"{task.model.name}: {ort_score:.4g} by ONNX Runtime, from {row['initial_ort_score']:.4g}"
    picture = task.drawing.draw(ascent.array, title, subtitle, every.astype(np.float32))
    if task.drawing.is_picture:
        picture = enlarge(picture, max(1, _SMALL // max(picture.shape[:2])))
    files = ["picture.png", "arrays.npz", "result.json"]
    row["files"] = [str(folder.path / name / file) for file in files]
    with folder.item(name) as item:
        save_picture(item / "picture.png", picture)
        provenance = {"model": task.model.name, "sha256": task.model.digest, "seed": task.settings.seed}
        Result(arrays, axes, row, ascent.status, ascent.message, provenance).save(item)
    return row


def _padded(history: np.ndarray, steps: int) -> np.ndarray:
    padded = np.full(steps, np.nan, np.float32)
    padded[: len(history)] = history
    return padded


def _initial(found: Found) -> float:
    return found.ascent.initial_score


def _label(task: _Task, objective: Objective) -> str:
    """Return the name of the class that a target picks, where the model's metadata names as many as it has."""
    target = objective.target
    if target is None or not task.labels or not target.index or not isinstance(target.index[0], int):
        return ""
    shape = task.model.tensors[target.tensor].shape
    if shape is None or len(shape) < 2 or shape[1] != len(task.labels):
        return ""
    return task.labels[target.index[0]]


def _finish(task: _Task, folder: OutputFolder, document: dict[str, Any]) -> None:
    """Write the contact sheet and the whole result."""
    from onnxviz.formats.atomic_file import atomic_file
    from onnxviz.formats.file_names import safe_names
    from onnxviz.formats.json_documents import json_text
    from onnxviz.formats.pictures import save_picture
    from onnxviz.formats.sheet import Sheet, Tile

    names = safe_names(str(one) for one in task.objectives)
    shown = [row for row in document["runs"] if folder.done(names[row["target"]])]
    if len(shown) > 1:
        tiles = []
        for row in shown:
            picture = _picture(folder.partial / names[row["target"]] / "picture.png")
            caption = row["label"] or row["target"]
            tiles.append(Tile(picture, caption, _detail(row), sharp=False if max(picture.shape[:2]) > _SMALL else None))
        subtitle = f"{len(shown)} targets, each as high as it will go; by ONNX Runtime"
        save_picture(folder.file("sheet.png"), Sheet(tiles, task.model.name, subtitle).draw())
    with atomic_file(folder.file("result.json")) as file:
        file.write(json_text(document).encode("utf-8"))


def _detail(row: dict[str, Any]) -> str:
    return f"{row['ort_score']:.4g}" if row["status"] == "ok" else f"{row['ort_score']:.4g}, {row['status']}"


def _picture(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _show(console: Console, document: dict[str, Any]) -> None:
    rows = []
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
    columns = ("target", "label", "start", "ONNX Runtime", "torch", "starts", "")
    if not any(row[1] for row in rows):
        columns, rows = (columns[0], *columns[2:]), [(row[0], *row[2:]) for row in rows]  # type: ignore[assignment]  # one column fewer
    console.print(grid(columns, rows, numeric=tuple(range(len(columns) - 5, len(columns) - 2))))
    files = [file for row in document["runs"] for file in row["files"] if file.endswith(".png")]
    for file in files[:8]:
        console.print(f"  {visible(file)}")
    if len(files) > 8:
        console.print(f"  and {len(files) - 8} more", style="dim")
    console.print(f"{document['seconds']:.1f} s on {document['device']}", style="dim")
