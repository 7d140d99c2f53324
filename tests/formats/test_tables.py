"""Tables of numbers in text files."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onnxviz.errors import DataError
from onnxviz.formats.tables import read_numeric_columns, read_table

tables = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6),
    elements=st.floats(allow_nan=False, allow_infinity=False),
)


@pytest.fixture
def table(tmp_path):
    def write(text, name="table.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables, st.sampled_from([(".csv", ","), (".csv", ";"), (".csv", "\t"), (".tsv", "\t")]), st.data())
def test_what_csv_writes_is_read_back(tmp_path, values, kind, data):
    suffix, separator = kind
    cell = st.text(min_size=1).map(str.strip).filter(lambda text: text and "\0" not in text and not _is_number(text))
    names = data.draw(st.none() | st.lists(cell, min_size=values.shape[1], max_size=values.shape[1]))
    if names is not None and len(names) == 1 and separator == ",":
        names = ["only"]  # in a single column the separator is guessed from the name
    if names is not None and any(sign in "".join(names) for sign in ";,\t\r\n"):
        names = [f"n{number}" for number in range(len(names))]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerows(([names] if names is not None else []) + [list(map(repr, row)) for row in values.tolist()])
    path = tmp_path / f"table{suffix}"
    path.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
    back, back_names = read_table(path)
    np.testing.assert_array_equal(back, values)
    assert back_names == tuple(names or ())


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_spaces_empty_lines_and_marks_of_byte_order_do_not_matter(table):
    values, names = read_table(table("\ufeffage , dose\r\n\r\n 1 , 2e3 \r\n\r\n-3,.5\r\n"))
    np.testing.assert_array_equal(values, [[1, 2000], [-3, 0.5]])
    assert names == ("age", "dose")


def test_a_separator_inside_quotes_belongs_to_the_name(table):
    values, names = read_table(table('"dose, mg",age\n1,2\n'))
    np.testing.assert_array_equal(values, [[1, 2]])
    assert names == ("dose, mg", "age")


def test_a_column_without_a_name_gets_one(table):
    assert read_table(table(",a,b\n0,1,2\n"))[1] == ("column 1", "a", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,4\n5\n", "table.csv, line 3: has 1 columns where line 1 has 2"),
        ("a,b\n\n1,2,3\n", "table.csv, line 3: has 3 columns where line 1 has 2"),
        ("a,b\n1,x\n", "line 2, column 2 ('b'): 'x' is no number; remove the column or encode it as numbers"),
        ("5.1,setosa\n4.9,setosa\n", "line 1, column 2: 'setosa' is no number"),
        ("year,2019\n1,2\n", "line 1, column 1: 'year' is no number"),
        ("year,2019\n1,2\n", "(a first line of names must have no number in it)"),
        ("a,b\n1,\n", "line 2, column 2 ('b'): is empty; every cell must hold a number"),
        ("a,b\n1,nan\n", "line 2, column 2 ('b'): 'nan' is not finite; fill it in or leave the row out"),
        ("a\n-inf\n", "line 2, column 1 ('a'): '-inf' is not finite"),
        ("a\n1e999\n", "line 2, column 1 ('a'): '1e999' is not finite"),
        ("a;b\n1,5;2\n", "line 2, column 1 ('a'): '1,5' has a decimal comma; write a point"),
        ("a\n2020_01\n", "line 2, column 1 ('a'): '2020_01' is no number"),
        ("a,b\n1,\x1b[31m\n", "'\\x1b[31m' is no number"),
        ("a,b\n", "table.csv: has no row of numbers below its header"),
        ("\n\n", "table.csv: has no row of numbers"),
        ('a,b\n1,"2\n', "line 2: is no valid CSV: unexpected end of data"),
        ("a\n" + "1" * 200000 + "\n", "is no valid CSV: field larger than field limit"),
    ],
)
def test_a_message_tells_line_column_and_remedy(table, text, message):
    with pytest.raises(DataError) as caught:
        read_table(table(text))
    assert message in str(caught.value)


def test_a_message_never_repeats_a_whole_file(table):
    with pytest.raises(DataError) as caught:
        read_table(table("a\n" + "x" * 100000 + "\n"))
    assert len(str(caught.value)) < 400


def test_other_encodings_are_told(table):
    with pytest.raises(DataError, match=r"is no UTF-8 text \(byte 2\); save the table as CSV in UTF-8"):
        read_table(table("grö\n1\n", encoding="latin-1"))


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_table(tmp_path / "table.csv")


def test_columns_of_text_are_left_out_where_that_is_asked_for(tmp_path):
    (tmp_path / "t.csv").write_text("id,size,kind,age\na1,2.5,cat,3\nb2,1.5,dog,4\n", encoding="utf-8")
    values, names, left_out = read_numeric_columns(tmp_path / "t.csv")
    np.testing.assert_array_equal(values, [[2.5, 3], [1.5, 4]])
    assert (names, left_out) == (("size", "age"), ("id", "kind"))
    with pytest.raises(DataError, match="'a1' is no number"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("cell", ["", "1,5", "nan", "x"])
def test_a_cell_that_should_be_a_number_is_still_refused(tmp_path, cell):
    (tmp_path / "t.csv").write_text(f'a;b\n1;2\n3;"{cell}"\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 3, column 2"):
        read_numeric_columns(tmp_path / "t.csv")


def test_a_table_of_nothing_but_text_has_no_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\nx,y\n", encoding="utf-8")
    with pytest.raises(DataError, match="no row of numbers"):
        read_numeric_columns(tmp_path / "t.csv")
