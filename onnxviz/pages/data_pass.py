"""One pass over a report's data: handed out by shards, gathered into the store of scores as they are done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from onnxviz.analyses.inputs.feed import Tally
from onnxviz.errors import OnnxvizError
from onnxviz.formats.data_shards import shards
from onnxviz.pages.data_shards import Division, ShardJob, ShardWork, divide, score_shard, scoring_of
from onnxviz.pages.jobs import Hands, gather

if TYPE_CHECKING:
    from onnxviz.analyses.examples.scoring_pass import ExemplarPass
    from onnxviz.analyses.inputs.feed import Feed
    from onnxviz.analyses.listener import Listener
    from onnxviz.formats.data_set import DataSet
    from onnxviz.formats.data_shards import Shard
    from onnxviz.formats.score_store import ScoreStore

_DIVISION = "division"
"""Under this name a store notes how the data set is divided."""


class DataPass:
    """Scores all samples of a data set for some targets.

    Which samples share a batch is settled with the first of them, by the model and the targets alone: neither who scores a
    shard, nor how many do, nor when it is done changes a score.

    Parameters
    ----------
    work : ExemplarPass
        The targets; `take_up` was called.
    data : DataSet
        The samples.
    store : ScoreStore
        Keeps the scores: a shard's all together.
    model_path : Path
        Where the model is.
    threads : int
        How many compute a shard.

    Attributes
    ----------
    tally : Tally
        What was passed over, in the order of the data set, and how many samples were known.
    read : int
        How many samples were scored.
    complete : bool
        Whether the end of the data was reached.
    """

    def __init__(self, work: ExemplarPass, data: DataSet, store: ScoreStore, model_path: Path, threads: int) -> None:
        self._work, self._data, self._store = work, data, store
        self._model_path, self._threads = model_path, threads
        self._problems: dict[int, tuple[tuple[str, str], ...]] = {}
        self._failure: OnnxvizError | None = None
        self._ended = False
        self.read, self._unchanged = 0, 0

    @property
    def tally(self) -> Tally:
        """What became of the samples."""
        return Tally([one for number in sorted(self._problems) for one in self._problems[number]], self._unchanged)

    @property
    def complete(self) -> bool:
        """Whether the end of the data was reached."""
        return self._ended and self._failure is None

    def run(self, listener: Listener, feed: Feed, hands: Hands, going: Callable[[], bool]) -> None:
        """Score the samples that the store does not know, as long as there is time.

        Parameters
        ----------
        listener : Listener
            Shows how far it is.
        feed : Feed
            What brings samples to the model.
        hands : Hands
            Who scores shards.
        going : callable
            Tells whether there is time left: asked before each shard but the first that has new samples.

        Raises
        ------
        DataError
            If no sample can be read, or they do not fit one another.
        EvaluationError
            If ONNX Runtime refuses the values.
        ClusterError
            If other machines were lost, or have other data; what is done is kept.
        """
        total = self._data.count()
        division = self._division(feed, total)
        work = ShardWork(self._model_path, scoring_of(self._work, feed, division, self._threads))
        stream = shards(self._data.pieces(), division.shard)
        with listener.progress("samples", total or 1) as told:
            while not self._ended:
                for job, found in gather(hands, self._affordable(stream, going), score_shard, work):
                    if found.identities:
                        self._store.add(found.identities, found.stamps, found.labels, found.scores, found.places)
                    self._store.seen.update(found.unchanged)
                    self._problems[job.shard.number] = found.problems
                    self.read += len(found.identities)
                    self._unchanged += len(found.unchanged)
                    told(self.read + self._unchanged, f"{self.read + self._unchanged} samples")
                # Without time it is over with the first that brought something: some have none that can be read.
                if self.read and not going():
                    break
        if self._failure is not None:
            raise self._failure
        if self._ended:
            self._store.keep_only(self._store.seen)

    def _affordable(self, stream: Iterator[Shard], going: Callable[[], bool]) -> Iterator[ShardJob]:
        """Yield shards as long as there is time, and in any case until one is thought to have new samples."""
        begun = False
        while not begun or going():
            try:
                shard = next(stream, None)
            except OnnxvizError as error:
                # What was handed over before the data turned out to be damaged is gathered first.
                self._failure, shard = error, None
            if shard is None:
                self._ended = True
                return
            job = ShardJob(shard, self._store.stamps(shard.identities))
            begun = begun or len(job.known) < len(shard.identities)
            yield job

    def _division(self, feed: Feed, total: int | None) -> Division:
        """Return how the data set is divided: as it was when the store's first samples were scored."""
        noted = self._store.about(_DIVISION)
        if noted:
            found = json.loads(noted)
            return Division(
                {name: tuple(shape) for name, shape in found["shapes"].items()}, found["batch"], found["shard"]
            )
        tally = Tally()
        try:
            division = divide(self._work, feed, self._data, self._threads, tally, total)
        except OnnxvizError:
            self._problems[0] = tuple(tally.problems)
            raise
        self._work.settle(division.shapes, self._store)
        self._store.about(_DIVISION, json.dumps(asdict(division)))
        return division
