"""A shard of a report's data: samples that are read, run and scored together. Any process can score it."""

from __future__ import annotations

import hashlib
import math
import os
import pickle
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.examples.scoring_pass import ExemplarPass
from onnxviz.analyses.inputs.feed import Feed, Tally
from onnxviz.analyses.inputs.forward import Forward
from onnxviz.analyses.listener import SILENT
from onnxviz.pages.work import NO_COMPANIONS, Companions

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.held_inputs import HeldInputs
    from onnxviz.contract import InputContract
    from onnxviz.formats.data_set import DataSet
    from onnxviz.formats.data_shards import Shard
    from onnxviz.model.model import Model
    from onnxviz.pages.work import Place

_WORK = 1 << 30
"""The largest number of elements of a shard's activations: some seconds of one core."""

_LITTLE = 1 << 26
"""A shard with fewer elements of activations is not divided further."""

_PARTS = 16
"""The approximate number of shards of a small data set: enough for 16 cores."""

_BYTES = 16 << 20
"""The largest size of a shard's scores, or of its rows, in bytes. Both are sent over the network."""

_MOST = 2048
"""The largest number of samples of a shard. They are lost if the shard is lost."""

_SCORE = 12
"""The size of a score and its place, in bytes."""

_SIDE_BY_SIDE = 8
"""The largest number of shards that a process scores at a time. Each needs the memory of a batch."""

_RUNS = 2
"""A batch leaves memory for one other. The number is fixed: the last digits of the scores depend on the batch size."""

_preparing = Lock()
"""Held while a session is prepared: shards that are scored at the same time share it."""


@dataclass(frozen=True)
class Division:
    """The division of a data set into shards and batches. It is decided once for a set of targets, and then kept.

    Attributes
    ----------
    shapes : mapping of str to tuple of int
        The shape of each tensor, after the batch.
    batch : int
        The number of samples that are run together.
    shard : int
        The number of samples of a shard: whole batches.
    """

    shapes: Mapping[str, tuple[int, ...]]
    batch: int
    shard: int


@dataclass(frozen=True)
class Scoring:
    """The settings that all shards of a pass share, besides the model.

    Attributes
    ----------
    key : str
        A digest of the other attributes. Two scorings with the same key are equal.
    targets : tuple of str
        The targets. Each is one or more columns of the scores.
    division : Division
        The division of the data set.
    threads : int
        The number of threads that compute a shard. Another number rounds sums differently.
    contracts, shapes, held, rate, fixed
        As in `Feed`.
    """

    key: str
    targets: tuple[str, ...] = field(compare=False)
    division: Division = field(compare=False)
    threads: int = field(compare=False)
    contracts: dict[str, InputContract] = field(compare=False)
    shapes: dict[str, tuple[int | None, ...]] = field(compare=False)
    held: HeldInputs = field(compare=False)
    rate: int | None = field(compare=False)
    fixed: int | None = field(compare=False)


def scoring_of(work: ExemplarPass, feed: Feed, division: Division, threads: int) -> Scoring:
    """Return the settings that all shards of a pass share.

    Parameters
    ----------
    work : ExemplarPass
        The targets of the pass.
    feed : Feed
        Brings samples to the model's inputs.
    division : Division
        The division of the data set.
    threads : int
        The number of threads that compute a shard.
    """
    given = (work.texts, division, threads, feed.contracts, feed.shapes, feed.held, feed.rate, feed.fixed)
    return Scoring(hashlib.sha256(pickle.dumps(given)).hexdigest(), *given)


@dataclass(frozen=True, eq=False)
class ShardJob:
    """A shard to score, without the samples that have scores already.

    Attributes
    ----------
    shard : Shard
        The samples.
    known : mapping of str to str
        The stamp of each sample with a score, at the time when it was scored.
    """

    shard: Shard
    known: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class ScoredShard:
    """The scores of a shard.

    Attributes
    ----------
    identities, stamps, labels : tuple of str
        The identities, stamps and labels of the samples that were scored.
    scores : (sample, column) float32
        The scores.
    places : (sample, column) uint32 or uint64
        The positions of the maxima, packed.
    unchanged : tuple of str
        The samples that have not changed since they were scored.
    problems : tuple of (str, str)
        The identity of each skipped sample, and the reason.
    """

    identities: tuple[str, ...]
    stamps: tuple[str, ...]
    labels: tuple[str, ...]
    scores: np.ndarray
    places: np.ndarray
    unchanged: tuple[str, ...]
    problems: tuple[tuple[str, str], ...]


def shares(threads: int | None = None) -> tuple[int, int]:
    """Return the number of shards that one process scores at a time, and the number of threads for each.

    Parameters
    ----------
    threads : int, optional
        The number of threads of the process. Default: as many as torch uses.

    Examples
    --------
    >>> shares(1), shares(4), shares(32)
    ((1, 1), (4, 1), (8, 4))
    """
    if threads is None:
        import torch

        threads = torch.get_num_threads()
    count = min(_SIDE_BY_SIDE, threads)
    return count, threads // count


def divide(
    work: ExemplarPass, feed: Feed, data: DataSet, threads: int, tally: Tally, total: int | None = None
) -> Division:
    """Return the division of a data set, from its first two readable samples and the cost of a sample.

    Parameters
    ----------
    work : ExemplarPass
        The targets of the pass. It receives the shapes of their tensors.
    feed, data
        The feed that brings samples to the model's inputs, and the samples.
    threads : int
        The number of threads that compute a shard.
    tally : Tally
        Receives the samples that cannot be read.
    total : int or None
        The approximate number of samples; None if it is not known.

    Raises
    ------
    DataError
        If no sample can be read.
    EvaluationError
        If ONNX Runtime refuses the samples.
    """
    from onnxviz.model.probing.measured_sizes import activation_elements

    with closing(feed.batches(data, 2, tally)) as batches:
        first = next(batches, None)
    if first is None:
        feed.close(tally, 0)
    arrays = {} if first is None else first.part(0, 2).arrays
    forward = Forward(feed, work.tensors, runs=_RUNS, threads=threads)
    shapes = {name: tuple(array.shape[1:]) for name, array in forward(arrays).items()}
    work.settle(shapes)
    shape = (1, *(size or 256 for size in feed.shapes[feed.main]))
    sample = sum(math.prod(array.shape[1:]) * array.itemsize for array in arrays.values())
    beside = feed.held.beside(feed.model, {feed.main: shape[1:]})
    whole = feed.contracts[feed.main].tensor_shape(shape)
    elements = activation_elements(feed.model, list(work.tensors), [], whole, beside)
    most = min(
        _MOST,
        _WORK // elements,
        max(_LITTLE // elements, -(-(total or _PARTS * _MOST) // _PARTS)),
        _BYTES // max(1, sample),
        _BYTES // (_SCORE * len(work.names)),
    )
    batch = feed.fixed or max(1, min(forward.at_once, most))
    return Division(shapes, batch, batch * max(1, most // batch))


@dataclass(frozen=True, eq=False)
class ShardWork:
    """The settings that the jobs of all shards share.

    Attributes
    ----------
    model_path : path
        The model's file.
    scoring : Scoring
        The settings of the scoring.
    companions : Companions
        The plugins and libraries that serve the model.
    """

    model_path: str | os.PathLike[str]
    scoring: Scoring
    companions: Companions = NO_COMPANIONS

    def relocated(self, place: Place) -> ShardWork:
        """Return a copy in which the path of the model is replaced."""
        return replace(self, model_path=place(self.model_path))


def score_shard(job: ShardJob, work: ShardWork) -> ScoredShard:
    """Score the samples of a shard. The result depends on the arguments alone: any process may call this, in several threads.

    Parameters
    ----------
    job : ShardJob
        The shard to score.
    work : ShardWork
        The settings that the jobs of all shards share.

    Raises
    ------
    DataError
        If a tensor's shape differs from its shape for the first samples.
    EvaluationError
        If ONNX Runtime refuses the values.
    ClusterError
        If a file differs from the file that the shard was made from.
    """
    scoring = work.scoring
    with _preparing:
        model = work.companions.opened(Path(work.model_path))
        feed, targets = _prepared(model, scoring)
        forward = Forward(feed, targets.tensors, threads=scoring.threads, at_once=scoring.division.batch)
    unchanged: list[str] = []

    def known(identity: str, stamp: str) -> bool:
        if job.known.get(identity) != stamp:
            return False
        unchanged.append(identity)
        return True

    tally = Tally()
    identities, stamps, labels = list[str](), list[str](), list[str]()
    scores, places = [np.empty((0, len(targets.names)), np.float32)], [np.empty((0, len(targets.names)), np.uint32)]
    with closing(feed.batches(job.shard, scoring.division.batch, tally, known, threads=scoring.threads)) as batches:
        for batch in batches:
            own, where = targets.scored(forward.parts(batch.arrays))
            identities += batch.identities
            stamps += batch.stamps
            labels += batch.labels
            scores.append(own)
            # For positions of at most two axes, half of the bytes are zeros.
            places.append(where if where.size and where.max() >= 1 << 32 else where.astype(np.uint32))
    return ScoredShard(
        tuple(identities),
        tuple(stamps),
        tuple(labels),
        np.concatenate(scores),
        np.concatenate(places),
        tuple(sorted(unchanged)),
        tuple(tally.problems),
    )


@lru_cache(maxsize=1)
def _prepared(model: Model, scoring: Scoring) -> tuple[Feed, ExemplarPass]:
    """Return the feed and the targets that score samples, shared by all shards of a process."""
    feed = Feed(
        SILENT,
        model,
        scoring.contracts,
        scoring.shapes,
        scoring.held,
        scoring.rate,
        None,
        False,
        fixed=scoring.fixed,
    )
    work = ExemplarPass(SILENT, model, scoring.targets)
    work.settle(scoring.division.shapes)
    return feed, work
