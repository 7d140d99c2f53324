"""Shards of a data set: ranges of its samples, each of which any process can read by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from onnxviz.formats.data_blocks import Piece


class Source(Protocol):
    """A data set, or a part of one."""

    @property
    def notes(self) -> list[str]:
        """Sentences that say how the data set is read."""

    def pieces(self, wanted: Collection[str] | None = None) -> Iterator[Piece]:
        """Yield the pieces of the data set, or only those with wanted samples."""


@dataclass(frozen=True, eq=False)
class Shard:
    """Samples that follow one another in a data set.

    Attributes
    ----------
    number : int
        The number of the shard, from 0.
    parts : tuple of Piece
        The pieces of the shard, not read yet.
    notes : list of str
        Always empty, since the data set holds the notes.
    """

    number: int
    parts: tuple[Piece, ...]
    notes: list[str] = field(default_factory=list)

    @property
    def identities(self) -> tuple[str, ...]:
        """The identities of the samples."""
        return tuple(identity for piece in self.parts for identity in piece.identities)

    def pieces(self, wanted: Collection[str] | None = None) -> Iterator[Piece]:
        """Yield the pieces of the shard, as `DataSet.pieces` does."""
        for piece in self.parts:
            if wanted is None or any(identity in wanted for identity in piece.identities):
                yield piece


def shards(pieces: Iterable[Piece], size: int) -> Iterator[Shard]:
    """Yield the shards of a data set.

    The end of a shard depends only on the samples before it. It is the same in every process, whatever scores are known already.

    Parameters
    ----------
    pieces : iterable of Piece
        The pieces, taken from the iterable only as shards are asked for.
    size : int
        The number of samples in a shard. The last shard may have fewer.

    Yields
    ------
    Shard
        The shards, in the order of the samples.
    """
    number, taken, count = 0, list[Piece](), 0
    for piece in pieces:
        first = 0
        while len(piece) - first >= size - count:
            last = first + size - count
            yield Shard(number, (*taken, piece.part(first, last)))
            number, taken, count, first = number + 1, [], 0, last
        if first < len(piece) or not len(piece):
            taken.append(piece.part(first, len(piece)))
            count += len(piece) - first
    if taken:
        yield Shard(number, tuple(taken))
