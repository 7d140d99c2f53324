"""Tables by chunks, and the columns that feed each input."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from onnxviz.errors import DataError, UsageError
from onnxviz.formats.column_matching import Slot, match_columns
from onnxviz.formats.table_rows import open_table

TEXT = "id,b,a,kind\n1,2.5,3,good\n2,3.5,4,bad\n3,4.5,5,good\n"


@pytest.fixture
def table(tmp_path):
    (tmp_path / "t.csv").write_text(TEXT)
    return open_table(tmp_path / "t.csv")


def taken(table, slots, label=None):
    columns, note = match_columns(table, slots, label)
    return [[table.names[place] for place in part] for part in columns], note


def test_columns_are_found_by_name(table) -> None:
    names, note = taken(table, [Slot("x", (2,), features=("a", "b"))])
    assert names == [["a", "b"]]
    assert "id, kind left out" in note
    assert taken(table, [Slot("b", (1,)), Slot("a", (1,))])[0] == [["b"], ["a"]]


def test_columns_are_taken_in_order_where_names_say_nothing(table) -> None:
    names, note = taken(table, [Slot("x", (3,))])
    assert names == [["id", "b", "a"]]
    assert "in their order; kind left out" in note
    assert taken(table, [Slot("x", (1,)), Slot("y", (2,))])[0] == [["id"], ["b", "a"]]
    assert taken(table, [Slot("x", (2,))], label="id")[0] == [["b", "a"]]
    assert taken(table, [Slot("x", (None,))], label="id")[0] == [["b", "a"]]


def test_numbered_columns_belong_to_an_input(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("q_1,q_0,d[0],d[1]\n1,2,3,4\n")
    table = open_table(tmp_path / "t.csv")
    assert taken(table, [Slot("q", (2,)), Slot("d", (2,))])[0] == [["q_0", "q_1"], ["d[0]", "d[1]"]]


def test_what_does_not_fit_is_said(table) -> None:
    with pytest.raises(DataError, match=r"has 3 columns of numbers, and the model takes 2 .*`label`"):
        match_columns(table, [Slot("x", (2,))], None)
    with pytest.raises(DataError, match="takes 5"):
        match_columns(table, [Slot("x", (5,))], None)
    with pytest.raises(UsageError, match="no column of that name"):
        match_columns(table, [Slot("x", (2,))], "class")


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_chunks_join_to_the_table(table, rows) -> None:
    chunks = list(table.chunks(rows, (2, 1), 3))
    np.testing.assert_array_equal(np.concatenate([chunk.values for chunk in chunks]), [[3, 2.5], [4, 3.5], [5, 4.5]])
    assert [place for chunk in chunks for place in chunk.places] == [0, 1, 2]
    assert [label for chunk in chunks for label in chunk.labels] == ["good", "bad", "good"]


@pytest.mark.parametrize("text", ["", "a,b\n", "a,b\n1,2,3\n"])
def test_a_table_without_rows_is_refused(tmp_path, text) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError):
        open_table(tmp_path / "t.csv")


def test_parquet_is_read_as_text_is(tmp_path, table) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="without the parquet extra there is none to read")
    from pyarrow import parquet

    columns = {"id": [1, 2, 3], "b": [2.5, 3.5, None], "a": [3, 4, 5], "kind": ["good", "bad", "good"]}
    columns["list"] = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    found = open_table(tmp_path / "t.parquet")
    assert found.widths == (1, 1, 1, 0, 2)
    names, _ = taken(found, [Slot("list", (2,)), Slot("a", (1,))])
    assert names == [["list"], ["a"]]
    chunks = list(found.chunks(2, (4, 2), 3))
    np.testing.assert_array_equal(np.concatenate([chunk.values for chunk in chunks]), [[1, 2, 3], [3, 4, 4], [5, 6, 5]])
    assert [label for chunk in chunks for label in chunk.labels] == ["good", "bad", "good"]
    (first, second) = found.chunks(2, (1,), None)
    assert (first.places, second.places) == ((0, 1), ())
    assert second.problems[0][0] == 2


def test_parquet_without_pyarrow_is_a_sentence(tmp_path, monkeypatch) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    load = builtins.__import__

    def refuse(name, *rest, **more):
        if name.partition(".")[0] == "pyarrow":
            raise ImportError(name)
        return load(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(DataError, match=r"needs pyarrow.*\.csv or \.npy"):
        open_table(tmp_path / "t.parquet")
