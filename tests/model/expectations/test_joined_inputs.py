"""Several inputs as one vector."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.errors import UsageError
from onnxviz.model.expectations.joined_inputs import JoinedInputs
from onnxviz.model.model import load

GRAPH = "agraph (float[N, 1] a, float[N, 2] b, float[N] c, float[N, T] d) => (float[N, 1] y) { y = Neg(a) }"


def test_the_parts_are_what_was_joined(written):
    joined = JoinedInputs.of(load(written(GRAPH)), ["a", "b", "c"])
    assert joined.names == ("a", "b[0]", "b[1]", "c")
    vectors = np.arange(12.0).reshape(3, 4)
    parts = joined.split(vectors)
    assert {name: part.shape for name, part in parts.items()} == {"a": (3, 1), "b": (3, 2), "c": (3,)}
    np.testing.assert_array_equal(np.column_stack(list(parts.values())), vectors)


def test_columns_are_joined_only_where_all_float_inputs_are_single_numbers(written):
    table = "agraph (float[N, 1] a, float[N, 1] b, int64[N, 1] c) => (float[N, 1] y) { y = Add(a, b) }"
    joined = JoinedInputs.columns(load(written(table)))
    assert joined is not None
    assert joined.inputs == ("a", "b")
    assert JoinedInputs.columns(load(written(GRAPH))) is None


def test_what_is_no_row_cannot_be_joined(written):
    model = load(written(GRAPH))
    for name in ("d", "y"):
        with pytest.raises(UsageError, match=name):
            JoinedInputs.of(model, ["a", name])
