"""One pass over the data set: it scores every sample for every target, and chooses samples for each target."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.errors import OnnxvizError, UsageError
from onnxviz.question import ASKED

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
"""A batch, with its scores and the places of the maxima, each (sample, column)."""

_SHAPES = "shapes"
"""The name under which a store keeps the tensors' shapes."""

_MOST_RUNS = 8
"""The largest number of batches that are computed at the same time. Each takes memory."""


@dataclass(frozen=True, eq=False)
class _Columns:
    """Consecutive columns of the scores: the units of one pattern, or sums of targets."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    scores: UnitScores | None = None
    sums: tuple[Objective, ...] = ()

    @property
    def question(self) -> str:
        """The question that the targets are asked, in a few words."""
        return self.sums[0].question if self.scores is None else self.scores.pattern.question.sentence

    def __call__(self, answers: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
        if self.scores is not None:
            return self.scores(answers[self.scores.pattern.tensor])
        exact = {name: np.asarray(value, np.float64) for name, value in answers.items()}
        found = [np.asarray(one(exact), np.float32) for one in self.sums]  # type: ignore[arg-type]  # terms take numpy too
        return np.stack(found, axis=1), None


class ExemplarPass:
    """Scores samples for targets, and chooses samples for each target.

    Parameters
    ----------
    listener : Listener
        Receives notes and progress.
    model : Model
        The model.
    texts : sequence of str
        The targets, as text.
    at : {"mean", "max", "center"}, optional
        The question that every target is asked which asks none itself. Default: the question that fits each target.

    Attributes
    ----------
    texts : tuple of str
        The targets, as text.
    tensors : tuple of str
        The tensors that the targets need.
    feed : Feed or None
        The feed of the samples, after `run` or `take_up`.

    Raises
    ------
    TargetError
        If a tensor does not exist.
    UsageError
        If a tensor holds no real numbers.
    """

    def __init__(self, listener: Listener, model: Model, texts: Sequence[str], at: str | None = None) -> None:
        from onnxviz.model.graph.zipped import unzipped
        from onnxviz.model.tensors.questions import questioned
        from onnxviz.model.tensors.sample_view import sample_view
        from onnxviz.target import Target

        self.listener, self.model = listener, model
        self.feed: Feed | None = None
        self.texts = tuple(dict.fromkeys(texts))
        self._written: list[Target | Objective] = []
        for text in self.texts:
            one: Target | Objective = Target.parse(text, model.tensors) if text.strip() else Target.parse(text)
            if isinstance(one, Target) and one.tensor not in model.tensors:
                from onnxviz.analyses.inputs.float_targets import with_floats
                from onnxviz.methods.objectives.objectives import Objective

                one = with_floats(listener, model, Objective.parse(text, model.tensors))
                one = one if at is None else one.at(ASKED[at])
            elif isinstance(one, Target):
                one = questioned(model, unzipped(model, one) or one)
                one = one if at is None else replace(one, fitting=ASKED[at])
            for name in _tensors(one):
                info = model.require(name, text)
                if info.container != "tensor" or info.dtype in ("string", "complex64", "complex128"):
                    raise UsageError(f"{text}: {name} holds {info.dtype}, but only real numbers can be ranked")
            self._written.append(one)
        self.tensors = tuple(dict.fromkeys(name for one in self._written for name in _tensors(one)))
        self._columns: list[_Columns] = []
        self._turned = {name for name in self.tensors if not sample_view(model, name).plain}
        self._fields: dict[str, ReceptiveField | None] = {}
        self._windows: dict[tuple[str, tuple[int, ...]], list[list[int]]] = {}

    def run(self, feed: Feed, data: DataSet, store: ScoreStore) -> tuple[Tally, int]:
        """Score the samples without a score in the store.

        Parameters
        ----------
        feed, data, store
            The feed that brings samples to the model's inputs, the samples, and the store of their scores.

        Returns
        -------
        tally : Tally
            The skipped samples.
        read : int
            The number of samples that were read.
        """
        from onnxviz.analyses.inputs.feed import Tally
        from onnxviz.analyses.inputs.forward import Forward
        from onnxviz.formats.prefetch import cores, prefetch

        self.take_up(feed, store)
        tally, read = Tally(), 0
        total = data.count()
        runs = max(1, min(_MOST_RUNS, cores(), total or _MOST_RUNS))
        forward = Forward(feed, self.tensors, runs=runs)
        # A small data set is divided among the runs too.
        size = min(forward.at_once, -(-total // runs)) if total else forward.at_once

        def scored(batch: Batch) -> Scored:
            return batch, self.scored(forward.parts(batch.arrays))

        def settled(batches: Iterator[Batch]) -> Iterator[Batch]:
            """Yield the batches. Two samples of the first settle the targets before batches are run in parallel."""
            for batch in batches:
                if not self._columns:
                    answers = forward.parts(batch.part(0, 2).arrays)[0]
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
        """The target of each column of the scores; empty before `settle`."""
        return tuple(name for columns in self._columns for name in columns.names)

    def take_up(self, feed: Feed, store: ScoreStore) -> None:
        """Settle the targets by the shapes in a store, so that `rows` works without a pass."""
        self.feed = feed
        self._columns = []
        noted = store.about(_SHAPES)
        if noted:
            self.settle({name: tuple(shape) for name, shape in json.loads(noted).items()})

    def settle(self, shapes: Mapping[str, tuple[int, ...]], store: ScoreStore | None = None) -> None:
        """Set the columns of the scores by the shapes of the tensors after the batch.

        Parameters
        ----------
        shapes : mapping of str to tuple of int
            The shape of each of `tensors`.
        store : ScoreStore, optional
            Keeps the shapes.
        """
        from onnxviz.methods.samples.unit_scores import UnitScores
        from onnxviz.target import Target

        self._columns = []
        if store is not None:
            store.about(_SHAPES, json.dumps(dict(shapes)))
        for one in self._written:
            if isinstance(one, Target):
                scores = UnitScores(one, shapes[one.tensor])
                targets = scores.targets
                labels = tuple(self._label(scores, target) for target in targets)
                self._columns.append(_Columns(tuple(map(str, targets)), labels, scores))
            else:
                sums = one.expand(dict(shapes))
                self._columns.append(_Columns(tuple(map(str, sums)), ("",) * len(sums), sums=sums))

    def scored(self, parts: Sequence[dict[str, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores of samples and the places of their maxima, each (sample, column), from the parts of `Forward.parts`."""
        found = [self._scored(part) for part in parts]
        return np.concatenate([scores for scores, _ in found]), np.concatenate([places for _, places in found])

    def _scored(self, answers: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        scores, places = [], []
        for columns in self._columns:
            own, where = columns(answers)
            scores.append(own)
            places.append(np.zeros(own.shape, np.uint64) if where is None else where)
        return np.concatenate(scores, axis=1), np.concatenate(places, axis=1)

    def rows(self, store: ScoreStore, k: int) -> list[dict[str, Any]]:
        """Return the chosen samples of every target, and the distribution of its scores."""
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
                row: dict[str, Any] = {"target": target, "label": columns.labels[unit], "question": columns.question}
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
        """Return the class that a target picks; "" unless the model's metadata name as many classes as it has units."""
        from onnxviz.model.graph.zipped import class_labels

        labels = class_labels(self.model, target.tensor)
        if not scores.shape or scores.shape[0] != len(labels) or scores.free:
            return ""
        return labels[target.index[0]] if target.index and isinstance(target.index[0], int) else ""

    def _place(self, columns: _Columns, unit: int, packed: int) -> dict[str, Any]:
        """Return the position of a unit's maximum, and its receptive field in the input."""
        if columns.scores is None or not columns.scores.free:
            return {"position": None, "window": None}
        index = columns.scores.position(unit, packed)
        tensor = columns.scores.pattern.tensor
        field = None if tensor in self._turned else self._field(tensor)
        if field is None or not field.spatial:
            return {"position": list(index), "window": None}
        spot = (field.tensor, tuple(index[axis - 1] for axis in field.spatial))
        if spot not in self._windows:
            self._windows[spot] = [[edges.start, edges.stop] for edges in field.window(spot[1])]
        return {"position": list(index), "window": self._windows[spot]}

    def _field(self, tensor: str) -> ReceptiveField | None:
        """Return the receptive field of a tensor's positions in the main input; None if it is not known."""
        from onnxviz.model.tensors.receptive_field import receptive_field

        if tensor not in self._fields:
            self._fields[tensor] = None
            sizes = self.feed.shapes[self.feed.main] if self.feed is not None else (None,)
            if self.feed is not None and all(size is not None for size in sizes):
                shape = [self.feed.fixed or 1, *(size or 1 for size in sizes)]
                try:
                    self._fields[tensor] = receptive_field(self.model, tensor, self.feed.main, shape=shape)
                except OnnxvizError as error:  # samples are then shown without a frame
                    self.listener.note(f"{tensor}: the receptive field is not known ({error})")
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
        return "not_finite", "no sample has a finite score"
    if known.constant and known.count > 1:
        return "constant", f"all samples have the same score, {known.low:.4g}"
    return "ok", f"{known.not_finite} samples have no finite score" if known.not_finite else ""
