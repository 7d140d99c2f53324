"""One pass over a report's data: shards are scored as jobs, and their scores are saved as the shards finish."""

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
from onnxviz.pages.work import Companions

if TYPE_CHECKING:
    from onnxviz.analyses.examples.scoring_pass import ExemplarPass
    from onnxviz.analyses.inputs.feed import Feed
    from onnxviz.analyses.listener import Listener
    from onnxviz.formats.data_set import DataSet
    from onnxviz.formats.data_shards import Shard
    from onnxviz.formats.score_store import ScoreStore

_DIVISION = "division"
"""The name under which a store keeps the division of the data set."""


class DataPass:
    """Scores all samples of a data set for some targets.

    The first samples, the model and the targets decide which samples share a batch. So a score does not depend on the machine
    that computes it, on the number of machines, or on the time.

    Parameters
    ----------
    work : ExemplarPass
        The targets. `take_up` must have been called.
    data : DataSet
        The samples.
    store : ScoreStore
        Keeps the scores. The scores of a shard are saved together.
    model_path : Path
        The model's file.
    threads : int
        The number of threads that compute a shard.

    Attributes
    ----------
    tally : Tally
        The skipped samples, in the order of the data set, and the number of samples with known scores.
    read : int
        The number of samples that were scored.
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
        """The skipped samples, and the number of samples with known scores."""
        return Tally([one for number in sorted(self._problems) for one in self._problems[number]], self._unchanged)

    @property
    def complete(self) -> bool:
        """Whether the end of the data was reached."""
        return self._ended and self._failure is None

    def run(self, listener: Listener, feed: Feed, hands: Hands, going: Callable[[], bool]) -> None:
        """Score the samples without a score in the store, as long as there is time.

        Parameters
        ----------
        listener : Listener
            Shows the progress.
        feed : Feed
            Brings samples to the model's inputs.
        hands : Hands
            The executor that scores shards.
        going : callable
            Whether there is time left. The first shard with new samples is scored in any case.

        Raises
        ------
        DataError
            If no sample can be read, or the samples have different shapes.
        EvaluationError
            If ONNX Runtime refuses the values.
        ClusterError
            If other machines were lost, or have other data. Finished shards are kept.
        """
        total = self._data.count()
        division = self._division(feed, total)
        scoring = scoring_of(self._work, feed, division, self._threads)
        work = ShardWork(self._model_path, scoring, Companions.of(feed.model))
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
                # Without time, one shard with new scores is enough. Shards without a readable sample do not count.
                if self.read and not going():
                    break
        if self._failure is not None:
            raise self._failure
        if self._ended:
            self._store.keep_only(self._store.seen)

    def _affordable(self, stream: Iterator[Shard], going: Callable[[], bool]) -> Iterator[ShardJob]:
        """Yield shards as long as there is time, and in any case until one may have new samples."""
        begun = False
        while not begun or going():
            try:
                shard = next(stream, None)
            except OnnxvizError as error:
                # The data are damaged here. The shards before the damage are gathered first.
                self._failure, shard = error, None
            if shard is None:
                self._ended = True
                return
            job = ShardJob(shard, self._store.stamps(shard.identities))
            begun = begun or len(job.known) < len(shard.identities)
            yield job

    def _division(self, feed: Feed, total: int | None) -> Division:
        """Return the division of the data set: the one in the store, or a new one if the store has no samples yet."""
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
