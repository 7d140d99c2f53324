"""JSON: written strictly, read with checks."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxviz.errors import DataError
from onnxviz.formats.json_documents import json_text, plain, read_json, read_numbers

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def refuse(constant):
    raise AssertionError(f"{constant} is no strict JSON")


def finite(value):
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [finite(item) for item in value]
    return {key: finite(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(documents)
def test_what_is_written_is_strict_and_read_back(document):
    text = json_text(document)
    assert text.isascii()
    assert json.loads(text, parse_constant=refuse) == finite(document)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.float64("nan"), None),
        (np.array([[1, 2], [3, 4]], np.uint8), [[1, 2], [3, 4]]),
        (np.array([1.0, np.inf]), [1.0, None]),
        (np.array(2.0), 2.0),
        ((1, "a", None), [1, "a", None]),
        (Path("a") / "b", str(Path("a") / "b")),
        ({1: "one"}, {"1": "one"}),
    ],
)
def test_values_of_numpy_and_others_become_plain(value, expected):
    result = plain(value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", [1, [2j]], {"a": np.array([1j])}])
def test_what_json_has_no_word_for_is_refused(value):
    with pytest.raises(DataError, match="cannot be written as JSON"):
        plain(value)


@pytest.fixture
def document(tmp_path):
    def write(text):
        path = tmp_path / "numbers.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("text", "values", "names"),
    [
        ("3", 3, ()),
        ("[1, 2.5, -3e2]", [1, 2.5, -300], ()),
        ("[[1, 2], [3, 4], [5, 6]]", [[1, 2], [3, 4], [5, 6]], ()),
        ('{"age": 61, "dose": 2.5}', [[61, 2.5]], ("age", "dose")),
        ('[{"a": 1, "b": 2}, {"b": 4, "a": 3}]', [[1, 2], [3, 4]], ("a", "b")),
        ("[]", np.zeros(0), ()),
        ("[[], []]", np.zeros((2, 0)), ()),
    ],
)
def test_numbers_are_read_in_the_shape_of_their_lists(document, text, values, names):
    array, found = read_numbers(document(text))
    np.testing.assert_array_equal(array, values)
    assert array.shape == np.shape(values)
    assert found == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2", "line 1, column 6: is no valid JSON"),
        ("", "line 1, column 1: is no valid JSON"),
        ("[1, NaN]", "NaN is not finite, and strict JSON does not have it; write a number"),
        ("[-Infinity]", "-Infinity is not finite"),
        ("[1e999]", "numbers.json[0]: is not finite as a 64-bit number"),
        ("1" + "0" * 400, "is not finite as a 64-bit number"),
        ("1" * 5000, "is no valid JSON"),
        ("[" * 100000, "nested too deeply"),
        ("[[1, 2], [3]]", "numbers.json[1]: is a list of 1 where the first of its kind is a list of 2"),
        ("[[1, 2], 3]", "numbers.json[1]: is no list where the first of its kind is a list of 2"),
        ("[1, [2]]", "numbers.json[1]: '[2]' is no number"),
        ("[1, true]", "numbers.json[1]: 'true' is no number"),
        ("[1, null]", "numbers.json[1]: 'null' is no number"),
        ('["1"]', "numbers.json[0]: '\"1\"' is no number"),
        ('[{"a": 1}, {"b": 1}]', "row 1: has other columns than row 0"),
        ('[{"a": 1}, 2]', "row 1: has other columns than row 0"),
        ('{"a": [1]}', "row 0, 'a': '[1]' is no number"),
        (b"\xff\xfe[", "is no UTF-8 text"),
    ],
)
def test_a_message_tells_the_place(document, text, message):
    with pytest.raises(DataError) as caught:
        read_numbers(document(text))
    assert message in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_json(tmp_path / "none.json")
