"""Tokenizers: ids, spans and words are those of the package tokenizers, and of a plain split where no package is needed."""

from __future__ import annotations

import builtins

import pytest
import tokenizers
from text_models import TEXT, WORDS, word_pieces

from onnxviz.errors import DataError
from onnxviz.formats.tokenizers import ByteTokenizer, open_tokenizer


def byte_pairs(folder, **limit):
    made = tokenizers.ByteLevelBPETokenizer()
    made.train_from_iterator([TEXT, "le café était fermé"] * 3, vocab_size=300, special_tokens=["<s>", "</s>", "<pad>"])
    whole = tokenizers.Tokenizer.from_str(made.to_str())
    whole.enable_padding(length=64, pad_id=2, pad_token="<pad>")
    if limit:
        whole.enable_truncation(**limit)
    whole.save(str(folder / "tokenizer.json"))
    return whole


def test_a_tokenizer_file_gives_what_the_package_gives(tmp_path) -> None:
    own = byte_pairs(tmp_path)
    own.no_padding()
    found = open_tokenizer(tmp_path / "tokenizer.json")
    for text in (TEXT, "un café, né"):
        wanted = own.encode(text)
        encoded = found.encode(text)
        assert encoded.ids == tuple(wanted.ids)
        assert "".join(encoded.shown(place) for place in range(len(encoded))).replace(" ", "") == text.replace(" ", "")
    assert found.padding == 2
    assert len(found.vocabulary) == own.get_vocab_size()


def test_the_files_own_limit_and_the_inputs_both_cut(tmp_path) -> None:
    byte_pairs(tmp_path, max_length=5)
    found = open_tokenizer(tmp_path / "tokenizer.json")
    whole = found.encode(TEXT)
    assert [len(whole), len(found.encode(TEXT, 3)), len(found.encode(TEXT, 50)), len(found.encode(TEXT))] == [
        5,
        3,
        5,
        5,
    ]
    assert found.encode(TEXT, 3).ids == whole.ids[:3]


def test_word_pieces_are_those_of_the_packages_own_class(tmp_path) -> None:
    path = word_pieces(tmp_path)
    wanted = tokenizers.BertWordPieceTokenizer(str(path), lowercase=True).encode(TEXT)
    found = open_tokenizer(path).encode(TEXT)
    assert (list(found.ids), list(found.pieces), list(found.types)) == (wanted.ids, wanted.tokens, wanted.type_ids)
    assert [found.shown(place) for place in range(len(found))][3:8] == ["was", "un", "watch", "able", ","]
    assert found.spans[0] == found.spans[-1] == (0, 0)
    assert TEXT[slice(*found.spans[1])] == "The"
    assert found.words[4] == found.words[5] == found.words[6] != found.words[7]


def test_capitals_are_kept_where_the_vocabulary_has_them(tmp_path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("[UNK]\n[CLS]\n[SEP]\nThe\nfilm\n")
    assert open_tokenizer(path).encode("The Film").pieces == ("[CLS]", "The", "[UNK]", "[SEP]")
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    assert open_tokenizer(path).encode("THE film").pieces == ("[CLS]", "[UNK]", "film", "[SEP]")


def test_whole_words_need_no_package(tmp_path, monkeypatch) -> None:
    real = builtins.__import__
    monkeypatch.setattr(
        builtins,
        "__import__",
        lambda name, *rest: (_ for _ in ()).throw(ImportError(name)) if name == "tokenizers" else real(name, *rest),
    )
    (tmp_path / "words.txt").write_text("<pad>\n<unk>\nthe\nfilm\n,\n")
    found = open_tokenizer(tmp_path / "words.txt").encode("The film,  unseen")
    assert found.ids == (2, 3, 4, 1)
    assert [found.shown(place) for place in range(4)] == ["The", "film", ",", "unseen"]
    with pytest.raises(DataError, match=r"pip install 'onnxviz\[text\]'"):
        open_tokenizer(word_pieces(tmp_path))


def test_a_word_without_a_token_is_a_sentence() -> None:
    with pytest.raises(DataError, match=r"'film'.*no token for unknown words"):
        open_tokenizer(["the", "a"]).encode("the film")
    with pytest.raises(DataError, match="no token"):
        open_tokenizer(WORDS[:2]).encode("  ")


def test_bytes_belong_to_their_characters() -> None:
    found = ByteTokenizer(257).encode("né")
    assert found.ids == tuple("né".encode())
    assert [found.shown(place) for place in range(3)] == ["n", "é", "é"]
    assert ByteTokenizer(257).padding == 256


def test_padding_is_no_text() -> None:
    found = open_tokenizer(["<pad>", "a", "b"]).encode("a b").padded(5, 0, "<pad>")
    assert (found.ids, found.real) == ((1, 2, 0, 0, 0), 2)
    assert [row["text"] for row in found.rows()] == ["a", "b"]
