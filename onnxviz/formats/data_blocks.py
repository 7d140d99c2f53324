"""Blocks of a data set: samples that are read together, each with its identity, stamp and label, and the problems met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import ClusterError, DataError, UsageError
from onnxviz.formats.array_files import copy_rows
from onnxviz.formats.samples import Sample, read_sample
from onnxviz.formats.text_arrays import as_texts

Known = Callable[[str, str], bool]
"""A function that returns whether a sample of this identity and stamp is known and need not be read again."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Samples that were read together.

    Attributes
    ----------
    identities : tuple of str
        The name of each sample: a path, or a path and a row, such as "cats/a.png" or "digits.npy#17".
    stamps : tuple of str
        A text for each sample that changes when its content changes: a file's size and time, or a digest of a row.
    labels : tuple of str
        The name of each sample's class, where a column or a subfolder gives one, else "".
    parts : dict of str to Sample
        The samples for each input.
    stacked : bool
        Whether the samples lie along the first axis, as those of arrays and tables do. A file of its own holds one sample without
        such an axis.
    problems : tuple of (str, str)
        The identity of each sample that cannot be read, and a sentence that says why.
    unchanged : int
        How many samples were known already and were not read.
    """

    identities: tuple[str, ...] = ()
    stamps: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    parts: dict[str, Sample] = field(default_factory=dict)
    stacked: bool = False
    problems: tuple[tuple[str, str], ...] = ()
    unchanged: int = 0
    texts: tuple[str, ...] = ()
    """The text of each sample, if the samples are texts; else empty."""

    def rows(self, places: Sequence[int]) -> Block:
        """Return a block of only some of the samples, which must lie along the first axis."""
        rows = list(places)
        picked = [
            tuple(told[row] for row in rows) if told else ()
            for told in (self.identities, self.stamps, self.labels, self.texts)
        ]
        parts = {name: replace(sample, array=sample.array[rows]) for name, sample in self.parts.items()}
        return replace(self, identities=picked[0], stamps=picked[1], labels=picked[2], texts=picked[3], parts=parts)


class Reader(Protocol):
    """Reads samples in any thread, and after pickling in any process that has the files."""

    def __call__(self, known: Known) -> Block:
        """Read the samples that are not known."""

    def part(self, first: int, last: int) -> Reader:
        """Return a reader of only some of the samples."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A part of a data set that is read at once.

    A pickled piece holds the rows of arrays and tables themselves. Of a file it holds the path and the stamp, and a file with
    another stamp at that path is not read.

    Attributes
    ----------
    identities : tuple of str
        The names of its samples.
    read : Reader
        Reads the samples, save those that are known.
    """

    identities: tuple[str, ...]
    read: Reader

    def __len__(self) -> int:
        return len(self.identities)

    def part(self, first: int, last: int) -> Piece:
        """Return a piece of some of the samples; problems that belong to no sample stay with the first sample."""
        if first == 0 and last >= len(self):
            return self
        return Piece(self.identities[first:last], self.read.part(first, last))


@dataclass(frozen=True, slots=True)
class ProblemReader:
    """Stands for a file that cannot be read, and returns its problem."""

    name: str
    said: str

    def __call__(self, known: Known) -> Block:
        """Read the samples that are not known."""
        return Block(problems=((self.name, self.said),))

    def part(self, first: int, last: int) -> ProblemReader:
        """Return this reader, since it stands for one sample."""
        return self


@dataclass(frozen=True, slots=True)
class FileReader:
    """Reads a picture, a sound, or a clip: a file of several frames, or a folder of frames."""

    file: Path
    name: str
    label: str
    slot: str
    place: Path | None = None
    """The absolute path of the file where this reader was pickled; None in the process that found the file."""
    sent: str = ""
    """The file's stamp when this reader was pickled; "" where there was no file."""
    frames: bool = False
    """Whether all frames of a picture, or of a folder, are read as a clip."""

    def __call__(self, known: Known) -> Block:
        """Read the samples that are not known.

        Raises
        ------
        ClusterError
            If the file here differs from the file where this reader was pickled.
        """
        path = self.place or self.file
        here = _stamp(path)
        if self.place is not None and here != self.sent:
            found = "is another file than" if here else "is missing, unlike"
            raise ClusterError(
                f"{path}: {found} on the machine that has the report; files of data are not sent: put the folder on "
                "a disk that all machines have at the same path, or copy it with its times, as rsync -a does"
            )
        if here and known(self.name, here):
            return Block(unchanged=1)
        try:
            sample = replace(read_sample(path, frames=self.frames), source=str(self.file))
        except OSError as error:
            return Block(problems=((self.name, f"{self.file}: cannot be read: {error.strerror or error}"),))
        except (DataError, UsageError) as error:
            return Block(problems=((self.name, str(error).replace(str(path), str(self.file))),))
        return Block((self.name,), (here,), (self.label,), {self.slot: sample})

    def part(self, first: int, last: int) -> FileReader:
        """Return this reader, since a file is one sample."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        place, sent = self.place, self.sent
        if place is None:
            place, sent = self.file.absolute(), _stamp(self.file)
        return FileReader, (self.file, self.name, self.label, self.slot, place, sent, self.frames)


@dataclass(frozen=True, slots=True, eq=False)
class RowsReader:
    """Reads rows of arrays, which come from the disk where an array is a memory map."""

    arrays: dict[str, NDArray[Any]]
    places: tuple[int, ...]
    name: str
    label: str
    source: str
    many: bool
    start: int = 0
    """The number that the first row of the arrays has in the data set."""
    texts: tuple[str, ...] | None = None
    missing: frozenset[str] = frozenset()
    """The arrays in which NaN is a missing value."""

    def __call__(self, known: Known) -> Block:
        """Read the samples that are not known."""
        rows = [place - self.start for place in self.places]
        together = rows[-1] - rows[0] + 1 == len(rows)
        parts, finite = {}, np.ones(len(rows), np.bool_)
        for key, array in self.arrays.items():
            part = copy_rows(array, rows[0], rows[-1] + 1) if together else np.asarray(array[rows])
            part = part.astype(part.dtype.newbyteorder("="), copy=False)
            if part.dtype.kind == "f":
                sound = np.isfinite(part) | (np.isnan(part) & (key in self.missing))
                finite &= sound.reshape(len(rows), -1).all(axis=1)
            parts[key] = as_texts(part) if part.dtype.kind in "US" else np.ascontiguousarray(part)
        names = [f"{self.name}#{place}" if self.many else self.name for place in self.places]
        labels = [self.label if self.texts is None else self.texts[row] for row in rows]
        said = f"{self.source}: it has values that are not finite; fill them in"
        problems = tuple((names[row], said) for row in np.flatnonzero(~finite))
        return _fresh(names, labels, parts, finite, problems, known, "array", self.source)

    def part(self, first: int, last: int) -> RowsReader:
        """Return a reader of only some of the rows."""
        return replace(self, places=self.places[first:last])

    def __reduce__(self) -> tuple[Any, ...]:
        first, last = self.places[0] - self.start, self.places[-1] - self.start + 1
        arrays = {key: copy_rows(array, first, last) for key, array in self.arrays.items()}
        texts = None if self.texts is None else self.texts[first:last]
        return RowsReader, (
            arrays,
            self.places,
            self.name,
            self.label,
            self.source,
            self.many,
            self.places[0],
            texts,
            self.missing,
        )


@dataclass(frozen=True, slots=True, eq=False)
class TableReader:
    """Returns rows of a table that have been read already."""

    identities: tuple[str, ...]
    labels: tuple[str, ...]
    parts: dict[str, NDArray[Any]]
    problems: tuple[tuple[str, str], ...]
    source: str

    def __call__(self, known: Known) -> Block:
        """Read the samples that are not known."""
        whole = np.ones(len(self.identities), np.bool_)
        return _fresh(
            list(self.identities), list(self.labels), self.parts, whole, self.problems, known, "table", self.source
        )

    def part(self, first: int, last: int) -> TableReader:
        """Return a reader of only some of the rows."""
        parts = {key: part[first:last] for key, part in self.parts.items()}
        problems = () if first else self.problems
        return TableReader(self.identities[first:last], self.labels[first:last], parts, problems, self.source)


@dataclass(frozen=True, slots=True, eq=False)
class TextReader:
    """Returns texts that have been turned into arrays already."""

    identities: tuple[str, ...]
    labels: tuple[str, ...]
    texts: tuple[str, ...]
    parts: dict[str, NDArray[Any]]
    source: str

    def __call__(self, known: Known) -> Block:
        """Read the samples that are not known."""
        whole = np.ones(len(self.identities), np.bool_)
        block = _fresh(list(self.identities), list(self.labels), self.parts, whole, (), known, "array", self.source)
        own = dict(zip(self.identities, self.texts, strict=True))
        return replace(block, texts=tuple(own[identity] for identity in block.identities))

    def part(self, first: int, last: int) -> TextReader:
        """Return a reader of only some of the texts."""
        parts = {key: part[first:last] for key, part in self.parts.items()}
        identities, labels, texts = self.identities[first:last], self.labels[first:last], self.texts[first:last]
        return TextReader(identities, labels, texts, parts, self.source)


def _stamp(file: Path) -> str:
    """Return a text that changes when the file changes; "" where there is no file."""
    try:
        state = file.stat()
        inside = sorted((one.name, one.stat()) for one in file.iterdir()) if file.is_dir() else []
    except OSError:
        return ""
    if inside:
        told = [f"{name}-{one.st_size}-{one.st_mtime_ns}" for name, one in inside]
        return blake2b("/".join(told).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{state.st_size}-{state.st_mtime_ns}"


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
    """Return a block of the rows that are sound and not known yet."""
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
        if part.dtype.kind == "O":
            digest.update("\0".join(map(str, part.reshape(-1))).encode("utf-8", "surrogatepass"))
        else:
            digest.update(part.data if part.ndim else part.tobytes())
    return digest.hexdigest()
