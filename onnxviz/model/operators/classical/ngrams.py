"""TfIdfVectorizer: counts of known n-grams in sequences of whole numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, operator
from onnxviz.model.operators.shapes.allocation import allowed


@operator("TfIdfVectorizer", since=9, gradient=Gradient.ZERO)
def tf_idf_vectorizer(
    X: Tensor,
    *,
    max_gram_length: int,
    max_skip_count: int,
    min_gram_length: int,
    mode: str,
    ngram_counts: tuple[int, ...],
    ngram_indexes: tuple[int, ...],
    pool_int64s: tuple[int, ...] = (),
    pool_strings: Sequence[str] = (),
    weights: tuple[float, ...] = (),
) -> Tensor:
    """Return the counts of the n-grams of a pool in each row of whole numbers (ONNX TfIdfVectorizer 9).

    Parameters
    ----------
    X : (batch, length) or (length,) int
    min_gram_length, max_gram_length : int
        The smallest and the largest length of the n-grams.
    max_skip_count : int
        The largest number of positions that are skipped between neighbors of an n-gram. All neighbors of an
        n-gram have the same distance. Single numbers are counted once.
    mode : {"TF", "IDF", "TFIDF"}
        "TF" gives the count, "IDF" the weight of each n-gram that occurs, "TFIDF" their product.
    ngram_counts : tuple of int
        The positions in the pool where the n-grams of length 1, 2, … begin.
    ngram_indexes : tuple of int
        The position in the output of each n-gram of the pool.
    pool_int64s : tuple of int
        The numbers of all n-grams.
    pool_strings : sequence of str
        Strings, which are refused.
    weights : tuple of float
        The weight of each n-gram of the pool. An empty tuple stands for ones.

    Returns
    -------
    (batch, place) or (place,) float32

    Raises
    ------
    EvaluationError
        If the pool holds strings or contradicts its counts, or the mode is unknown.
    AllocationError
        If the output would have more elements than are allowed.
    """
    if pool_strings:
        raise EvaluationError("TfIdfVectorizer has a pool of strings; only pools of whole numbers are supported")
    if mode not in ("TF", "IDF", "TFIDF"):
        raise EvaluationError(f"TfIdfVectorizer has the mode {mode!r}; TF, IDF and TFIDF are known")
    pool = _pool(ngram_counts, pool_int64s)
    if sum(map(len, pool)) != len(ngram_indexes) or (weights and len(weights) != len(ngram_indexes)):
        raise EvaluationError(
            f"TfIdfVectorizer has a pool of {sum(map(len, pool))} n-grams, {len(ngram_indexes)} places for them and "
            f"{len(weights)} weights; give each n-gram a place, and a weight or no weights"
        )
    rows = X.reshape(-1, X.shape[-1]).cpu().numpy()
    places = np.array(ngram_indexes, np.int64)
    counts = np.zeros(allowed((len(rows), max(ngram_indexes, default=-1) + 1), "TfIdfVectorizer"), np.float32)
    first = 0
    for length, grams in enumerate(pool, 1):
        own = places[first : first + len(grams)]
        first += len(grams)
        if not min_gram_length <= length <= max_gram_length or not len(grams):
            continue
        for distance in range(1, max_skip_count + 2 if length > 1 else 2):
            if (length - 1) * distance >= rows.shape[1]:
                break
            row, gram = _found(rows, grams, distance)
            np.add.at(counts, (row, own[gram]), 1)
    if mode != "TF":
        factor = np.ones(counts.shape[1], np.float32)
        factor[places] = np.array(weights or 1, np.float32)
        counts = factor * (counts if mode == "TFIDF" else counts > 0)
    return torch.from_numpy(counts).to(X.device).reshape(*X.shape[:-1], counts.shape[1])


def _pool(starts: Sequence[int], numbers: Sequence[int]) -> list[np.ndarray]:
    """Return the n-grams of each length, each array (n-gram, length)."""
    values = np.array(numbers, np.int64)
    pool = []
    for length, (start, end) in enumerate(zip(starts, [*starts[1:], len(values)], strict=True), 1):
        if not 0 <= start <= end <= len(values) or (end - start) % length:
            raise EvaluationError(
                f"TfIdfVectorizer has ngram_counts={list(starts)} for a pool of {len(values)} numbers; give starts of whole n-grams"
            )
        pool.append(values[start:end].reshape(-1, length))
    return pool


def _found(rows: np.ndarray, grams: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the row and the n-gram of every occurrence whose numbers are `distance` positions apart."""
    length = grams.shape[1]
    reach = (length - 1) * distance + 1
    runs = np.lib.stride_tricks.sliding_window_view(rows, reach, axis=1)[..., ::distance]
    together = np.concatenate([grams, runs.reshape(-1, length)])
    kinds = np.unique(together, axis=0, return_inverse=True)[1].reshape(-1)
    known = np.full(kinds.max() + 1, -1)
    known[kinds[: len(grams)]] = np.arange(len(grams))
    gram = known[kinds[len(grams) :]].reshape(runs.shape[:2])
    row, place = np.nonzero(gram >= 0)
    return row, gram[row, place]
