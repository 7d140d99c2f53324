"""Embeddings: found behind casts, and never where values are computed with."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz import load
from onnxviz.model.embedding import embedding_of

TABLE = np.ones((7, 3), np.float32)
LOOKUP = "agraph (int64[N, 5] x) => (float[N, 5, 3] y) { i = Identity(x)\n y = Gather(table, i) }"
FLOATS = "agraph (float[N, 5] x) => (float[N, 5, 3] y) { i = Cast<to = 7>(x)\n y = Gather(table, i) }"
ONE_HOT = "agraph (int64[N, 5] x) => (float[N, 5, 7] y) { y = OneHot(x, depth, values) }"
COMPUTED = "agraph (float[N, 5] x) => (float[N, 5] y) { y = Relu(x) }"
INDEXED = "agraph (float[7, 3] x) => (float[2, 3] y) { y = Gather(x, places) }"


@pytest.mark.parametrize("graph", [LOOKUP, FLOATS])
def test_a_lookup_is_found(written, graph: str) -> None:
    found = embedding_of(load(written(graph, table=TABLE)), "x")
    assert (found.tensor, found.size) == ("y", 7)


def test_one_hot_vectors_are_an_embedding(written) -> None:
    found = embedding_of(load(written(ONE_HOT, depth=np.array(7), values=np.array([0, 1], np.float32))), "x")
    assert (found.tensor, found.size) == ("y", 7)


def test_numbers_that_are_computed_with_are_no_tokens(written) -> None:
    assert embedding_of(load(written(COMPUTED)), "x") is None
    assert embedding_of(load(written(INDEXED, places=np.array([0, 1]))), "x") is None
