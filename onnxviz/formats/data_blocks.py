"""What is read of a data set at once: some samples, each with its identity, stamp and label, and what was wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError, UsageError
from onnxviz.formats.array_files import copy_rows
from onnxviz.formats.samples import Sample, read_sample

Known = Callable[[str, str], bool]
"""Tells whether a sample of this identity and stamp need not be read again."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Samples that were read together.

    Attributes
    ----------
    identities : tuple of str
        A path, or a path and a row: "cats/a.png", "digits.npy#17".
    stamps : tuple of str
        What changes when a sample's content does: a file's size and time, or a digest of a row.
    labels : tuple of str
        The class's name, where a column or a subfolder gives one, else "".
    parts : dict of str to Sample
        By input. The samples of arrays and tables lie along the first axis.
    stacked : bool
        Whether they do; a single file's content is one sample as it is.
    problems : tuple of (str, str)
        Identity and sentence for each sample that cannot be read.
    unchanged : int
        How many samples were known already and not read.
    """

    identities: tuple[str, ...] = ()
    stamps: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    parts: dict[str, Sample] = field(default_factory=dict)
    stacked: bool = False
    problems: tuple[tuple[str, str], ...] = ()
    unchanged: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A part of a data set that is read at once, in any thread.

    Attributes
    ----------
    identities : tuple of str
        Its samples.
    read : callable
        Reads it, but for the samples that are known.
    """

    identities: tuple[str, ...]
    read: Callable[[Known], Block]


@dataclass(frozen=True, slots=True)
class ProblemReader:
    """Stands for what cannot be read."""

    name: str
    said: str

    def __call__(self, known: Known) -> Block:
        """Read the samples that are not known."""
        return Block(problems=((self.name, self.said),))


@dataclass(frozen=True, slots=True)
class FileReader:
    """Reads a picture or a sound."""

    file: Path
    name: str
    label: str
    slot: str

    def __call__(self, known: Known) -> Block:
        """Read the samples that are not known."""
        try:
            state = self.file.stat()
            stamp = f"{state.st_size}-{state.st_mtime_ns}"
            if known(self.name, stamp):
                return Block(unchanged=1)
            sample = read_sample(self.file)
        except OSError as error:
            return Block(problems=((self.name, f"{self.file}: cannot be read: {error.strerror or error}"),))
        except (DataError, UsageError) as error:
            return Block(problems=((self.name, str(error)),))
        return Block((self.name,), (stamp,), (self.label,), {self.slot: sample})


@dataclass(frozen=True, slots=True, eq=False)
class RowsReader:
    """Reads rows of arrays: from the disk when they are mapped."""

    arrays: dict[str, NDArray[Any]]
    places: tuple[int, ...]
    name: str
    label: str
    source: str
    many: bool
    start: int = 0
    """The number of the arrays' first row."""
    texts: tuple[str, ...] | None = None

    def __call__(self, known: Known) -> Block:
        """Read the samples that are not known."""
        rows = [place - self.start for place in self.places]
        together = rows[-1] - rows[0] + 1 == len(rows)
        parts, finite = {}, np.ones(len(rows), np.bool_)
        for key, array in self.arrays.items():
            part = copy_rows(array, rows[0], rows[-1] + 1) if together else np.asarray(array[rows])
            part = part.astype(part.dtype.newbyteorder("="), copy=False)
            if part.dtype.kind == "f":
                finite &= np.isfinite(part).reshape(len(rows), -1).all(axis=1)
            parts[key] = np.ascontiguousarray(part)
        names = [f"{self.name}#{place}" if self.many else self.name for place in self.places]
        labels = [self.label if self.texts is None else self.texts[row] for row in rows]
        said = f"{self.source}: it has values that are not finite; fill them in"
        problems = tuple((names[row], said) for row in np.flatnonzero(~finite))
        return _fresh(names, labels, parts, finite, problems, known, "array", self.source)


@dataclass(frozen=True, slots=True, eq=False)
class TableReader:
    """Hands on the rows of a table."""

    identities: tuple[str, ...]
    labels: tuple[str, ...]
    parts: dict[str, NDArray[np.float64]]
    problems: tuple[tuple[str, str], ...]
    source: str

    def __call__(self, known: Known) -> Block:
        """Read the samples that are not known."""
        whole = np.ones(len(self.identities), np.bool_)
        return _fresh(
            list(self.identities), list(self.labels), self.parts, whole, self.problems, known, "table", self.source
        )


def _fresh(
    names: list[str],
    labels: list[str],
    parts: dict[str, NDArray[Any]],
    sound: NDArray[np.bool_],
    problems: tuple[tuple[str, str], ...],
    known: Known,
    kind: Any,
    source: str,
) -> Block:
    """Keep the rows that are sound and not known yet."""
    stamps = [
        _digest([np.ascontiguousarray(part[row]) for part in parts.values()]) if sound[row] else ""
        for row in range(len(names))
    ]
    kept = [row for row in range(len(names)) if sound[row] and not known(names[row], stamps[row])]
    if len(kept) < len(names):
        parts = {key: part[kept] for key, part in parts.items()}
    return Block(
        tuple(names[row] for row in kept),
        tuple(stamps[row] for row in kept),
        tuple(labels[row] for row in kept),
        {key: Sample(part, (), source, kind) for key, part in parts.items()},
        True,
        problems,
        int(sound.sum()) - len(kept),
    )


def _digest(parts: Sequence[NDArray[Any]]) -> str:
    digest = blake2b(digest_size=8)
    for part in parts:
        digest.update(part.data if part.ndim else part.tobytes())
    return digest.hexdigest()
