"""Names of classes: every form of a file gives the same names in the order of the scores."""

from __future__ import annotations

import json

import pytest

from onnxviz.errors import DataError
from onnxviz.formats.class_lists import numbered_names, read_class_names

NAMES = ("cat", "dog, tame", "cow")
FORMS = {
    "lines.txt": "cat\ndog, tame\ncow\n\n",
    "windows.txt": "\ufeffcat\r\ndog, tame\r\ncow",
    "list.json": json.dumps(NAMES),
    "numbers.json": json.dumps({"2": "cow", "0": "cat", "1": "dog, tame"}),
    "names.json": json.dumps({"cow": 2, "cat": 0, "dog, tame": 1}),
    "codes.json": json.dumps({"0": ["n1", "cat"], "1": ["n2", "dog, tame"], "2": ["n3", "cow"]}),
    "config.json": json.dumps({"model_type": "bert", "id2label": {"0": "cat", "1": "dog, tame", "2": "cow"}}),
    "column.csv": 'name\ncat\n"dog, tame"\ncow\n',
    "bare.csv": 'cat\n"dog, tame"\ncow\n',
    "map.csv": 'index,mid,display_name\n2,/m/3,cow\n0,/m/1,cat\n1,/m/2,"dog, tame"\n',
    "tabs.tsv": "0\tcat\n1\tdog, tame\n2\tcow\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_holds_the_same_names(tmp_path, name) -> None:
    (tmp_path / name).write_text(FORMS[name], encoding="utf-8")
    assert read_class_names(tmp_path / name) == NAMES


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "\n\n", "holds no names"),
        ("a.json", '{"0": "cat", "2": "dog"}', "0 to 1"),
        ("a.json", '{"model": "x"}', "no names of classes"),
        ("a.json", "[[[1]]]", "no name of a class"),
        ("a.csv", "index,name\n0,cat\n0,dog\n", "the same number"),
        ("a.csv", "index,name\n1,cat\n2,dog\n", "0 to 1"),
        ("a.csv", "index,name\nx,cat\n", "whole numbers"),
    ],
)
def test_what_holds_no_names_is_refused(tmp_path, name, text, message) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_class_names(tmp_path / name)


def test_numbers_may_be_numbers() -> None:
    assert numbered_names({1: "dog", 0: "cat"}, "x") == ("cat", "dog")
