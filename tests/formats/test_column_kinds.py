"""What a table's columns hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxviz.errors import DataError
from onnxviz.formats.column_kinds import ColumnKinds

RANDOM = np.random.default_rng(0)


@given(st.lists(st.integers(2, 5), min_size=1, max_size=3), st.integers(0, 2**31))
def test_one_hot_groups_side_by_side_are_told_apart(sizes, seed):
    random = np.random.default_rng(seed)
    blocks = [np.eye(size)[np.r_[np.arange(size), random.integers(0, size, 20 - size)]] for size in sizes]
    table = np.hstack([random.normal(size=(20, 1)), *blocks, random.normal(size=(20, 1))])
    starts = np.cumsum([1, *sizes])
    expected = tuple(tuple(range(first, first + size)) for first, size in zip(starts, sizes, strict=False))
    assert ColumnKinds.of(table).groups == expected


def test_a_yes_or_no_before_a_group_does_not_hide_it():
    group = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    flag = np.array([[1.0], [1], [0], [0], [1], [0]])
    kinds = ColumnKinds.of(np.hstack([flag, group]))
    assert kinds.groups == ((1, 2, 3),)
    assert kinds.whole.tolist() == [True, False, False, False]


def test_rows_with_two_or_none_set_are_no_group():
    assert ColumnKinds.of([[1, 0], [0, 1], [1, 1]]).groups == ()
    assert ColumnKinds.of([[1, 0], [0, 1], [0, 0]]).groups == ()


def test_whole_and_constant_columns():
    kinds = ColumnKinds.of([[1.0, 5.0, 0.5, 2.0], [2.0, 5.0, 1.0, -3.0]])
    assert kinds.whole.tolist() == [True, False, False, True]
    assert kinds.constant.tolist() == [False, True, False, False]


@pytest.mark.parametrize("table", [np.zeros(3), np.zeros((0, 3))])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(DataError, match="is no table"):
        ColumnKinds.of(table)
