"""One streamed pass of `examples`: every sample scored for every target, and the samples that stand for each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.errors import OnnxvizError, UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.feed import Batch, Feed, Tally
    from onnxviz.analyses.listener import Listener
    from onnxviz.formats.data_set import DataSet
    from onnxviz.formats.score_store import ScoreStore
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.methods.samples.exemplars import Distribution
    from onnxviz.methods.samples.unit_scores import UnitScores
    from onnxviz.model.model import Model
    from onnxviz.model.tensors.receptive_field import ReceptiveField
    from onnxviz.target import Target

Scored = tuple["Batch", tuple[np.ndarray, np.ndarray]]
"""Samples with their scores and the places of their maxima, each (sample, column)."""

_SHAPES = "shapes"
"""Under this name a store notes the tensors' shapes."""

_MOST_RUNS = 8
"""Batches that are computed side by side at most: each takes memory."""


@dataclass(frozen=True, eq=False)
class _Columns:
    """Some columns of the scores: the units of one pattern, or sums."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    scores: UnitScores | None = None
    sums: tuple[Objective, ...] = ()

    def __call__(self, answers: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
        if self.scores is not None:
            return self.scores(answers[self.scores.pattern.tensor])
        exact = {name: np.asarray(value, np.float64) for name, value in answers.items()}
        found = [np.asarray(one(exact), np.float32) for one in self.sums]  # type: ignore[arg-type]  # a term reads numpy as well
        return np.stack(found, axis=1), None


class ExemplarPass:
    """Scores samples and chooses among them.

    Parameters
    ----------
    listener : Listener
        Where it speaks.
    model : Model
        The model.
    texts : sequence of str
        Targets, as written.
    highest : bool
        Whether a unit's maximum ranks, and not its mean.

    Attributes
    ----------
    texts : tuple of str
        The targets, as written.
    tensors : tuple of str
        What has to be computed for them.
    feed : Feed or None
        What the samples were brought to, once `run` or `take_up` was called.

    Raises
    ------
    TargetError
        A tensor does not exist.
    UsageError
        It holds no numbers.
    """

    def __init__(self, listener: Listener, model: Model, texts: Sequence[str], highest: bool) -> None:
        from onnxviz.model.graph.zipped import unzipped
        from onnxviz.target import Target

        self.listener, self.model, self.highest = listener, model, highest
        self.feed: Feed | None = None
        self.texts = tuple(dict.fromkeys(texts))
        self._written: list[Target | Objective] = []
        for text in self.texts:
            one: Target | Objective = Target.parse(text, model.tensors) if text.strip() else Target.parse(text)
            if isinstance(one, Target) and one.tensor not in model.tensors:
                from onnxviz.methods.objectives.objectives import Objective

                one = Objective.parse(text, model.tensors)
            elif isinstance(one, Target):
                one = unzipped(model, one) or one
            for name in _tensors(one):
                info = model.require(name, text)
                if info.container != "tensor" or info.dtype in ("string", "complex64", "complex128"):
                    raise UsageError(f"{text}: {name} holds {info.dtype}, and only numbers can be ranked")
            self._written.append(one)
        self.tensors = tuple(dict.fromkeys(name for one in self._written for name in _tensors(one)))
        self._columns: list[_Columns] = []
        self._fields: dict[str, ReceptiveField | None] = {}
        self._windows: dict[tuple[str, tuple[int, ...]], list[list[int]]] = {}

    def run(self, feed: Feed, data: DataSet, store: ScoreStore) -> tuple[Tally, int]:
        """Score the samples that the store does not know yet.

        Parameters
        ----------
        feed, data, store
            What brings the samples, where they are, and what keeps their scores.

        Returns
        -------
        tally : Tally
            What was passed over.
        read : int
            How many samples were read.
        """
        from onnxviz.analyses.inputs.feed import Tally
        from onnxviz.analyses.inputs.forward import Forward
        from onnxviz.formats.prefetch import cores, prefetch

        self.take_up(feed, store)
        tally, read = Tally(), 0
        total = data.count()
        runs = max(1, min(_MOST_RUNS, cores(), total or _MOST_RUNS))
        forward = Forward(feed, self.tensors, runs=runs)
        # A small data set is shared out among the runs as well.
        size = min(forward.at_once, -(-total // runs)) if total else forward.at_once

        def scored(batch: Batch) -> Scored:
            return batch, self.scored(forward(batch.arrays))

        def settled(batches: Iterator[Batch]) -> Iterator[Batch]:
            """Learn the targets from two samples before batches go side by side; scored with their batch like any other."""
            for batch in batches:
                if not self._columns:
                    answers = forward(batch.part(0, 2).arrays)
                    self.settle({name: array.shape[1:] for name, array in answers.items()}, store)
                yield batch

        with (
            self.listener.progress("samples", total or 1) as told,
            closing(feed.batches(data, size, tally, store.known)) as batches,
            closing(prefetch(scored, settled(batches), runs, runs + 1)) as done,
        ):
            for batch, scores in done:
                store.add(batch.identities, batch.stamps, batch.labels, *scores)
                read += len(batch)
                told(read + tally.unchanged, f"{read + tally.unchanged} samples")
        store.keep_only(store.seen)
        return tally, read

    @property
    def names(self) -> tuple[str, ...]:
        """The targets, one for each column of the scores, once they are settled."""
        return tuple(name for columns in self._columns for name in columns.names)

    def take_up(self, feed: Feed, store: ScoreStore) -> None:
        """Settle the targets from what a store holds already, so that `rows` can tell of it without a pass."""
        self.feed = feed
        self._columns = []
        noted = store.about(_SHAPES)
        if noted:
            self.settle({name: tuple(shape) for name, shape in json.loads(noted).items()})

    def settle(self, shapes: Mapping[str, tuple[int, ...]], store: ScoreStore | None = None) -> None:
        """Learn the targets from the shapes that the tensors have after the batch.

        Parameters
        ----------
        shapes : mapping of str to tuple of int
            For each of `tensors`.
        store : ScoreStore, optional
            Notes them.
        """
        from onnxviz.methods.samples.unit_scores import UnitScores
        from onnxviz.target import Target

        self._columns = []
        if store is not None:
            store.about(_SHAPES, json.dumps(dict(shapes)))
        for one in self._written:
            if isinstance(one, Target):
                scores = UnitScores(one, shapes[one.tensor], self.highest)
                targets = scores.targets
                labels = tuple(self._label(scores, target) for target in targets)
                self._columns.append(_Columns(tuple(map(str, targets)), labels, scores))
            else:
                sums = one.expand(dict(shapes))
                self._columns.append(_Columns(tuple(map(str, sums)), ("",) * len(sums), sums=sums))

    def scored(self, answers: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores of samples and the places of their maxima, each (sample, column), from the tensors' values."""
        scores, places = [], []
        for columns in self._columns:
            own, where = columns(answers)
            scores.append(own)
            places.append(np.zeros(own.shape, np.uint64) if where is None else where)
        return np.concatenate(scores, axis=1), np.concatenate(places, axis=1)

    def rows(self, store: ScoreStore, k: int) -> list[dict[str, Any]]:
        """Choose samples for every target, and measure how its scores lie."""
        from onnxviz.methods.samples.exemplars import distribution, exemplars

        identities, labels = store.samples()
        owners = [(columns, unit) for columns in self._columns for unit in range(len(columns.names))]
        rows: dict[str, dict[str, Any]] = {}
        for first, scores, places in store.columns():
            for column in range(scores.shape[1]):
                columns, unit = owners[first + column]
                target = columns.names[unit]
                if target in rows:
                    continue
                own = scores[:, column]
                chosen, known = exemplars(own, k), distribution(own)
                row: dict[str, Any] = {"target": target, "label": columns.labels[unit]}
                row["statistics"] = _statistics(known)
                for name in ("highest", "spread", "lowest"):
                    row[name] = [
                        {
                            "id": identities[sample],
                            "label": labels[sample],
                            "score": float(own[sample]),
                            **self._place(columns, unit, int(places[sample, column])),
                        }
                        for sample in getattr(chosen, name)
                    ]
                row["status"], row["message"] = _status(known)
                row["files"] = []
                rows[target] = row
        return list(rows.values())

    def _label(self, scores: UnitScores, target: Target) -> str:
        """Return the class that a target picks, where the model's metadata names as many as it has."""
        from onnxviz.model.graph.zipped import class_labels

        labels = class_labels(self.model, target.tensor)
        if not scores.shape or scores.shape[0] != len(labels) or scores.free:
            return ""
        return labels[target.index[0]] if target.index and isinstance(target.index[0], int) else ""

    def _place(self, columns: _Columns, unit: int, packed: int) -> dict[str, Any]:
        """Return where a unit's maximum lies, and what of the input it sees there."""
        if columns.scores is None or not columns.scores.free:
            return {"position": None, "window": None}
        index = columns.scores.position(unit, packed)
        field = self._field(columns.scores.pattern.tensor)
        if field is None or not field.spatial:
            return {"position": list(index), "window": None}
        spot = (field.tensor, tuple(index[axis - 1] for axis in field.spatial))
        if spot not in self._windows:
            self._windows[spot] = [[edges.start, edges.stop] for edges in field.window(spot[1])]
        return {"position": list(index), "window": self._windows[spot]}

    def _field(self, tensor: str) -> ReceptiveField | None:
        """Return what a tensor's positions see of the input that samples are drawn by."""
        from onnxviz.model.tensors.receptive_field import receptive_field

        if tensor not in self._fields:
            self._fields[tensor] = None
            sizes = self.feed.shapes[self.feed.main] if self.feed is not None else (None,)
            if self.feed is not None and all(size is not None for size in sizes):
                shape = [self.feed.fixed or 1, *(size or 1 for size in sizes)]
                try:
                    self._fields[tensor] = receptive_field(self.model, tensor, self.feed.main, shape=shape)
                except OnnxvizError as error:  # without it samples are shown whole
                    self.listener.note(f"{tensor}: its receptive field is not known ({error})")
        return self._fields[tensor]


def _tensors(one: Target | Objective) -> tuple[str, ...]:
    return (one.tensor,) if hasattr(one, "tensor") else one.tensors


def _statistics(known: Distribution) -> dict[str, Any]:
    from onnxviz.methods.samples.exemplars import PERCENTILES

    shares = zip(PERCENTILES, known.percentiles, strict=True)
    return {
        "count": known.count,
        "not_finite": known.not_finite,
        "mean": known.mean if known.count else None,
        "std": known.std if known.count else None,
        "min": known.low if known.count else None,
        "max": known.high if known.count else None,
        "zeros": known.zeros,
        "percentiles": {str(share): float(value) if known.count else None for share, value in shares},
        "histogram": [int(count) for count in known.counts],
    }


def _status(known: Distribution) -> tuple[str, str]:
    if not known.count:
        return "not_finite", "no sample gives a finite score"
    if known.constant and known.count > 1:
        return "constant", f"every sample gives {known.low:.4g}: none stands out"
    return "ok", f"{known.not_finite} samples give no finite score" if known.not_finite else ""
