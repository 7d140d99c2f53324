"""Ids of tokens in arrays: whole numbers that are rows of the model's table; anything else is a sentence."""

from __future__ import annotations

import numpy as np
import pytest

import onnxviz
from onnxviz.errors import DataError

PLAIN = "t (int64[N, T] ids) => (float[N, T, 2] y) { e = Gather(table, ids)\n y = MatMul(e, w) }"
PADDED = (
    "t (int64[N, T] ids) => (float[N, T, 2] y) { real = Max(ids, zero)\n e = Gather(table, real)\n y = MatMul(e, w) }"
)
WEIGHTS = {
    "table": np.arange(27, dtype=np.float32).reshape(9, 3),
    "w": np.ones((3, 2), np.float32),
    "zero": np.zeros(1, np.int64),
}


@pytest.fixture
def plain(written):
    return written(PLAIN, table=WEIGHTS["table"], w=WEIGHTS["w"])


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        ([1, 2, 9], "holds the token 9, but ids takes 9 tokens, 0 to 8"),
        ([1, -1, 3], "holds the token -1, but ids takes 9 tokens, 0 to 8"),
        ([1, 2.5, 3], "holds 2.5; ids takes tokens, which are whole numbers"),
    ],
)
def test_what_is_no_token_is_refused(plain, ids, sentence: str) -> None:
    for ask in (
        lambda: onnxviz.activations(plain, np.array(ids), ["y"]),
        lambda: onnxviz.attribute(plain, np.array(ids), "y[0, 0]", methods=["gradient"]),
    ):
        with pytest.raises(DataError, match=sentence):
            ask()


def test_one_bad_row_is_skipped_and_the_others_stay(plain) -> None:
    rows = np.array([[1, 2, 3], [1, 2, 30], [4, 5, 6]])
    found = onnxviz.examples(plain, rows, ["y[:, 0]"])
    assert {one["id"] for one in found[0].highest} == {"array#0", "array#2"}
    assert [one["id"] for one in found.document()["skipped"]] == ["array#1"]


def test_whole_floats_are_tokens(plain) -> None:
    seen = onnxviz.activations(plain, np.array([1.0, 2.0]), ["y[:, 0]"])
    assert np.ravel(seen.answers[0].values) == pytest.approx(WEIGHTS["table"][1:3].sum(1).tolist())


def test_a_graph_that_changes_ids_below_zero_may_be_given_them(written) -> None:
    path = written(PADDED, **WEIGHTS)
    seen = onnxviz.activations(path, np.array([1, -1]), ["y[:, 0]"])
    assert np.ravel(seen.answers[0].values) == pytest.approx(WEIGHTS["table"][[1, 0]].sum(1).tolist())
