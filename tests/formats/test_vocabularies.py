"""Vocabularies in common file formats."""

from __future__ import annotations

import json

import pytest

from onnxviz.errors import DataError
from onnxviz.formats.vocabularies import read_vocabulary

TOKENS = ("[PAD]", "the", "##ing", "größe", "\u2028")


def test_lines_json_and_tokenizers_give_the_same_names(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    numbered = {token: number for number, token in enumerate(TOKENS)}
    documents = {
        "ids": numbered,
        "list": list(TOKENS),
        "tokenizer": {"version": "1.0", "model": {"type": "WordPiece", "vocab": numbered}},
        "unigram": {"model": {"vocab": [[token, -1.5] for token in TOKENS]}},
    }
    assert read_vocabulary(tmp_path / "vocab.txt") == TOKENS
    for name, document in documents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
        assert read_vocabulary(tmp_path / f"{name}.json") == TOKENS


def test_added_tokens_have_their_ids_and_gaps_no_name(tmp_path):
    document = {"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 3, "content": "<eos>"}]}
    (tmp_path / "t.json").write_text(json.dumps(document), encoding="utf-8")
    assert read_vocabulary(tmp_path / "t.json") == ("a", "", "", "<eos>")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", "holds no tokens"),
        ("a.json", '{"a": "b"}', "no whole number"),
        ("a.json", "3", "no list of tokens"),
        ("a.json", '{"a": 99999999999}', "which no vocabulary has"),
        ("a.json", '{"a": -1}', "which no vocabulary has"),
    ],
)
def test_what_is_no_vocabulary_is_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_vocabulary(tmp_path / name)
