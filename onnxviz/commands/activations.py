"""``onnxviz activations``: what a real input does inside the model, computed by ONNX Runtime."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
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
from onnxviz.errors import UsageError
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from onnxviz.analyses.activations.answers import Answer
    from onnxviz.analyses.inputs.feed import Batch, Feed
    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.model.model import Model
    from onnxviz.target import Target

_LISTED = 10


@click.command()
@model_argument
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@target_option("What to look at: 'conv1', 'conv1[12]', 'logits'; may be given several times. [default: the outputs]")
@data_options
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Look at this many samples at most, the first ones.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=_LISTED,
    show_default=True,
    help="List this many of the strongest units.",
)
@output_options
@json_option
@click.pass_obj
def activations(terminal: Terminal, /, **options: Any) -> int:
    """Show how INPUT, a picture, sound, array or table, activates tensors of MODEL.

    A row of an array or table is picked as FILE#7, several as FILE#0:4. Computed by ONNX Runtime on the untouched model.
    With -o a picture per sample and target, arrays.npz and result.json are written.

    \b
    Examples:
      onnxviz activations sample_models/photo_patches.onnx sample_models/photo_patches_cat.png -t relu1 -t logits -o cat
      onnxviz activations sample_models/digits.onnx 'sample_models/digits_held_out.npy#3' -t 'conv1[2]' -t logits -o digit
    """
    import onnxviz
    from onnxviz.analyses.inputs.feed import prepare_feed
    from onnxviz.formats.output_folder import OutputFolder

    check_output(options["output"], options["overwrite"], options["resume"])
    began = time.monotonic()
    model = onnxviz.load(options["model_path"])
    targets = _targets(model, options["targets"])
    feed = prepare_feed(terminal, model, options, options["inputs"])
    settings = {
        "verb": "activations",
        "model": model.digest,
        "inputs": list(options["inputs"]),
        "targets": [str(one) for one in targets],
    }
    place = (
        OutputFolder(options["output"], overwrite=options["overwrite"], resume=options["resume"], settings=settings)
        if options["output"] is not None
        else nullcontext()
    )
    with place as folder:
        work = _Work(terminal, model, feed, targets, folder, options["top"])
        work.run(options["inputs"], options["limit"])
        document = {
            "model": {"path": str(model.path), "sha256": model.digest},
            "seconds": round(time.monotonic() - began, 3),
            "samples": work.rows,
            "skipped": [{"id": identity, "message": said} for identity, said in work.problems],
            "files": [],
        }
        if folder is not None:
            document["files"] = work.save(document)
        terminal.emit(document, options["as_json"], lambda console: _show(console, document))
    return 0


def _targets(model: Model, texts: tuple[str, ...]) -> list[Target]:
    from onnxviz.target import EACH, Target

    if not texts:
        plain = dict.fromkeys(_plain(model, Target(name)).tensor for name in model.outputs)
        outputs = [name for name in plain if model.tensors[name].container == "tensor"]
        if not outputs:
            raise UsageError(f"{model.name} has no tensor among its outputs; name one inside with -t")
        return [Target(name) for name in outputs]
    targets = []
    for text in texts:
        target = _plain(model, Target.parse(text, model.tensors))
        info = model.require(target.tensor, text)
        if info.container != "tensor":
            raise UsageError(f"{text}: {target.tensor} is a {info.container}, not a tensor")
        if target.index and all(entry is EACH for entry in target.index):
            target = Target(target.tensor)  # every unit: the whole tensor
        targets.append(Target(target.tensor, tuple(slice(None) if one is EACH else one for one in target.index)))
    return list(dict.fromkeys(targets))


def _plain(model: Model, target: Target) -> Target:
    """Return the tensor that a ZipMap makes maps of in their place."""
    from onnxviz.model.graph.zipped import unzipped

    return unzipped(model, target) or target


@dataclass
class _Work:
    """One pass over the samples."""

    terminal: Terminal
    model: Model
    feed: Feed
    targets: list[Target]
    folder: OutputFolder | None
    top: int

    def __post_init__(self) -> None:
        from onnxviz.analyses.inputs.forward import Forward
        from onnxviz.drawing.input_drawing import Drawing
        from onnxviz.formats.file_names import safe_names
        from onnxviz.model.graph.labels import feature_names
        from onnxviz.model.graph.zipped import class_labels

        self.rows: list[dict[str, Any]] = []
        self.problems: list[tuple[str, str]] = []
        self.places: dict[str, str] = {}
        self.kept: dict[str, list[tuple[str, np.ndarray]]] = {}
        self.forward = Forward(self.feed, [one.tensor for one in self.targets], loose=True)
        self.labels = {one.tensor: class_labels(self.model, one.tensor) for one in self.targets}
        expected = self.feed.contracts[self.feed.main]
        self.drawing = Drawing(expected, feature_names(self.model.original))
        self.names = safe_names([str(one) for one in self.targets])

    def run(self, sources: tuple[str, ...], limit: int) -> None:
        from onnxviz.analyses.inputs.feed import Tally

        tally = Tally()
        count, more = 0, False
        for source in sources:
            data = self.feed.open(source)
            for batch in self.feed.batches(data, min(self.forward.at_once, limit), tally):
                taken = batch.part(0, limit - count)
                more = more or len(taken) < len(batch)
                if len(taken):
                    self._batch(taken)
                    count += len(taken)
                if more or count >= limit:
                    break
        self.problems = tally.problems
        self.feed.close(tally, count)
        if count >= limit:
            self.terminal.note(f"looked at {count} samples; --limit takes more, FILE#7 picks one")

    def _batch(self, batch: Batch) -> None:
        answers = self.forward(batch.arrays)
        for place, identity in enumerate(batch.identities):
            sample = batch.arrays[self.feed.main][place]
            row: dict[str, Any] = {"id": identity, "targets": []}
            if batch.labels[place]:
                row["label"] = batch.labels[place]
            for name, array in batch.arrays.items():
                self.kept.setdefault(name, []).append((identity, array[place]))
            for tensor in self.forward.tensors:
                if tensor not in batch.arrays:
                    self.kept.setdefault(tensor, []).append((identity, answers[tensor][place]))
            for target in self.targets:
                row["targets"].append(self._target(target, answers[target.tensor][place], identity, sample, batch.rate))
            self.rows.append(row)

    def _target(
        self, target: Target, values: np.ndarray, identity: str, sample: np.ndarray, rate: int | None
    ) -> dict[str, Any]:
        from onnxviz.analyses.activations.answers import answer_of, answer_row

        labels = self.labels[target.tensor]
        answer = answer_of(self.model, target, values, labels)
        row = answer_row(answer, target.tensor, self.top)
        if not answer.values.size or values.ndim == 0:
            row["label"] = labels[int(values)] if _is_class(values, labels) else ""
        if self.folder is not None:
            row["files"] = self._draw(answer, identity, sample, rate)
        return row

    def _draw(self, answer: Answer, identity: str, sample: np.ndarray, rate: int | None) -> list[str]:
        from onnxviz.analyses.activations.pictures import answer_picture
        from onnxviz.drawing.pictures import save_picture
        from onnxviz.formats.file_names import safe_name

        if self.folder is None:
            return []
        picture = answer_picture(answer, self.drawing, sample, rate, identity)
        if picture is None:
            return []
        # A folder that is called like a picture would be taken for one.
        place = safe_name(identity.replace(".", "_"))
        if self.places.setdefault(place, identity) != identity:
            place = safe_name(identity)
        name = f"{place}/{self.names[answer.target]}.png"
        save_picture(self.folder.file(name), picture)
        return [str(self.folder.path / name)]

    def save(self, document: dict[str, Any]) -> list[str]:
        """Write the arrays and the document."""
        import numpy as np

        from onnxviz.formats.results import Result
        from onnxviz.model.tensors.tensor_axes import tensor_axes

        if self.folder is None:
            return []
        arrays, axes = {}, {}
        for name, kept in self.kept.items():
            shapes = {array.shape for _, array in kept}
            parts = {name: np.stack([array for _, array in kept])} if len(shapes) == 1 else {}
            for identity, array in kept if len(shapes) > 1 else []:
                parts[f"{name} of {identity}"] = array[None]
            for key, array in parts.items():
                arrays[key] = array
                axes[key] = " ".join(("batch", *tensor_axes(self.model, name, array.ndim - 1)))
        provenance = {"model": self.model.name, "sha256": self.model.digest}
        Result(arrays, axes, document, provenance=provenance).save(self.folder.partial)
        drawn = [file for row in self.rows for one in row["targets"] for file in one["files"]]
        return [*drawn, *(str(self.folder.path / name) for name in ("arrays.npz", "result.json"))]


def _is_class(values: np.ndarray, labels: tuple[str, ...]) -> bool:
    return values.ndim == 0 and values.dtype.kind in "iu" and 0 <= int(values) < len(labels)


def _show(console: Console, document: dict[str, Any]) -> None:
    for row in document["samples"]:
        label = f"  ({row['label']})" if row.get("label") else ""
        console.print(f"{visible(row['id'])}{visible(label)}", style="bold")
        for one in row["targets"]:
            _show_target(console, one)
    for file in document["files"][:12]:
        console.print(f"  {visible(file)}")
    if len(document["files"]) > 12:
        console.print(f"  and {len(document['files']) - 12} more", style="dim")


def _show_target(console: Console, row: dict[str, Any]) -> None:
    if not row["shape"]:
        label = f" ({row['label']})" if row.get("label") else ""
        value = "nothing finite" if row["value"] is None else f"{row['value']:.6g}"
        console.print(f"{visible(row['target'])}: {value}{visible(label)}")
        console.print()
        return
    sizes = f"{shape_text(row['shape'])} ({', '.join(row['axes'])})"
    if row["min"] is None:
        console.print(f"{visible(row['target'])}: {shape_text(row['shape'])}, nothing finite in it")
        return
    said = f"{row['min']:.4g} to {row['max']:.4g}, mean {row['value']:.4g}, {row['zeros']:.0%} zeros"
    if row["not_finite"]:
        said += f", {row['not_finite']} not finite"
    console.print(f"{visible(row['target'])}: {visible(sizes)}; {said}")
    if not row["strongest"]:
        console.print()
        return
    labeled = any(one["label"] for one in row["strongest"])
    spread = any(one["position"] for one in row["strongest"])
    columns = ["unit", *(["label"] if labeled else []), *(["rms", "mean", "max", "at"] if spread else ["value"])]
    cells = []
    for one in row["strongest"]:
        cell: list[Any] = [one["index"], *([one["label"]] if labeled else [])]
        if spread:
            at = ", ".join(map(str, one["position"]))
            cell += [f"{one['strength']:.4g}", f"{one['mean']:.4g}", f"{one['max']:.4g}", at]
        else:
            cell.append(f"{one['mean']:.4g}")
        cells.append(cell)
    first = 2 if labeled else 1
    console.print(grid(columns, cells, numeric=(0, *range(first, first + (3 if spread else 1)))))
