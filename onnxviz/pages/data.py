"""The data of a report: the highest and lowest samples of each unit, and the distribution of its scores.

One pass over the data scores all requested units. Scores are saved as they come, so that a stopped pass can be continued. The
samples of the page are drawn when the pass ends, or when its time is used up.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.listener import Listener, Recorder
from onnxviz.analyses.output import as_written
from onnxviz.errors import OnnxvizError, UsageError
from onnxviz.formats.json_documents import json_text
from onnxviz.formats.sample_address import SampleAddress
from onnxviz.pages.sample_pictures import Looks, window_share, words_of

if TYPE_CHECKING:
    from onnxviz.analyses.examples.scoring_pass import ExemplarPass
    from onnxviz.analyses.inputs.data_source import DataSource
    from onnxviz.analyses.inputs.feed import Feed
    from onnxviz.formats.data_set import DataSet
    from onnxviz.formats.score_store import ScoreStore
    from onnxviz.model.model import Model
    from onnxviz.pages.folder import ReportFolder
    from onnxviz.pages.jobs import Hands
    from onnxviz.pages.plan import Aim, SearchedInput
    from onnxviz.pages.request import ReportRequest

HIGHEST, LOWEST = 9, 3
"""The numbers of highest and of lowest samples that are shown for a unit."""

_RANKS = 1001
"""The number of ordered scores that are kept of a unit: enough for a percentile to a tenth of a percent."""

_MENTIONED = 20
"""The largest number of skipped samples that are named."""

DATA = "data.json"
"""The place of the plan and the summary of the data."""

_SETTLED = ("value_range", "mean", "std", "layout", "channels", "kind", "letters", "held", "dims", "shapes")


@dataclass
class RealData:
    """The data of a report.

    Attributes
    ----------
    model : Model
        The model, open.
    source : str
        The path of the data, as the request names it.
    feed : Feed
        Brings samples to the model's inputs.
    data : DataSet
        The samples.
    settings : dict
        The settings that the scores depend on, besides the model, the targets and the data.
    model_path : Path
        The model's file, for the processes that score shards.
    threads : int
        The number of threads that compute a shard.
    """

    model: Model
    source: str
    feed: Feed
    data: DataSet
    settings: dict[str, Any]
    model_path: Path
    threads: int
    _groups: list[list[str]] = field(default_factory=list)
    _units: dict[str, tuple[str, int]] = field(default_factory=dict)
    _refused: dict[str, str] = field(default_factory=dict)
    _done: set[int] = field(default_factory=set)
    _problems: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the data on the page."""
        return Path(self.source).name

    @property
    def complete(self) -> bool:
        """Whether every sample has a score for every unit."""
        return len(self._done) == len(self._groups)

    def plan(self, report: ReportFolder, wanted: Mapping[Aim, Sequence[int]]) -> None:
        """Set the units to score. Units of earlier calls keep their scores.

        Parameters
        ----------
        report : ReportFolder
            Keeps the plan.
        wanted : mapping of Aim to sequence of int
            The units of each tensor.
        """
        self._units = {
            self._written(aim.target(unit)): (aim.tensor, unit)
            for aim, units in wanted.items()
            for unit in sorted(units)
        }
        document = report.document(DATA)
        same = document is not None and document["name"] == self.name and document["settings"] == self.settings
        self._groups = document["groups"] if document is not None and same else []
        self._refused = document["refused"] if document is not None and same else {}
        known = {target for group in self._groups for target in group}
        fresh = [
            target for target, (tensor, _) in self._units.items() if target not in known and tensor not in self._refused
        ]
        if fresh:
            self._refused |= self._refusals({self._units[target][0] for target in fresh})
            self._groups.append([target for target in fresh if self._units[target][0] not in self._refused])
            if not self._groups[-1]:
                self._groups.pop()
        self._keep(report)

    def run(self, listener: Listener, report: ReportFolder, hands: Hands, going: Callable[[], bool]) -> int:
        """Compute the missing scores, as long as there is time, and draw the samples of the page.

        Parameters
        ----------
        listener : Listener
            Shows the progress.
        report : ReportFolder
            Keeps the scores, the pictures and the data of the page.
        hands : Hands
            The executor that scores shards of the data.
        going : callable
            Whether there is time left. One shard is scored in any case.

        Returns
        -------
        int
            The number of samples that were read.

        Raises
        ------
        DataError
            If no sample can be read.
        ClusterError
            If other machines were lost, or have other data.
        """
        from onnxviz.analyses.examples.scoring_pass import ExemplarPass
        from onnxviz.pages.data_pass import DataPass

        total, rows, counts = 0, [], []
        for number, group in enumerate(self._groups):
            with closing(self._store(report, group)) as store:
                work = ExemplarPass(listener, self.model, group)
                work.take_up(self.feed, store)
                if number not in self._done and (going() or not total):
                    made = DataPass(work, self.data, store, self.model_path, self.threads)
                    try:
                        made.run(listener, self.feed, hands, going)
                    finally:
                        self.model.close_sessions()
                        self._problems |= dict(made.tally.problems)
                    self.feed.close(made.tally, made.read)
                    total += made.read
                    self._done |= {number} if made.complete else set()
                found, count = _found(work, store)
                rows += found
                counts.append(count)
        count = min(counts, default=0)
        documents = [report.document(place) for place in self._places(report).values()]
        drawn = all(one and (one["samples"], one["complete"]) == (count, self.complete) for one in documents)
        if total or not drawn:
            self._draw(report, rows, count)
        self._keep(report, self.summary(report))
        return total

    def summary(self, report: ReportFolder) -> dict[str, Any]:
        """Return the summary of the data for the page and `report --json`."""
        documents = [report.document(place) for place in self._places(report).values()]
        counts = [one["samples"] for one in documents if one is not None]
        return {
            "name": self.name,
            "samples": min(counts, default=0),
            "complete": self.complete,
            "units": len(self._units),
            "skipped": [{"id": identity, "message": said} for identity, said in self._problems.items()][:_MENTIONED],
            "passed_over": len(self._problems),
            "refused": [{"tensor": name, "message": said} for name, said in self._refused.items()],
            # Notes about single samples are left out: they depend on which samples had to be read again.
            "notes": list(self.data.notes),
        }

    def _written(self, target: str) -> str:
        from onnxviz.target import Target

        return str(Target.parse(target, self.model.tensors))

    def _keep(self, report: ReportFolder, summary: Mapping[str, Any] | None = None) -> None:
        """Write the plan of the data, with the summary if there is one."""
        document = {
            "name": self.name,
            "settings": self.settings,
            "groups": self._groups,
            "refused": self._refused,
            "summary": summary,
        }
        report.write(DATA, (json_text(document) + "\n").encode("ascii"))

    def _store(self, report: ReportFolder, group: Sequence[str]) -> ScoreStore:
        from onnxviz.formats.score_store import ScoreStore

        identity = json_text({"data": self.source, "settings": self.settings, "targets": list(group)}, None)
        return ScoreStore(report.place(f"scores/{hashlib.sha256(identity.encode('ascii')).hexdigest()[:16]}.sqlite"))

    def _refusals(self, tensors: set[str]) -> dict[str, str]:
        """Return the tensors that cannot be scored for the first samples, each with the reason."""
        from onnxviz.analyses.inputs.feed import Tally
        from onnxviz.analyses.inputs.forward import Forward

        with closing(self.feed.batches(self.data, 2, Tally())) as batches:
            first = next(batches, None)
        if first is None:
            return {}
        refused = {}
        for tensor in [name for name in self.model.tensors if name in tensors]:
            try:
                values = Forward(self.feed, [tensor])(first.arrays)[tensor]
                if values.dtype.kind == "c":
                    raise UsageError(f"{tensor} holds {values.dtype}, but only real numbers can be ranked")
            except OnnxvizError as error:
                refused[tensor] = str(error)
            finally:
                self.model.close_sessions()
        return refused

    def _places(self, report: ReportFolder) -> dict[str, str]:
        """Return the place of the samples of each tensor that is scored."""
        tensors = dict.fromkeys(name for name, _ in self._units.values() if name not in self._refused)
        return {name: report.data_place(name) for name in tensors}

    def _draw(self, report: ReportFolder, rows: list[dict[str, Any]], count: int) -> None:
        """Read the samples of the page again, draw each once, and write the samples of each tensor."""
        from onnxviz.analyses.inputs.feed import Tally

        rows = [row for row in rows if row["target"] in self._units]
        shown = {one["id"] for row in rows for name in ("highest", "lowest") for one in row[name]}
        drawing = self.feed.drawing()
        expected, names = drawing.expected, drawing.names
        looks = Looks(drawing, report.write)
        drawn: dict[str, dict[str, Any]] = {}
        sizes: dict[str, list[int]] = {}
        again = self.feed.open(self.source)
        for batch in self.feed.batches(again, 16, Tally(), wanted=shown):
            samples = zip(batch.identities, self.feed.listed(batch.arrays), strict=True)
            for number, (identity, sample) in enumerate(samples):
                drawn[identity] = looks(identity, np.asarray(sample))
                if self.feed.text is not None:
                    drawn[identity] = words_of(self.feed.text.encode(batch.texts[number]))
                axes = expected.axes if len(expected.axes) == sample.ndim else ()
                sizes[identity] = [
                    size for axis, size in zip(axes, sample.shape, strict=False) if axis not in ("channel", "feature")
                ]
        for row in rows:
            for one in (*row["highest"], *row["lowest"]):
                # A score of exactly 0 is a map of zeros after a ReLU: its maximum has no position.
                one["window"] = window_share(one["window"] if one["score"] else None, sizes.get(one["id"], ()))
        columns = names or again.columns
        for tensor, place in self._places(report).items():
            own = {self._units[row["target"]][1]: row for row in rows if self._units[row["target"]][0] == tensor}
            used = {one["id"] for row in own.values() for name in ("highest", "lowest") for one in row[name]}
            document = {
                "data": self.name,
                "samples": count,
                "complete": self.complete,
                "columns": list(columns),
                "looks": {identity: drawn[identity] for identity in sorted(used) if identity in drawn},
                "units": {str(unit): own[unit] for unit in sorted(own)},
            }
            report.write(place, (json_text(document, None) + "\n").encode("ascii"))
        files = {look["file"] for look in drawn.values() if "file" in look}
        report.keep_only("samples", {*files, *self._places(report).values()})


def _found(work: ExemplarPass, store: ScoreStore) -> tuple[list[dict[str, Any]], int]:
    """Return the entry of each unit's scores on the page, and the number of samples."""
    from onnxviz.methods.samples.exemplars import distribution

    rows = {row["target"]: row for row in work.rows(store, HIGHEST)}
    names = work.names
    for first, scores, _ in store.columns():
        for column in range(scores.shape[1]):
            row, own = rows[names[first + column]], np.sort(scores[:, column][np.isfinite(scores[:, column])])
            ranks = np.unique(np.linspace(0, max(0, len(own) - 1), min(len(own), _RANKS)).round().astype(np.int64))
            row["order"] = [float(f"{value:.7g}") for value in own[ranks].tolist()]
            row["constant"] = distribution(scores[:, column]).constant
    for row in rows.values():
        seen = {one["id"] for one in row["highest"]}
        row["lowest"] = [one for one in row["lowest"] if one["id"] not in seen][:LOWEST]
        for name in ("spread", "files"):
            row.pop(name)
        for one in (*row["highest"], *row["lowest"]):
            one.pop("position")
    return list(rows.values()), len(store.samples()[0])


def open_data(model: Model, request: ReportRequest, moving: SearchedInput) -> RealData:
    """Open and return the data of a report.

    Parameters
    ----------
    model : Model
        The model.
    request : ReportRequest
        The request of the report, with data.
    moving : SearchedInput
        The input that is searched.

    Raises
    ------
    UsageError
        If the file or folder does not exist.
    DataError
        If the data hold no sample for the model's inputs.
    """
    from onnxviz.pages.data_shards import shares

    source = str(request.data)
    feed = real_feed(model, request, moving, (source,))
    said = {**{key: getattr(request.said, key) for key in _SETTLED}, "label": request.label}
    if feed.text is not None:
        said |= {"text_column": request.text_column, "vocab": request.vocab}
    settings = as_written(said)
    _, threads = shares()
    return RealData(model, source, feed, feed.open(source), settings, model.path or Path(model.name), threads)


def real_feed(model: Model, request: ReportRequest, moving: SearchedInput, sources: Sequence[DataSource]) -> Feed:
    """Return the feed that brings real samples to the model's inputs.

    Parameters
    ----------
    model, request, moving
        As in `open_data`.
    sources : sequence of path or Texts
        Files or folders, or texts.

    Raises
    ------
    UsageError
        If a file or folder does not exist.
    """
    from onnxviz.analyses.inputs.feed import prepare_feed
    from onnxviz.analyses.inputs.request import DataRequest
    from onnxviz.analyses.inputs.text import is_text

    for source in sources:
        if isinstance(source, str | os.PathLike) and not SampleAddress.parse(source).exists:
            raise UsageError(f"{source}: no such file or folder")
    listener = Recorder()
    # A row of a table feeds all columns, whichever of them are searched.
    named = moving.name if request.wrt and not moving.is_table else None
    chosen = DataRequest(inputs=request.said, label=request.label, input_name=named)
    if any(is_text(model, source, request.label, request.text_column) for source in sources):
        chosen = replace(chosen, text_column=request.text_column, vocab=request.vocab)
    try:
        feed = prepare_feed(listener, model, chosen, sources)
    except UsageError:
        if moving.is_table:
            raise
        # With several inputs, the data feed the searched input.
        feed = prepare_feed(listener, model, replace(chosen, input_name=moving.name), sources)
    listener.heard.clear()  # the page has these notes in the section about the inputs
    return feed
