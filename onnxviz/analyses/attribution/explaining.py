"""`attribute`: which parts of a real input matter for a target."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from onnxviz.analyses.attribution.request import AttributionRequest
from onnxviz.analyses.inputs.emptiness import filling
from onnxviz.analyses.keywords import requested
from onnxviz.analyses.listener import SILENT, Listener
from onnxviz.analyses.opening import opened
from onnxviz.analyses.output import Output, as_written
from onnxviz.errors import EmptyTargetError

if TYPE_CHECKING:
    from onnxviz.analyses.attribution.explained_inputs import Samples
    from onnxviz.analyses.attribution.explanation import Explanation
    from onnxviz.analyses.attribution.task import Task
    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.model.model import Model

_DECIDING = (
    "methods",
    "baseline",
    "layer",
    "literal",
    "samples",
    "steps",
    "window",
    "seed",
    "names",
    "data",
    "vocab",
    "classes",
)
_SAID = ("held", "value_range", "mean", "std", "layout", "channels", "kind", "letters")


class Explanations(list["Explanation"]):
    """The explanations of one call, one for each target.

    Attributes
    ----------
    task : Task
        The task of all explanations.
    seconds : float
        The time of the call.
    rows : list of dict
        The row of every target. This includes targets that an earlier call finished; they are no items of the list.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task
        self.seconds = 0.0
        self.rows: list[dict[str, Any]] = []

    def document(self) -> dict[str, Any]:
        """Return the explanations as `attribute --json` prints them."""
        task = self.task
        return {
            "model": task.model.provenance,
            "input": {**task.fed.sources},
            "device": task.device,
            "seed": task.request.seed,
            "seconds": round(self.seconds, 3),
            "runs": self.rows,
        }


def attribute(
    model: Model | str | os.PathLike[str] | bytes,
    sample: Samples = (),
    targets: str | Sequence[str] = (),
    *,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    listener: Listener = SILENT,
    request: AttributionRequest | None = None,
    **keywords: Any,
) -> Explanation | Explanations:
    """Explain which parts of a real input matter for a target.

    Parameters
    ----------
    model : Model, path or bytes
        The model.
    sample : path, array, or a mapping or sequence of such
        The real input: one sample for each input that it feeds. Arrays are in the model's own units; pictures of uint8 or
        uint16 are converted. May be left out if `text` is given.
    targets : str or sequence of str
        The targets to explain, such as ``logits[281]``. Default: the class with the highest score.
    output, overwrite, resume
        As in `Output`: the folder for pictures, arrays and results.
    listener : Listener
        Receives notes and progress.
    request : AttributionRequest, optional
        A ready-made request, in place of keywords.
    **keywords
        Fields of `AttributionRequest` and of its `InputRequest`: methods, wrt, baseline, layer, steps, samples, window, literal,
        names, data, vocab, classes, text, text_column, label, seed, device, held, dims, shapes, value_range, mean, std, layout,
        channels, kind, letters.

    Returns
    -------
    Explanation, or a list of them
        A list if `targets` is a sequence or stands for several targets.

    Raises
    ------
    UsageError, DataError, ModelError, DifferentiationError, UnsupportedOperators
        If the request does not fit the model or the input.
    """
    single = isinstance(targets, str)
    if request is None:
        chosen = (targets,) if isinstance(targets, str) else tuple(targets)
        request = requested(AttributionRequest, {**keywords, "targets": chosen})
    found = attribute_all(model, sample, request, Output(output, overwrite, resume), listener)
    return found[0] if (single or not request.targets) and len(found) == 1 else found


def attribute_all(
    model: Model | str | os.PathLike[str] | bytes,
    sample: Samples,
    request: AttributionRequest,
    output: Output,
    listener: Listener,
) -> Explanations:
    """Return the explanations of all targets of a request, without those that the output folder already holds."""
    from onnxviz.analyses.attribution.preparation import prepare

    task = prepare(listener, opened(model), sample, request)
    began = time.monotonic()
    explanations = Explanations(task)
    with output.opened(listener, _settings(task)) as folder:
        for row, explanation in _explained(task, folder, listener):
            explanations.rows.append(row)
            if explanation is not None:
                explanations.append(explanation)
        explanations.seconds = time.monotonic() - began
        if folder is not None:
            from onnxviz.formats.atomic_file import atomic_file
            from onnxviz.formats.json_documents import json_text

            with atomic_file(folder.file("result.json")) as file:
                file.write(json_text(explanations.document()).encode("utf-8"))
    return explanations


def _settings(task: Task) -> dict[str, Any]:
    """Return the settings that the results depend on; a folder with other settings is not resumed."""
    digest = hashlib.sha256()
    for one, baseline in zip(task.fed.explained, task.baselines, strict=True):
        digest.update(one.sample.tobytes() + baseline.tobytes())
        digest.update("\0".join((*one.texts(one.sample), *one.texts(baseline))).encode("utf-8", "surrogatepass"))
    said = {
        **{key: getattr(task.request, key) for key in _DECIDING},
        **{key: getattr(task.request.inputs, key) for key in _SAID},
    }
    return {
        "verb": "attribute",
        **task.model.identity,
        "wrt": [one.name for one in task.fed.explained],
        "input": digest.hexdigest(),
        **as_written(said),
    }


def _explained(
    task: Task, folder: OutputFolder | None, listener: Listener
) -> Iterator[tuple[dict[str, Any], Explanation | None]]:
    """Yield the row and explanation of each target, saved when finished; None as explanation if it was done before."""
    from onnxviz.analyses.attribution.explanation import explain
    from onnxviz.analyses.attribution.scored_model import ScoredModel
    from onnxviz.formats.file_names import safe_names
    from onnxviz.formats.json_documents import read_json

    names = safe_names(str(aim.objective) for aim in task.aims)
    scored = ScoredModel(task)
    total = sum(len(aim.methods) for aim in task.aims)
    done = 0
    with listener.progress(f"{total} explanations", total) as told:
        for aim in task.aims:
            name = names[str(aim.objective)]
            if folder is not None and folder.done(name):
                done += len(aim.methods)
                yield read_json(folder.partial / name / "result.json")["summary"], None
                continue
            first = done

            def progress(number: int, words: str, first: int = first) -> None:
                told(first + number, words)

            try:
                explanation = explain(scored, aim, progress)
            except EmptyTargetError as error:
                way = filling(task.model, aim.objective.tensors[0], task.fed.held)
                raise EmptyTargetError(f"{error}: {way}") from None
            if folder is not None:
                explanation = explanation.placed(folder.path / name)
                with folder.item(name) as item:
                    explanation.save(item)
            yield explanation.row(), explanation
            done += len(aim.methods)
