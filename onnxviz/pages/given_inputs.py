"""The sample inputs of a report: what each does inside the model, and which of its parts drive the answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.listener import SILENT, Listener
from onnxviz.errors import DataError, OnnxvizError, UsageError
from onnxviz.formats.json_documents import json_text
from onnxviz.pages.data import real_feed
from onnxviz.pages.sample_pictures import Looks, keep_chart, keep_small, map_rows, words_of

if TYPE_CHECKING:
    from onnxviz.analyses.attribution.explained_inputs import Samples
    from onnxviz.analyses.attribution.explanation import Explanation
    from onnxviz.analyses.inputs.data_source import DataSource
    from onnxviz.analyses.inputs.feed import Batch, Feed
    from onnxviz.drawing.pictures import Picture
    from onnxviz.model.model import Model
    from onnxviz.pages.folder import ReportFolder
    from onnxviz.pages.plan import Aim, SearchedInput
    from onnxviz.pages.request import ReportRequest
    from onnxviz.question import Question

MAPS = 24
"""The largest number of feature maps that are shown of a tensor, the strongest."""

LOOKS = ("activations", "attribution")
"""The two parts of an input's result; the second takes longer."""

_STRONGEST = 6
_PLACE = "inputs.json"


@dataclass(frozen=True, eq=False)
class GivenInput:
    """A sample input.

    Attributes
    ----------
    source : str
        The file, as the request names it.
    batch : Batch
        The sample, in the model's own units.
    digest : str
        SHA-256 of the sample's arrays.
    columns : tuple of str
        The names of a table's columns.
    """

    source: str
    batch: Batch
    digest: str
    columns: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the sample on the page."""
        return self.batch.texts[0] if self.batch.texts else self.batch.identities[0]


@dataclass
class GivenInputs:
    """The sample inputs of a report.

    Attributes
    ----------
    model : Model
        The model, open.
    request : ReportRequest
        The request of the report.
    feed : Feed
        Brings samples to the model's inputs.
    given : list of GivenInput
        The sample inputs of this call.
    table : Path or None
        The table with the means of a vector; None if there is none.
    """

    model: Model
    request: ReportRequest
    feed: Feed
    given: list[GivenInput]
    table: Path | None = None
    _aims: list[Aim] = field(default_factory=list)
    _listed: dict[str, dict[str, str]] = field(default_factory=dict)

    def plan(self, report: ReportFolder, shown: Sequence[Aim]) -> None:
        """Set the tensors to show, the outputs first. Inputs of earlier calls stay on the page."""
        self._aims = list(shown)
        self._listed = report.document(_PLACE) or {}
        for one in self.given:
            self._listed.setdefault(one.digest, {"name": one.name, "label": one.batch.labels[0]})
        report.write(_PLACE, (json_text(self._listed) + "\n").encode("ascii"))

    def run(
        self, listener: Listener, report: ReportFolder, going: Callable[[], bool], looks: Sequence[str] = LOOKS
    ) -> None:
        """Compute the missing results, as long as there is time; the activations of one input in any case.

        Parameters
        ----------
        listener : Listener
            Shows the progress.
        report : ReportFolder
            Keeps the results.
        going : callable
            Whether there is time left.
        looks : sequence of str
            The parts to compute: names of `LOOKS`.
        """
        steps = [(one, name) for name in looks for one in self.given]
        todo = [(one, name) for one, name in steps if report.kept(self._key(one.digest, name)) is None]
        begun = any(report.kept(self._key(one.digest, LOOKS[0])) is not None for one in self.given)
        with listener.progress("sample inputs", len(todo) or 1) as told:
            for number, (one, name) in enumerate(todo):
                if (number or begun) and not going():
                    return
                told(number, f"{one.name}: {name}")
                look = self._activations if name == "activations" else partial(self._attribution, going=going)
                try:
                    report.once(self._key(one.digest, name), partial(_told, look, one, report), name)
                except _OutOfTime:
                    # The next call starts this explanation again: a part of an explanation is of no use.
                    break
        self.model.close_sessions()

    def summary(self, report: ReportFolder) -> list[dict[str, Any]]:
        """Return the entry of each input on the page."""
        found = []
        for digest, about in self._listed.items():
            parts = {name: report.kept(self._key(digest, name)) for name in LOOKS}
            left = [name for name, part in parts.items() if part is None]
            found.append({"digest": digest, **about, **parts, "left": left})
        return found

    def values(self, report: ReportFolder, tensor: str) -> list[tuple[str, list[float]]]:
        """Return the value of each unit of a tensor on each input, with the input's name."""
        return [
            (row["name"], one["means"])
            for row in self.summary(report)
            for one in (row["activations"] or {}).get("rows", ())
            if one["tensor"] == tensor and one["means"]
        ]

    def _key(self, digest: str, name: str) -> str:
        """Return the name of a part of an input's result. The name of the activations depends on the tensors shown."""
        tensors = [aim.tensor for aim in self._aims] if name == "activations" else []
        return json_text({"input": digest, "look": name, "tensors": tensors}, None)

    def _activations(self, one: GivenInput, report: ReportFolder) -> dict[str, Any]:
        """Return the strongest units of every tensor that is shown, with pictures of its values."""
        from onnxviz.analyses.activations.answers import answer_of, answer_row
        from onnxviz.analyses.activations.pictures import answer_picture
        from onnxviz.analyses.inputs.forward import Forward
        from onnxviz.model.tensors.questions import questioned
        from onnxviz.target import Target

        drawing = self.feed.drawing()
        sample = self.feed.drawn(one.batch.arrays)[0]
        folder = f"inputs/{one.digest[:12]}"
        look = Looks(drawing, report.write, folder)("input", np.asarray(self.feed.listed(one.batch.arrays)[0]))
        encoded = None
        if one.batch.texts and self.feed.text is not None:
            encoded = self.feed.text.encode(one.batch.texts[0])
            look = words_of(encoded)
        columns = list(drawing.names or one.columns)
        if look["kind"] == "wave":
            look = {"kind": "map", **report.keep_picture(f"{folder}/input.png", _wave(look["lines"]))}
        elif look["kind"] == "row" and len(columns) != len(look["values"]):
            columns = [f"[{place}]" for place in range(len(look["values"]))]
        answers = Forward(self.feed, [aim.tensor for aim in self._aims], loose=True)(one.batch.arrays)
        rows = []
        for aim in self._aims:
            answer = answer_of(
                self.model,
                questioned(self.model, Target(aim.tensor), each=True),
                answers[aim.tensor][0],
                self.model.class_names,
            )
            row = answer_row(answer, aim.tensor, _STRONGEST)
            place = f"{folder}/{report.link(aim.tensor)}"
            maps = map_rows(answer, drawing, sample, MAPS, report.write, place)
            drawn = None if maps else answer_picture(answer, drawing, sample, one.batch.rate, one.name, MAPS, encoded)
            rows.append(
                {
                    **{key: row[key] for key in ("tensor", "shape", "min", "max", "zeros", "strongest")},
                    "link": report.link(aim.tensor),
                    "counted": answer.values.ndim == 1,
                    "means": _scores(answers[aim.tensor][0], aim, self._question(aim)),
                    "maps": maps,
                    "picture": None if drawn is None else keep_chart(report.write, place, drawn),
                }
            )
        return {"look": look, "columns": columns, "rows": rows}

    def _attribution(self, one: GivenInput, report: ReportFolder, going: Callable[[], bool]) -> dict[str, Any]:
        """Return the attribution of the highest class by the default method, with its faithfulness, if time allows."""
        from onnxviz.analyses.attribution.explanation import explain
        from onnxviz.analyses.attribution.preparation import prepare
        from onnxviz.analyses.attribution.request import AttributionRequest
        from onnxviz.analyses.attribution.scored_model import ScoredModel

        asked = self.request
        request = AttributionRequest(
            inputs=asked.said, data=self.table, label=asked.label, seed=asked.seed, device=asked.device
        )
        samples: Samples = _samples(one)
        if one.batch.texts:
            samples, request = (), replace(request, text=one.batch.texts[0], vocab=asked.vocab)
        try:
            task = prepare(SILENT, self.model, samples, request)
        except UsageError:
            # No output has one score for each class: the strongest unit of the first output is explained.
            task = prepare(SILENT, self.model, samples, replace(request, targets=(self._strongest(one),)))
        (aim,) = task.aims
        explanation = explain(ScoredModel(task, partial(_hurry, going)), aim, lambda done, words: None)
        row = explanation.row()
        named = f"inputs/{one.digest[:12]}/attribution"
        pictures = [
            _explanation(explanation, place, report, f"{named}{place or ''}")
            for place in range(len(task.fed.explained))
        ]
        (method,) = row["methods"]
        kept = ("target", "label", "ort_score", "ort_baseline_score", "baseline", "explained", "message")
        areas = {key: value for key, value in method["faithfulness"].items() if key != "curves"}
        return {
            **{key: row[key] for key in kept},
            "method": method["method"],
            "faithfulness": areas,
            "said": method["message"],
            "pictures": pictures,
            "curves": _curves(method["faithfulness"]["curves"]),
        }

    def _strongest(self, one: GivenInput) -> str:
        """Return the strongest unit of the first tensor, as a target."""
        from onnxviz.analyses.inputs.forward import Forward

        aim = self._aims[0]
        values = np.asarray(Forward(self.feed, [aim.tensor], loose=True)(one.batch.arrays)[aim.tensor][0], np.float64)
        scores = _scores(values, aim, self._question(aim)) if values.ndim else []
        return aim.target(int(np.nan_to_num(scores).argmax()) if scores else 0)

    def _question(self, aim: Aim) -> Question:
        """Return the question that a tensor's units are asked."""
        from onnxviz.model.tensors.questions import questioned
        from onnxviz.target import Target

        return questioned(self.model, Target.parse(aim.target(0), self.model.tensors)).question


def _samples(one: GivenInput) -> dict[str, str | np.ndarray]:
    """Return the input as `attribute` takes it: its file if the file is one whole sample, else arrays."""
    if Path(one.source).exists() and len(one.batch.arrays) == 1 and "#" not in one.name:
        return {next(iter(one.batch.arrays)): one.source}
    return {name: array[0] for name, array in one.batch.arrays.items()}


def _scores(values: np.ndarray, aim: Aim, question: Question) -> list[float]:
    """Return each unit's value, the answer to a question; an empty list if the tensor has another shape than planned."""
    if values.ndim != aim.rank or (aim.rank and values.shape[aim.axis] != aim.count):
        return []
    moved = np.moveaxis(np.asarray(values, np.float64), aim.axis, 0) if aim.rank else np.atleast_1d(values)
    return [float(f"{value:.7g}") for value in np.asarray(question(moved, 1)).tolist()]


def _explanation(explanation: Explanation, place: int, report: ReportFolder, named: str) -> dict[str, Any]:
    """Write the picture of an attribution: over the input, with the meaning of its colors, or as a chart. Return its entry."""
    from onnxviz.analyses.attribution.pictures import laid_over

    over = laid_over(explanation.task, place, explanation.found[0])
    if over is None:
        return {**keep_chart(report.write, named, explanation.picture(place)), "limit": None}
    picture, shown = over
    return {
        **keep_small(report.write, named, picture),
        "limit": shown.limit,
        "signed": shown.signed,
        "unit": shown.unit,
    }


def _curves(curves: Mapping[str, Any]) -> dict[str, Any]:
    """Return the curves of deletion and insertion, as SVG lines in a box of 100 by 100."""
    names = ("insertion", "deletion", "chance_insertion", "chance_deletion")
    every = [value for name in names for value in curves[name]]
    low, high = min(every), max(every)
    lines = {
        name: "L".join(
            f"{100 * share:.1f} {100 * (1 - (value - low) / ((high - low) or 1.0)):.1f}"
            for share, value in zip(curves["shares"], curves[name], strict=True)
        )
        for name in names
    }
    return {"low": low, "high": high, "lines": lines}


def _wave(lines: list[list[list[float]]]) -> Picture:
    """Return a drawing of the envelopes of a few signals."""
    from onnxviz.drawing.thumbnails import wave

    extremes = np.asarray(lines)  # (line, lowest or highest, column)
    signals = np.stack([extremes[:, 0], extremes[:, 1]], axis=2).reshape(len(lines), -1)
    return wave(signals, float(np.abs(signals).max()))


class _OutOfTime(Exception):
    """The budget is spent."""


def _hurry(going: Callable[[], bool]) -> None:
    if not going():
        raise _OutOfTime


def _told(
    look: Callable[[GivenInput, ReportFolder], dict[str, Any]], one: GivenInput, report: ReportFolder
) -> dict[str, Any]:
    """Return a part of an input's result; if it cannot be computed, the message of the error as "refused"."""
    try:
        return {**look(one, report), "refused": ""}
    except OnnxvizError as error:
        return {"refused": str(error)}


def open_inputs(model: Model, request: ReportRequest, moving: SearchedInput, table: Path | None) -> GivenInputs:
    """Read and return the sample inputs of a report.

    Parameters
    ----------
    model : Model
        The model.
    request : ReportRequest
        The request of the report.
    moving : SearchedInput
        The input that is searched.
    table : Path or None
        The table with the means of a vector; None if there is none.

    Raises
    ------
    UsageError
        If a file does not exist.
    DataError
        If a file cannot be read, or does not fit the model's inputs.
    """
    from onnxviz.analyses.inputs.data_source import Texts, texts_of
    from onnxviz.analyses.inputs.feed import Tally

    sources: tuple[DataSource, ...] = (*map(str, request.inputs), *(Texts((text,)) for text in texts_of(request.text)))
    feed = real_feed(model, request, moving, sources)
    given = []
    for source in sources:
        tally = Tally()
        data = feed.open(source)
        with closing(feed.batches(data, 1, tally)) as batches:
            batch = next(batches, None)
        if batch is None:
            raise DataError(tally.problems[0][1] if tally.problems else f"{source}: holds no sample")
        digest = hashlib.sha256()
        for name, array in batch.arrays.items():
            content = np.ascontiguousarray(array.astype(str) if array.dtype.kind == "O" else array)
            digest.update(name.encode("utf-8", "surrogatepass") + content.tobytes())
        given.append(GivenInput(str(source), batch, digest.hexdigest(), data.columns))
    return GivenInputs(model, request, feed, given, table)
