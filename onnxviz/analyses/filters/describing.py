"""`filters`: the first layer's kernels, described and drawn, and what they answer on an input."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.filters.request import FiltersRequest
from onnxviz.analyses.filters.sheets import answer_sheet, kernel_sheet
from onnxviz.analyses.inputs.kinds import with_kind
from onnxviz.analyses.inputs.settled import settle
from onnxviz.analyses.kernel_pictures import consensus, kernel_colors, kernel_letters, lettered, seen_by
from onnxviz.analyses.keywords import requested
from onnxviz.analyses.listener import SILENT, Listener
from onnxviz.analyses.opening import opened
from onnxviz.analyses.output import Output
from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.settled import Settled
    from onnxviz.contract import InputContract
    from onnxviz.drawing.pictures import Picture
    from onnxviz.methods.kernels.filters import FilterDescription
    from onnxviz.model.expectations.first_layer import FirstLayer
    from onnxviz.model.model import Model


@dataclass(frozen=True, eq=False)
class Filters:
    """The kernels of a layer.

    Attributes
    ----------
    model : Model
        The model.
    layer : FirstLayer
        The layer: its kernels, (filter, channel, *space), and where they come from.
    descriptions : tuple of FilterDescription
        One for each filter, in the layer's order.
    expected : InputContract or None
        What the input expects that the layer reads; None where it reads none.
    answers : (filter, *space) ndarray or None
        What each filter answers on the input that was given, by ONNX Runtime.
    files : tuple of str
        What was written.
    """

    model: Model
    layer: FirstLayer
    descriptions: tuple[FilterDescription, ...]
    expected: InputContract | None
    answers: np.ndarray | None = None
    files: tuple[str, ...] = ()

    @property
    def kernels(self) -> np.ndarray:
        """The kernels, (filter, channel, *space)."""
        return self.layer.kernels

    @property
    def ranked(self) -> tuple[FilterDescription, ...]:
        """The descriptions in the order in which filters are shown: by kind."""
        from onnxviz.methods.kernels.filters import order

        return tuple(self.descriptions[place] for place in order(list(self.descriptions)))

    def document(self) -> dict[str, Any]:
        """Return the filters as `filters --json` prints them."""
        return {
            "model": self.model.provenance,
            "layer": self.layer.layer,
            "operator": self.layer.operator,
            "weight": self.layer.weight,
            "shape": list(self.layer.kernels.shape),
            "groups": self.layer.groups,
            "path": list(self.layer.path),
            "filters": [self._row(one) for one in self.descriptions],
            "files": list(self.files),
        }

    row = document

    def _row(self, one: FilterDescription) -> dict[str, Any]:
        told = asdict(one)
        if self.letters:
            told["letters"] = consensus(lettered(self.layer.kernels[one.index], len(self.letters)), self.letters)
        return told if self.answers is None else {**told, "answer": _answer(self.answers, one.index)}

    @property
    def letters(self) -> str:
        """The letters that the kernels read, in the order of their axis; "" if they read no one-hot letters."""
        return kernel_letters(self.layer, self.expected)

    def picture(self) -> Picture:
        """Return the sheet of kernels, (height, width, 3) uint8."""
        colors = kernel_colors(self.layer, self.expected)
        return kernel_sheet(self.model, self.layer, list(self.ranked), colors, self.letters)

    def placed(self, folder: str | os.PathLike[str]) -> Filters:
        """Return the same, whose files lie in a folder."""
        names = ["filters.png", "arrays.npz", "result.json", *(["answers.png"] if self.answers is not None else [])]
        return replace(self, files=tuple(str(Path(folder) / name) for name in names))

    def save(self, folder: str | os.PathLike[str]) -> Filters:
        """Write filters.png, arrays.npz and result.json into a folder, and return the filters with their files.

        Raises
        ------
        OSError
            If the folder cannot be written to.
        """
        from onnxviz.drawing.pictures import save_picture
        from onnxviz.formats.results import Result

        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, np.ndarray] = {"kernels": self.layer.kernels.astype(np.float32)}
        named = " ".join(("filter", "channel", "depth", "height", "width")[:2])
        axes = {"kernels": named + "".join(f" {one}" for one in _spatial(self.layer.kernels.ndim - 2))}
        save_picture(place / "filters.png", self.picture())
        if self.answers is not None:
            arrays["answers"] = self.answers.astype(np.float32)
            save_picture(place / "answers.png", answer_sheet(self.layer, list(self.ranked), self.answers))
        summary = {
            "layer": self.layer.layer,
            "weight": self.layer.weight,
            "path": list(self.layer.path),
            "filters": [self._row(one) for one in self.ranked],
        }
        provenance = {"model": self.model.name, "sha256": self.model.digest}
        Result(arrays, axes, summary, provenance=provenance).save(place)
        return self if self.files else self.placed(folder)

    def _repr_png_(self) -> bytes:
        """Show the sheet in a notebook."""
        from PIL import Image

        content = BytesIO()
        Image.fromarray(self.picture()).save(content, "PNG")
        return content.getvalue()


def filters(
    model: Model | str | os.PathLike[str] | bytes,
    *,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    listener: Listener = SILENT,
    request: FiltersRequest | None = None,
    **keywords: Any,
) -> Filters:
    """Describe the kernels of a model's first layer, as the file holds them.

    Parameters
    ----------
    model : Model, path or bytes
        The model.
    output, overwrite, resume
        As `Output` has them: a folder for the sheet and the kernels.
    listener : Listener
        Told of what was written.
    request : FiltersRequest, optional
        A ready-made request, in place of keywords.
    **keywords
        Fields of `FiltersRequest` and `InputRequest`: weight, input_name, apply, seed, held, dims, shapes, value_range, mean, std,
        layout, channels, kind, letters.

    Raises
    ------
    UsageError, DataError, ModelError, EvaluationError
        If the model has no such layer, or what it is applied to does not fit.
    """
    from onnxviz.methods.kernels.filters import describe
    from onnxviz.model.expectations.first_layer import first_layer

    request = requested(FiltersRequest, keywords) if request is None else request
    place = Output(output, overwrite, resume)
    model = with_kind(opened(model), request.inputs)
    layer = first_layer(model, request.input_name, request.weight)
    source = request.input_name or seen_by(model, layer)
    settled = settle(model, request.inputs).about([] if source is None else [source])
    expected = settled.contract(source) if source is not None else None
    descriptions = describe(layer.kernels, color=kernel_colors(layer, expected))
    answers = None if request.apply is None else _apply(settled, layer, expected, request.apply, request.seed)
    found = Filters(model, layer, tuple(descriptions), expected, answers)
    settings = {"verb": "filters", **model.identity, "weight": layer.weight, "applied": answers is not None}
    with place.opened(listener, settings) as folder:
        if folder is not None:
            found = found.placed(output or "")
            found.save(folder.partial)
    if output is not None:
        listener.note(f"written: {output}")
    return found


def _apply(
    settled: Settled,
    found: FirstLayer,
    expected: InputContract | None,
    applied: str | os.PathLike[str] | np.ndarray,
    seed: int,
) -> np.ndarray:
    """Return what the layer answers on an input, as ONNX Runtime computes it: (filter, *space)."""
    from onnxviz.analyses.inputs.one_sample import read_input
    from onnxviz.model.expectations.sample_inputs import feed
    from onnxviz.model.graph.labels import sample_rate

    model = settled.model
    if expected is None or found.layer not in model.producers:
        raise UsageError(f"`apply`: {found.weight} is not the first layer of an input; leave `weight` out")
    name = expected.name
    fitting = replace(expected, shape=(None, *settled.open_sizes(name)))
    array = read_input(applied, fitting, settled.shape(name), sample_rate(model.original))
    settled = settled.with_samples({name: array.shape[1:]})
    session = model.session([found.layer])
    inputs = feed(model, {**settled.held, name: array}, settled.dims, settled.shapes, seed)
    answer = np.asarray(session(inputs)[found.layer], np.float64)
    count = len(found.kernels)
    if answer.ndim > 1 and answer.shape[1] == count:
        return np.asarray(answer[0])
    # A matrix answers along the last axis.
    return np.moveaxis(answer[0], -1, 0) if answer.ndim > 1 and answer.shape[-1] == count else answer.reshape(1, -1)


def _answer(answers: np.ndarray, index: int) -> dict[str, float] | None:
    if index >= len(answers):
        return None
    values = answers[index]
    return {"mean": float(values.mean()), "min": float(values.min()), "max": float(values.max())}


def _spatial(count: int) -> tuple[str, ...]:
    return {0: (), 1: ("time",), 2: ("height", "width"), 3: ("depth", "height", "width")}.get(count, ())
