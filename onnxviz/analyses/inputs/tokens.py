"""The tokens of a model as the user describes them: their names, and positions whose token is kept."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.inputs.features import Kept, Names, pairs
from onnxviz.errors import DataError, UsageError
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from onnxviz.formats.tokenizers import Encoded
    from onnxviz.model.expectations.embedding import Embedding


@dataclass(frozen=True)
class Tokens:
    """The tokens that a model reads.

    Attributes
    ----------
    embedding : Embedding
        The input that holds the token ids, and the vector of each token.
    names : tuple of str
        The tokens' names, by id; empty if no vocabulary was given.
    kept : mapping of int to int
        From a position to the id of the token that it keeps.
    notes : tuple of str
        Sentences for the user.
    start : Encoded or None
        The text from which a search starts.
    """

    embedding: Embedding
    names: tuple[str, ...] = ()
    kept: dict[int, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    start: Encoded | None = None

    def name(self, token: int) -> str:
        """Return a token's name, or its id if it has no name."""
        return (self.names[token] if token < len(self.names) else "") or str(token)

    def movable(self, length: int) -> np.ndarray:
        """Return which positions may change, (length,) bool."""
        free = np.ones(length, np.bool_)
        free[list(self.kept)] = False
        return free

    def read(self, path: Path, length: int) -> np.ndarray:
        """Return the (time,) token ids of a file of whole numbers.

        Raises
        ------
        UsageError, DataError
            If the file is missing, cannot be read, or does not hold `length` ids of the table.
        """
        from onnxviz.formats.samples import read_sample

        ids = np.asarray(read_sample(path).array)
        count = len(self.embedding.rows)
        if ids.size != length or not (ids == np.rint(ids)).all() or ids.min() < 0 or ids.max() >= count:
            raise DataError(f"{path}: the file must hold {length} token ids, whole numbers from 0 to {count - 1}")
        return ids.reshape(length).astype(np.int64)

    def nearest(self, vectors: np.ndarray) -> np.ndarray:
        """Return the ids of the table rows with the largest cosine to each vector, (…, time); kept tokens stay.

        Each column of the table is standardized before the cosine is taken, so that no column outweighs the others.

        Parameters
        ----------
        vectors : (…, time, feature)
        """
        mean, scale = center_and_spread(self.embedding.rows)
        table = _unit((self.embedding.rows - mean) / scale)
        ids = np.stack(
            [(_unit((one - mean) / scale) @ table.T).argmax(-1) for one in vectors.reshape(-1, *vectors.shape[-2:])]
        )
        for place, token in self.kept.items():
            ids[:, place] = token
        return ids.reshape(vectors.shape[:-1]).astype(np.int64)

    def similarity(self, vectors: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Return the cosine of `nearest` between (time, feature) vectors and the rows of (time,) ids."""
        mean, scale = center_and_spread(self.embedding.rows)
        rows = self.embedding.rows[ids]
        return np.asarray((_unit((vectors - mean) / scale) * _unit((rows - mean) / scale)).sum(-1))


def center_and_spread(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and standard deviation of each column of a table; for a constant column the deviation is 1."""
    spread = rows.std(0)
    return rows.mean(0), np.where(spread > 0, spread, 1).astype(np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1))


def check_table(embedding: Embedding, values: np.ndarray, ids: np.ndarray) -> None:
    """Raise a UsageError unless ONNX Runtime turns the ids into rows of the embedding's table."""
    wanted = embedding.rows[ids.astype(np.int64)]
    if values.shape != wanted.shape or values.ndim != 3 or not np.allclose(values, wanted, rtol=1e-3, atol=1e-5):
        raise UsageError(
            f"{embedding.ids}: {embedding.output} does not hold plain rows of the embedding table, "
            f"(batch, time, feature); its shape is {shape_text(values.shape)}. Move that tensor itself: `wrt` {embedding.output}"
        )


def token_names(vocabulary: Names) -> tuple[str, ...]:
    """Return the tokens' names by id, as given or from a file.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If the file cannot be read.
    """
    from onnxviz.formats.vocabularies import read_vocabulary

    if not isinstance(vocabulary, str | os.PathLike):
        return tuple(map(str, vocabulary))
    if not Path(vocabulary).exists():
        raise UsageError(f"`vocab` {vocabulary}: no such file")
    return read_vocabulary(vocabulary)


def read_tokens(embedding: Embedding, length: int, vocabulary: Names | None, kept: Kept) -> Tokens:
    """Return the tokens as `vocab` and `kept` describe them.

    Parameters
    ----------
    embedding : Embedding
        The model's embedding.
    length : int
        The number of positions.
    vocabulary : path or sequence of str, optional
        The tokens' names, or a file that `read_vocabulary` takes.
    kept : mapping or pairs
        Positions, from 0 or backward from -1, and the tokens that they keep, as names or ids.

    Raises
    ------
    UsageError
        If a file, a position or a token does not exist.
    DataError
        If the vocabulary cannot be read.
    """
    names: tuple[str, ...] = ()
    count = len(embedding.rows)
    notes = [
        f"{length} tokens of {count}; the {'codes' if embedding.one_hot else 'vectors'} at {embedding.output} move"
    ]
    if vocabulary is not None:
        names = token_names(vocabulary)
        if len(names) != count:
            notes.append(f"`vocab`: it has {len(names)} tokens, but the model's table has {count}")
    held: dict[int, int] = {}
    for position, given in pairs(kept):
        token = str(given)
        try:
            place = int(position)
        except ValueError:
            raise UsageError(f"`kept` {position}={token}: write a position before the =, 0 is the first") from None
        if not -length <= place < length:
            raise UsageError(f"`kept` {position}={token}: there are {length} positions; see `shapes` and `dims`")
        number = names.index(token) if token in names else int(token) if token.isdecimal() else -1
        if not 0 <= number < count:
            raise UsageError(
                f"`kept` {position}={token}: neither a token of `vocab` nor a number from 0 to {count - 1}"
            )
        held[place % length] = number
    if len(held) == length:
        raise UsageError("`kept`: every position is kept, so none can move; leave out at least one")
    if held:
        told = ", ".join(
            f"{place} = {names[token] if token < len(names) else token}" for place, token in sorted(held.items())
        )
        notes.append(f"kept: {told}")
    return Tokens(embedding, names, held, tuple(notes))
