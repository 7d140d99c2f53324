"""Shards of a data set: ranges of its samples, in order, that are read apart from one another and by any process."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from onnxviz.formats.data_blocks import Piece


class Source(Protocol):
    """A data set, or a part of one."""

    @property
    def notes(self) -> list[str]:
        """Sentences about how it is read."""

    def pieces(self, wanted: Collection[str] | None = None) -> Iterator[Piece]:
        """Go through its samples once, or through those that are wanted."""


@dataclass(frozen=True, eq=False)
class Shard:
    """Samples that follow one another in a data set.

    Attributes
    ----------
    number : int
        Which of the shards this is.
    parts : tuple of Piece
        Not yet read.
    notes : list of str
        None: what is to be said of the data set is said by the set.
    """

    number: int
    parts: tuple[Piece, ...]
    notes: list[str] = field(default_factory=list)

    @property
    def identities(self) -> tuple[str, ...]:
        """The samples."""
        return tuple(identity for piece in self.parts for identity in piece.identities)

    def pieces(self, wanted: Collection[str] | None = None) -> Iterator[Piece]:
        """Go through the samples, as `DataSet.pieces` does."""
        for piece in self.parts:
            if wanted is None or any(identity in wanted for identity in piece.identities):
                yield piece


def shards(pieces: Iterable[Piece], size: int) -> Iterator[Shard]:
    """Divide a data set into shards.

    Where one ends depends on the samples before it alone: not on who asks, and not on what is known of them.

    Parameters
    ----------
    pieces : iterable of Piece
        Consumed as shards are asked for.
    size : int
        Samples of a shard; the last one may have fewer.

    Yields
    ------
    Shard
        In the order of the samples.
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
