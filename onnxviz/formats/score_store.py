"""Scores of samples, kept on disk so that an interrupted pass goes on and a grown data set only pays for what is new."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError
from onnxviz.formats.data_set import natural_key

_VERSION = 1
_WIDTH = 64
"""Columns that are read together: 256 bytes of a million samples' scores each fill 256 MB."""
_PATIENCE = 2.0
"""Seconds of work that a crash may cost."""

_TABLES = """
create table if not exists about (name text primary key, value text);
create table if not exists samples (identity text primary key, stamp text, label text, batch integer, place integer);
create table if not exists scores (part integer, batch integer, count integer, scores blob, places blob,
    primary key (part, batch));
"""


class ScoreStore:
    """A table of samples by columns in an SQLite file.

    Parameters
    ----------
    path : Path
        Made if it is missing.

    Attributes
    ----------
    seen : set of str
        The samples of the data set that this pass has met: known ones and new ones.

    Raises
    ------
    DataError
        The file is none of this kind, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: set[str] = set()
        self._sorted: list[tuple[str, str, int, int]] | None = None
        try:
            self._file = sqlite3.connect(path)
            self._file.executescript(_TABLES)
            about = dict(self._file.execute("select name, value from about"))
            if about.get("version", str(_VERSION)) != str(_VERSION):
                raise DataError(f"{path}: was written by another version of onnxviz; `overwrite` starts anew")
            self._stamps = dict(self._file.execute("select identity, stamp from samples"))
            self._next = int(self._file.execute("select coalesce(max(batch) + 1, 0) from samples").fetchone()[0])
        except sqlite3.Error as error:
            raise DataError(
                f"{path}: is no store of scores, or is damaged ({error}); `overwrite` starts anew"
            ) from error
        self._committed = time.monotonic()

    def known(self, identity: str, stamp: str) -> bool:
        """Tell whether a sample's scores are there, from any thread; it then counts as seen."""
        if self._stamps.get(identity) != stamp:
            return False
        self.seen.add(identity)
        return True

    def stamps(self, identities: Iterable[str]) -> dict[str, str]:
        """Return the stamps of those samples whose scores are there."""
        return {identity: self._stamps[identity] for identity in identities if identity in self._stamps}

    def about(self, name: str, value: str | None = None) -> str:
        """Return what is noted under a name, or note it."""
        if value is not None:
            self._file.execute("insert or replace into about values ('version', ?)", (str(_VERSION),))
            self._file.execute("insert or replace into about values (?, ?)", (name, value))
        found = self._file.execute("select value from about where name = ?", (name,)).fetchone()
        return str(found[0]) if found else ""

    def add(
        self,
        identities: Sequence[str],
        stamps: Sequence[str],
        labels: Sequence[str],
        scores: NDArray[np.float32],
        places: NDArray[np.uint64],
    ) -> None:
        """Keep the scores of a batch, all of them or none; those of a sample that is there already are replaced.

        Parameters
        ----------
        identities, stamps, labels : sequence of str
            Of the samples.
        scores : (sample, column) float32
        places : (sample, column) uint64
            Where each score's maximum lies.
        """
        batch = self._next
        self._next += 1
        self._sorted = None
        rows = [
            (identity, stamp, label, batch, place)
            for place, (identity, stamp, label) in enumerate(zip(identities, stamps, labels, strict=True))
        ]
        if not self._file.in_transaction:
            self._file.execute("begin")
        self._file.execute("savepoint batch")
        try:
            self._insert(batch, rows, scores, places)
        except BaseException:
            # An interruption in here must not leave samples without their scores.
            self._file.execute("rollback to batch")
            raise
        finally:
            self._file.execute("release batch")
        self._stamps.update(zip(identities, stamps, strict=True))
        self.seen.update(identities)
        if time.monotonic() - self._committed > _PATIENCE:
            self.commit()

    def _insert(
        self,
        batch: int,
        rows: list[tuple[str, str, str, int, int]],
        scores: NDArray[np.float32],
        places: NDArray[np.uint64],
    ) -> None:
        self._file.executemany("insert or replace into samples values (?, ?, ?, ?, ?)", rows)
        for part, start in enumerate(range(0, scores.shape[1], _WIDTH)):
            own = np.ascontiguousarray(scores[:, start : start + _WIDTH], "<f4")
            where = np.ascontiguousarray(places[:, start : start + _WIDTH], "<u8")
            # Half of the bytes are zeros, unless positions have more than two axes.
            small = where.astype("<u4") if not where.size or where.max() < 1 << 32 else where
            self._file.execute(
                "insert or replace into scores values (?, ?, ?, ?, ?)",
                (part, batch, len(own), own.tobytes(), small.tobytes()),
            )

    def commit(self) -> None:
        """Put on disk what was added."""
        self._file.commit()
        self._committed = time.monotonic()

    def keep_only(self, identities: Collection[str]) -> None:
        """Forget the samples that the data set no longer has."""
        self._sorted = None
        gone = [(identity,) for identity in self._stamps if identity not in identities]
        self._file.executemany("delete from samples where identity = ?", gone)
        for (identity,) in gone:
            del self._stamps[identity]
        # Batches that no sample is left of would be read for nothing.
        self._file.execute("delete from scores where batch not in (select distinct batch from samples)")
        self.commit()

    def samples(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Name the samples in natural order, and their labels."""
        rows = self._rows()
        return tuple(row[0] for row in rows), tuple(row[1] for row in rows)

    def columns(self) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.uint64]]]:
        """Read the scores some columns at a time, so that memory holds 64 numbers of each sample.

        Yields
        ------
        first : int
            The number of the first of these columns.
        scores : (sample, column) float32
            In the order of `samples`.
        places : (sample, column) uint64
        """
        rows = self._rows()
        parts = [part for (part,) in self._file.execute("select distinct part from scores order by part")]
        batches = np.asarray([row[2] for row in rows])
        within = np.asarray([row[3] for row in rows])
        by_batch = np.argsort(batches, kind="stable")
        starts = np.searchsorted(batches[by_batch], np.unique(batches))
        groups = (
            dict(zip(np.unique(batches).tolist(), np.split(by_batch, starts[1:]), strict=True)) if len(rows) else {}
        )
        for part in parts:
            scores: NDArray[np.float32] | None = None
            found = self._file.execute("select batch, count, scores, places from scores where part = ?", (part,))
            for batch, count, own, where in found:
                if batch not in groups:
                    continue
                taken = groups[batch]
                values = np.frombuffer(own, "<f4").reshape(count, -1)
                spots = np.frombuffer(where, "<u4" if len(where) == len(own) else "<u8").reshape(count, -1)
                if scores is None:
                    scores = np.empty((len(rows), values.shape[1]), np.float32)
                    places = np.empty((len(rows), values.shape[1]), np.uint64)
                scores[taken] = values[within[taken]]
                places[taken] = spots[within[taken]]
            if scores is not None:
                yield part * _WIDTH, scores, places

    def _rows(self) -> list[tuple[str, str, int, int]]:
        if self._sorted is None:
            rows = self._file.execute("select identity, label, batch, place from samples").fetchall()
            self._sorted = sorted(rows, key=lambda row: natural_key(row[0]))
        return self._sorted

    def close(self) -> None:
        """Put everything on disk and let the file go."""
        self._file.commit()
        self._file.close()
