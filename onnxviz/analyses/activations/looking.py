"""`activations`: shows the values of tensors for real samples."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.activations.request import ActivationsRequest
from onnxviz.analyses.inputs.class_targets import with_class_numbers
from onnxviz.analyses.inputs.classes import with_classes
from onnxviz.analyses.inputs.data_source import Texts, source_text, with_texts
from onnxviz.analyses.keywords import requested
from onnxviz.analyses.listener import SILENT, Listener
from onnxviz.analyses.opening import opened
from onnxviz.analyses.output import Output
from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.activations.seen_sample import SeenSample
    from onnxviz.analyses.inputs.data_source import DataSource
    from onnxviz.analyses.inputs.feed import Batch, Feed, Tally
    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.model.model import Model
    from onnxviz.target import Target


class SeenSamples(list["SeenSample"]):
    """The samples of one call, in order.

    Attributes
    ----------
    model : Model
        The model.
    seconds : float
        The time of the call.
    skipped : list of (str, str)
        Identity and error message of each sample that could not be read.
    files : list of str
        The files that were written.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.seconds = 0.0
        self.skipped: list[tuple[str, str]] = []
        self.files: list[str] = []

    def document(self) -> dict[str, Any]:
        """Return the samples as `activations --json` prints them."""
        return {
            "model": self.model.provenance,
            "seconds": round(self.seconds, 3),
            "samples": [one.row() for one in self],
            "skipped": [{"id": identity, "message": said} for identity, said in self.skipped],
            "files": self.files,
        }


def activations(
    model: Model | str | os.PathLike[str] | bytes,
    sample: DataSource | Sequence[str | os.PathLike[str]] = (),
    targets: str | Sequence[str] = (),
    *,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    listener: Listener = SILENT,
    request: ActivationsRequest | None = None,
    **keywords: Any,
) -> SeenSample | SeenSamples:
    """Show the values of tensors for real samples, by ONNX Runtime on the untouched file.

    Parameters
    ----------
    model : Model, path or bytes
        The model.
    sample : path, array, mapping of arrays, or a sequence of paths
        A picture, a sound, an array, a table or a file of texts; ``FILE#7`` picks a row. An array is one sample or several. May be
        left out if `text` is given.
    targets : str or sequence of str
        The targets, such as ``conv1`` or ``conv1[12]``. Default: the outputs.
    output, overwrite, resume
        As in `Output`: the folder for pictures and arrays.
    listener : Listener
        Receives notes and progress.
    request : ActivationsRequest, optional
        A ready-made request, in place of keywords.
    **keywords
        Fields of `ActivationsRequest`, `DataRequest` and `InputRequest`: limit, top, input_name, label, strict, classes, text,
        text_column, vocab, held, dims, shapes, value_range, mean, std, layout, channels, kind, letters.

    Returns
    -------
    SeenSample, or a list of them
        A list if there are several samples.

    Raises
    ------
    UsageError, DataError, ModelError, EvaluationError
        If the request does not fit the model, or a sample cannot be read or run.
    """
    if request is None:
        chosen = (targets,) if isinstance(targets, str) else tuple(targets)
        request = requested(ActivationsRequest, {**keywords, "targets": chosen})
    single = isinstance(sample, str | os.PathLike | np.ndarray | Mapping | Texts)
    sources: tuple[Any, ...] = (sample,) if single else tuple(sample)  # type: ignore[arg-type]  # a sequence of paths
    found = look(model, sources, request, Output(output, overwrite, resume), listener)
    return found[0] if len(found) == 1 else found


def look(
    model: Model | str | os.PathLike[str] | bytes,
    sources: Sequence[DataSource],
    request: ActivationsRequest,
    output: Output,
    listener: Listener,
) -> SeenSamples:
    """Return the answers of the targets to the samples of all sources, and write the files if a folder is given."""
    from onnxviz.analyses.inputs.feed import Tally, prepare_feed

    began = time.monotonic()
    sources = with_texts(sources, request.reading.text)
    model = with_classes(listener, opened(model), request.reading.classes)
    targets = _targets(model, with_class_numbers(model, request.targets))
    feed = prepare_feed(listener, model, request.reading, sources)
    settings = {
        "verb": "activations",
        **model.identity,
        "inputs": [source_text(source) for source in sources],
        "targets": [str(one) for one in targets],
    }
    found = SeenSamples(model)
    with output.opened(listener, settings) as folder:
        tally = Tally()
        places: dict[str, str] = {}
        for seen in _seen(feed, targets, sources, request, tally):
            found.append(seen if folder is None else _drawn(seen, folder, places))
        found.skipped = tally.problems
        feed.close(tally, len(found))
        if len(found) >= request.limit:
            listener.note(
                f"used {len(found)} sample{'s' * (len(found) != 1)}; use more with `limit`, or pick one with FILE#7"
            )
        found.seconds = time.monotonic() - began
        if folder is not None:
            _save(found, feed, folder)
    return found


def _targets(model: Model, texts: Sequence[str]) -> list[Target]:
    from onnxviz.target import EACH, Target

    if not texts:
        plain = dict.fromkeys(_plain(model, Target(name)).tensor for name in model.outputs)
        outputs = [name for name in plain if model.tensors[name].container == "tensor"]
        if not outputs:
            raise UsageError(f"{model.name} has no tensor among its outputs; name a tensor inside with `targets`")
        return [Target(name) for name in outputs]
    targets = []
    for text in texts:
        target = _plain(model, Target.parse(text, model.tensors))
        info = model.require(target.tensor, text)
        if info.container != "tensor":
            raise UsageError(f"{text}: {target.tensor} is a {info.container}, not a tensor")
        if target.index and all(entry is EACH for entry in target.index):
            target = replace(target, index=())  # every unit: the whole tensor
        targets.append(replace(target, index=tuple(slice(None) if one is EACH else one for one in target.index)))
    return list(dict.fromkeys(targets))


def _plain(model: Model, target: Target) -> Target:
    """Return the target with the question about each of its units; if it is on the maps of a ZipMap, the target on the tensor before it."""
    from onnxviz.model.graph.zipped import unzipped
    from onnxviz.model.tensors.questions import questioned

    return questioned(model, unzipped(model, target) or target, each=True)


def _seen(
    feed: Feed, targets: list[Target], sources: Sequence[DataSource], request: ActivationsRequest, tally: Tally
) -> Iterator[SeenSample]:
    """Yield the answers of the targets to each sample, for at most `limit` samples."""
    from onnxviz.analyses.inputs.forward import Forward

    forward = Forward(feed, [one.tensor for one in targets], loose=True)
    make = _Maker(feed, targets, request.top)
    left = request.limit
    for source in sources:
        for batch in feed.batches(feed.open(source), min(forward.at_once, request.limit), tally):
            taken = batch.part(0, left)
            if len(taken):
                answers = forward(taken.arrays)
                for place in range(len(taken)):
                    yield make(taken, place, answers)
                left -= len(taken)
            if left <= 0:
                break


class _Maker:
    """A function that makes a `SeenSample` from the tensors of a batch."""

    def __init__(self, feed: Feed, targets: list[Target], top: int) -> None:
        from onnxviz.model.graph.zipped import class_labels

        self._feed, self._targets, self._top = feed, targets, top
        self._labels = {one.tensor: class_labels(feed.model, one.tensor) for one in targets}
        self._drawing = feed.drawing()

    def __call__(self, batch: Batch, place: int, answers: dict[str, np.ndarray]) -> SeenSample:
        from onnxviz.analyses.activations.answers import answer_of
        from onnxviz.analyses.activations.seen_sample import SeenSample

        values = {name: array[place] for name, array in answers.items()}
        told = tuple(
            answer_of(self._feed.model, one, values[one.tensor], self._labels[one.tensor]) for one in self._targets
        )
        classes = tuple(
            self._labels[one.tensor][int(values[one.tensor])]
            if _is_class(values[one.tensor], self._labels[one.tensor])
            else ""
            for one in self._targets
        )
        return SeenSample(
            batch.identities[place],
            batch.labels[place],
            {name: array[place] for name, array in batch.arrays.items()},
            told,
            tuple(one.tensor for one in self._targets),
            values,
            self._drawing,
            self._feed.main,
            batch.rate,
            self._top,
            classes,
            encoded=None if not batch.texts or self._feed.text is None else self._feed.text.encode(batch.texts[place]),
        )


def _is_class(values: np.ndarray, labels: tuple[str, ...]) -> bool:
    return values.ndim == 0 and values.dtype.kind in "iu" and 0 <= int(values) < len(labels)


def _drawn(seen: SeenSample, folder: OutputFolder, places: dict[str, str]) -> SeenSample:
    """Write the pictures of one sample into its own folder, and return the sample with its files."""
    from onnxviz.formats.file_names import safe_name

    # A folder whose name ends like a picture's would be mistaken for a picture.
    place = safe_name(seen.identity.replace(".", "_"))
    if places.setdefault(place, seen.identity) != seen.identity:
        place = safe_name(seen.identity)
    saved = seen.save(folder.file(f"{place}/x").parent)
    files = tuple(tuple(str(folder.path / place / os.path.basename(file)) for file in group) for group in saved.files)
    return replace(saved, files=files)


def _save(found: SeenSamples, feed: Feed, folder: OutputFolder) -> None:
    """Write the arrays of all samples, and the document."""
    from onnxviz.formats.results import Result
    from onnxviz.model.tensors.tensor_axes import tensor_axes

    kept: dict[str, list[tuple[str, np.ndarray]]] = {}
    for seen in found:
        for name, array in {**seen.inputs, **seen.values, **seen.inputs}.items():
            kept.setdefault(name, []).append((seen.identity, array))
    arrays, axes = {}, {}
    for name, samples in kept.items():
        shapes = {array.shape for _, array in samples}
        parts = {name: np.stack([array for _, array in samples])} if len(shapes) == 1 else {}
        for identity, array in samples if len(shapes) > 1 else []:
            parts[f"{name} of {identity}"] = array[None]
        for key, array in parts.items():
            arrays[key] = array.astype(str) if array.dtype.kind == "O" else array
            axes[key] = " ".join(("batch", *tensor_axes(feed.model, name, array.ndim - 1)))
    drawn = [file for seen in found for group in seen.files for file in group]
    provenance = {"model": feed.model.name, "sha256": feed.model.digest}
    Result(arrays, axes, found.document(), provenance=provenance).save(folder.partial)
    found.files = [*drawn, *(str(folder.path / name) for name in ("arrays.npz", "result.json"))]
