"""Tables in Parquet files, with and without pyarrow."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from onnxviz.errors import DataError
from onnxviz.formats.parquet_tables import read_parquet


def test_without_pyarrow_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"pip install 'onnxviz\[parquet\]'"):
        read_parquet("a.parquet")


def test_numbers_are_read_and_text_is_left_out(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="without the parquet extra there is none to read")
    parquet = pytest.importorskip("pyarrow.parquet", reason="without the parquet extra there is none to read")
    columns = {"age": [3, 5], "name": ["a", "b"], "dose": [0.5, 2.5], "sick": [True, False]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    values, names, left_out = read_parquet(tmp_path / "t.parquet")
    np.testing.assert_array_equal(values, [[3, 0.5, 1], [5, 2.5, 0]])
    assert (names, left_out) == (("age", "dose", "sick"), ("name",))


def test_a_missing_cell_is_named(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="without the parquet extra there is none to read")
    parquet = pytest.importorskip("pyarrow.parquet", reason="without the parquet extra there is none to read")
    parquet.write_table(pyarrow.table({"age": [3, None]}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="'age' is missing or not finite in row 1"):
        read_parquet(tmp_path / "t.parquet")
    (tmp_path / "u.parquet").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_parquet(tmp_path / "u.parquet")
