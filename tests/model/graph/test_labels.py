"""Names of classes and features in the metadata, in the forms that exporters write."""

from __future__ import annotations

import pytest
from onnx import ModelProto

from onnxviz.model.graph.labels import class_names, feature_names, metadata, parse_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('["cat", "dog"]', ("cat", "dog")),
        ("['cat', 'dog']", ("cat", "dog")),
        ("{0: 'cat', 1: 'dog'}", ("cat", "dog")),
        ('{"1": "dog", "0": "cat"}', ("cat", "dog")),
        ('{"10": "k", "9": "j"}', ("j", "k")),
        ("cat, dog", ("cat", "dog")),
        ("cat\ndog\n", ("cat", "dog")),
        ("sea lion, brown\ndog", ("sea lion, brown", "dog")),
        ("cat", ()),
        ("", ()),
        ("[1, 2", ()),
        ('{"cat": 0}', ()),
        ("{[]: 1}", ()),
        ("{1}", ()),
        ("[" * 5000, ()),
        ("__import__('os')", ()),
    ],
)
def test_names_are_read_in_every_form(text: str, names: tuple[str, ...]) -> None:
    assert parse_names(text) == names


def test_the_first_key_that_holds_names_counts() -> None:
    proto = ModelProto()
    for key, value in (("Names", "a,b"), ("labels", "broken"), ("Feature_Names", '["f", "g"]'), ("author", "x,y")):
        proto.metadata_props.add(key=key, value=value)
    assert class_names(proto) == ("a", "b")
    assert feature_names(proto) == ("f", "g")
    assert metadata(proto)["author"] == "x,y"
    assert class_names(ModelProto()) == ()
