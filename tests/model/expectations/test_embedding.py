"""The place where token ids become vectors."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.model.expectations.embedding import embedded_input, find_embedding
from onnxviz.model.model import load

TABLE = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
GRAPHS = {
    "gather": "agraph (int64[N, T] ids) => (float[N, T, 4] y) { e = Gather(table, ids)\ny = Relu(e) }",
    "cast": "agraph (float[N, T] ids) => (float[N, T, 4] y) { i = Cast<to = 7>(ids)\ne = Gather(table, i)\ny = Relu(e) }",
    "identity": "agraph (int32[N, T] ids) => (float[N, T, 4] y) { t = Identity(table)\ne = Gather(t, ids)\ny = Relu(e) }",
}


@pytest.mark.parametrize("name", GRAPHS)
def test_the_table_and_the_tensor_are_found(written, name):
    model = load(written(GRAPHS[name], table=TABLE))
    found = embedded_input(model)
    assert found is not None
    assert (found.ids, found.output, found.one_hot) == ("ids", "e", False)
    np.testing.assert_array_equal(found.rows, TABLE)


def test_of_two_tables_the_longest_counts(written):
    graph = """agraph (int64[N, T] types, int64[N, T] ids) => (float[N, T, 4] y) {
        a = Gather(small, types)\nb = Gather(table, ids)\ny = Add(a, b) }"""
    found = embedded_input(load(written(graph, table=TABLE, small=TABLE[:2])))
    assert found is not None
    assert found.ids == "ids"


def test_a_one_hot_is_a_table_of_codes(written):
    graph = "agraph (int64[N, T] ids) => (float[N, T, 5] y) { e = OneHot<axis = -1>(ids, depth, values)\ny = Relu(e) }"
    path = written(graph, depth=np.array(5), values=np.array([0, 1], np.float32))
    found = embedded_input(load(path))
    assert found is not None
    assert found.one_hot
    np.testing.assert_array_equal(found.rows, np.eye(5))


def test_a_quantized_table_is_what_it_stands_for(written, onnx_runtime):
    graph = """agraph (int64[N, T] ids) => (float[N, T, 4] y) {
        e = Gather(table, ids)\nd = DequantizeLinear(e, scale, zero)\ny = Neg(d) }"""
    table = np.arange(28, dtype=np.uint8).reshape(7, 4)
    path = written(graph, table=table, scale=np.array(0.5, np.float32), zero=np.array(3, np.uint8))
    found = embedded_input(load(path))
    assert found is not None
    assert found.output == "d"
    ids = np.arange(7)[None]
    np.testing.assert_allclose(-found.rows[ids], onnx_runtime(path, "y", {"ids": ids}))


def test_what_indexes_no_constant_table_has_none(written):
    graph = "agraph (int64[N, T] ids, float[6, 4] table) => (float[N, T, 4] y) { y = Gather(table, ids) }"
    assert find_embedding(load(written(graph)), "ids") is None
    other = "agraph (int64[N, T] ids) => (float[N, T] y) { y = Cast<to = 1>(ids) }"
    assert embedded_input(load(written(other))) is None


COMPUTED = "agraph (float[N, 5] x) => (float[N, 5] y) { y = Relu(x) }"
INDEXED = "agraph (float[7, 3] x) => (float[2, 3] y) { y = Gather(x, places) }"


def test_numbers_that_are_computed_with_are_no_tokens(written) -> None:
    assert find_embedding(load(written(COMPUTED)), "x") is None
    assert find_embedding(load(written(INDEXED, places=np.array([0, 1]))), "x") is None
