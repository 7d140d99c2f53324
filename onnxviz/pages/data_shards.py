"""One shard of a report's data: samples that are read, run and scored together, in this process or in another."""

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
from onnxviz.analyses.opening import opened_once

if TYPE_CHECKING:
    from onnxviz.contract import InputContract
    from onnxviz.formats.data_set import DataSet
    from onnxviz.formats.data_shards import Shard
    from onnxviz.model.model import Model
    from onnxviz.pages.work import Place

_WORK = 1 << 30
"""Numbers that a shard's activations are at most: some seconds of one core."""

_LITTLE = 1 << 26
"""Numbers that are too few to be divided any further."""

_PARTS = 16
"""A small data set has about so many shards, for as many cores."""

_BYTES = 16 << 20
"""Bytes that a shard's scores, or its rows, take at most: they travel."""

_MOST = 2048
"""Samples of a shard at most: so many are lost when it is."""

_SCORE = 12
"""Bytes of a score and its place."""

_SIDE_BY_SIDE = 8
"""Shards that one process scores at a time, at most: each takes the memory of a batch."""

_RUNS = 2
"""A batch is made for so many side by side, however many there are: on its size hang the last digits of the scores."""

_preparing = Lock()
"""Shards that are scored side by side share a session."""


@dataclass(frozen=True)
class Division:
    """How a data set is divided: settled once for a set of targets, so that the same samples always share a batch.

    Attributes
    ----------
    shapes : mapping of str to tuple of int
        Of each tensor, after the batch.
    batch : int
        Samples that are run together.
    shard : int
        Samples of a shard: whole batches.
    """

    shapes: Mapping[str, tuple[int, ...]]
    batch: int
    shard: int


@dataclass(frozen=True)
class Scoring:
    """What all shards of a pass share besides the model.

    Attributes
    ----------
    key : str
        A digest of all that follows: two of the same key are the same.
    targets : tuple of str
        A column of the scores for each.
    division : Division
        Of the data set.
    threads : int
        How many compute a shard: the more share a sum, the otherwise it is rounded.
    contracts, shapes, held, rate
        As `Feed` has them.
    """

    key: str
    targets: tuple[str, ...] = field(compare=False)
    division: Division = field(compare=False)
    threads: int = field(compare=False)
    contracts: dict[str, InputContract] = field(compare=False)
    shapes: dict[str, tuple[int | None, ...]] = field(compare=False)
    held: dict[str, np.ndarray] = field(compare=False)
    rate: int | None = field(compare=False)


def scoring_of(work: ExemplarPass, feed: Feed, division: Division, threads: int) -> Scoring:
    """Return what the shards of a pass share.

    Parameters
    ----------
    work : ExemplarPass
        Its targets.
    feed : Feed
        What brings samples to the model.
    division : Division
        Of the data set.
    threads : int
        How many compute a shard.
    """
    given = (work.texts, division, threads, feed.contracts, feed.shapes, feed.held, feed.rate)
    return Scoring(hashlib.sha256(pickle.dumps(given)).hexdigest(), *given)


@dataclass(frozen=True, eq=False)
class ShardJob:
    """A shard that is to be scored, but for the samples whose scores are there.

    Attributes
    ----------
    shard : Shard
        Its samples.
    known : mapping of str to str
        From samples to the stamps that they had.
    """

    shard: Shard
    known: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class ScoredShard:
    """What a job found.

    Attributes
    ----------
    identities, stamps, labels : tuple of str
        Of the samples that are new.
    scores : (sample, column) float32
    places : (sample, column) uint32 or uint64
        Where each maximum lies.
    unchanged : tuple of str
        The samples that are what they were.
    problems : tuple of (str, str)
        Identity and sentence of those that were passed over.
    """

    identities: tuple[str, ...]
    stamps: tuple[str, ...]
    labels: tuple[str, ...]
    scores: np.ndarray
    places: np.ndarray
    unchanged: tuple[str, ...]
    problems: tuple[tuple[str, str], ...]


def shares(threads: int | None = None) -> tuple[int, int]:
    """Return how many shards one process scores at a time, and how many threads compute each.

    Parameters
    ----------
    threads : int, optional
        How many may compute; by default as many as torch takes.

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
    """Settle how a data set is divided, by the first two samples that can be read and by what a sample costs.

    Parameters
    ----------
    work : ExemplarPass
        Learns its targets.
    feed, data
        What brings the samples, and where they are.
    threads : int
        How many compute a shard.
    tally : Tally
        Told of what cannot be read before them.
    total : int or None
        About how many samples there are, where that is known.

    Raises
    ------
    DataError
        If no sample can be read.
    EvaluationError
        If ONNX Runtime refuses the samples.
    """
    from onnxviz.model.expectations.resting import activation_elements

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
    elements = activation_elements(feed.model, list(work.tensors), [], shape)
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
    """What the scoring of all shards shares.

    Attributes
    ----------
    model_path : path
        The model's file.
    scoring : Scoring
        How samples are scored.
    """

    model_path: str | os.PathLike[str]
    scoring: Scoring

    def relocated(self, place: Place) -> ShardWork:
        """Return the same with the model at another place."""
        return replace(self, model_path=place(self.model_path))


def score_shard(job: ShardJob, work: ShardWork) -> ScoredShard:
    """Score the samples of a shard; a function of its arguments alone, so that any process may call it, in several threads.

    Parameters
    ----------
    job : ShardJob
        What is scored.
    work : ShardWork
        What the scoring of all shards shares.

    Raises
    ------
    DataError
        If samples give a tensor another shape than the first ones did.
    EvaluationError
        If ONNX Runtime refuses the values.
    ClusterError
        If a file is not the one that was meant.
    """
    scoring = work.scoring
    with _preparing:
        model = opened_once(Path(work.model_path))
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
            own, where = targets.scored(forward(batch.arrays))
            identities += batch.identities
            stamps += batch.stamps
            labels += batch.labels
            scores.append(own)
            # Half of the bytes are zeros, unless positions have more than two axes.
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
    """Return what scores samples; the same for all shards that a process is given."""
    feed = Feed(SILENT, model, scoring.contracts, scoring.shapes, scoring.held, scoring.rate, None, False)
    work = ExemplarPass(SILENT, model, scoring.targets, highest=False)
    work.settle(scoring.division.shapes)
    return feed, work
