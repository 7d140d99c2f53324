"""Texts in every verb: the ids, the mask, the types and the positions that a tokenizer gives, checked by ONNX Runtime fed by hand."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import tokenizers
from text_models import TEXT, WORDS, classifier, word_pieces

import onnxviz
from onnxviz.errors import DataError, UsageError
from onnxviz.model.expectations.token_inputs import token_inputs

TEXTS = ("the film was good", "a bad film", "not unwatchable", "bad")


@pytest.fixture
def beside(tmp_path):
    """A model with open length, and its vocabulary beside it."""
    path = classifier(tmp_path, inner=True)
    word_pieces(tmp_path)
    return path


@pytest.fixture
def by_hand(onnx_runtime):
    """Feed a text by hand, as the tokenizer encodes it, with padding up to a length."""

    def evaluate(path, text, output="logits", length=None):
        found = tokenizers.BertWordPieceTokenizer(str(path.parent / "vocab.txt"), lowercase=True).encode(text)
        if length is not None:
            found.pad(length, pad_id=0)
        ids = np.array([found.ids])
        fed = {
            "input_ids": ids,
            "attention_mask": np.array([found.attention_mask]),
            "segment_ids": np.array([found.type_ids]),
        }
        return onnx_runtime(path, output, {**fed, "position_ids": np.arange(ids.shape[1])[None]})[0]

    return evaluate


def test_structure_and_names_tell_what_each_input_holds(beside, tmp_path) -> None:
    found = token_inputs(onnxviz.load(beside))
    # The table of positions is longer than the vocabulary.
    assert found.ids == "input_ids"
    assert found.roles == {"attention_mask": "mask", "segment_ids": "types", "position_ids": "positions"}
    assert token_inputs(onnxviz.load(classifier(tmp_path / "plain", extras=False))).roles == {}


def test_activations_are_those_of_ids_fed_by_hand(beside, by_hand) -> None:
    seen = onnxviz.activations(beside, targets=["logits", "mixed"], text=TEXT)
    np.testing.assert_allclose(seen["logits"], by_hand(beside, TEXT), rtol=1e-5)
    np.testing.assert_allclose(seen["mixed"], by_hand(beside, TEXT, "mixed"), rtol=1e-4, atol=1e-5)
    row = seen.row()
    assert row["text"] == TEXT
    assert [TEXT[one["start"] : one["end"]] for one in row["tokens"]][1:4] == ["The", "film", "was"]
    assert row["tokens"][5]["token"] == "##watch"
    strongest = row["targets"][1]["strongest"][0]
    assert strongest["token"] == row["tokens"][strongest["position"][0]]["text"]
    assert seen.picture("mixed").shape[2] == 3


def test_padding_of_a_fixed_length_changes_nothing(tmp_path, by_hand) -> None:
    path = classifier(tmp_path, length=16)
    word_pieces(tmp_path)
    seen = onnxviz.activations(path, targets=["logits"], text=TEXT)
    np.testing.assert_allclose(seen["logits"], by_hand(path, TEXT, length=16), rtol=1e-5)
    assert seen.inputs["attention_mask"].tolist() == [1] * 12 + [0] * 4
    assert len(seen.row()["tokens"]) == 12
    cut = onnxviz.activations(path, targets=["logits"], text="film " * 40).row()
    assert [one["token"] for one in cut["tokens"]] == ["[CLS]", *["film"] * 14, "[SEP]"]


@pytest.mark.parametrize("length", ["time", 16])
def test_attribution_names_words_with_their_characters(tmp_path, by_hand, length) -> None:
    path = classifier(tmp_path, length=length)
    word_pieces(tmp_path)
    found = onnxviz.attribute(path, text=TEXT, targets="logits[1]", methods=["integrated-gradients"])
    assert found.ort_score == pytest.approx(
        float(by_hand(path, TEXT, length=length if length == 16 else None)[1]), rel=1e-5
    )
    row = found.row()
    (method,) = row["methods"]
    assert row["text"] == TEXT
    assert [one["text"] for one in method["words"]] == ["The", "film", "was", "unwatchable", ",", "not", "good", "."]
    pieces = [one["value"] for one in method["tokens"] if one["text"] in ("un", "watch", "able")]
    assert method["words"][3]["value"] == pytest.approx(sum(pieces))
    assert all(TEXT[one["start"] : one["end"]] in one["name"] for one in method["strongest"])
    assert method["completeness"]["gap"] < 0.02
    assert found.picture().ndim == 3


def test_lines_columns_and_lists_are_the_same_texts(beside, by_hand, tmp_path) -> None:
    (tmp_path / "texts.txt").write_text("\n\n".join(TEXTS), encoding="utf-8")
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("id", "review", "mood"), *((n, text, "ab"[n % 2]) for n, text in enumerate(TEXTS))]
        )
    wanted = [float(by_hand(beside, text)[0]) for text in TEXTS]
    for said in (
        {"data": tmp_path / "texts.txt"},
        {"data": tmp_path / "rows.csv", "label": "mood"},
        {"data": tmp_path / "rows.csv", "text_column": "review"},
        {"text": TEXTS},
    ):
        found = onnxviz.examples(beside, said.pop("data", None), "logits[0]", k=4, **said)
        assert [one["text"] for one in found.highest] == [TEXTS[place] for place in np.argsort(wanted)[::-1]]
        assert [one["score"] for one in found.highest] == pytest.approx(sorted(wanted, reverse=True), rel=1e-4)
    picked = onnxviz.activations(beside, f"{tmp_path / 'texts.txt'}#2", ["logits"])
    assert picked.row()["text"] == TEXTS[2]
    rows = tmp_path / "rows.csv"
    rows.write_text(rows.read_text().replace("review", "first").replace("mood", "second"))
    with pytest.raises(UsageError, match="columns first, second hold text; name one with `text_column`"):
        onnxviz.activations(beside, rows, ["logits"])


def test_examples_mark_the_token_of_the_maximum_and_write_texts(beside, by_hand, tmp_path) -> None:
    found = onnxviz.examples(beside, None, ["mixed[:, 3]"], text=TEXTS, at="max", k=2, output=tmp_path / "out")
    best = found[0].highest[0]
    values = by_hand(beside, best["text"], "mixed")[:, 3]
    tokens = onnxviz.activations(beside, text=best["text"], targets=["logits"]).row()["tokens"]
    assert best["token"] == tokens[int(values.argmax())]
    assert next(csv.DictReader((tmp_path / "out" / "examples.csv").read_text().splitlines()))["text"] == best["text"]
    assert found[0].picture().ndim == 3


def test_a_map_lists_the_texts(beside, by_hand) -> None:
    found = onnxviz.embed(beside, None, "pooled", text=TEXTS, method="pca")
    assert {one["text"] for one in found.row()["points"]} == {*TEXTS}
    for point, code in zip(found.row()["points"], found.codes, strict=True):
        np.testing.assert_allclose(code, by_hand(beside, point["text"], "pooled"), rtol=1e-4, atol=1e-5)


def test_a_search_starts_from_a_text_and_names_its_tokens(tmp_path, by_hand) -> None:
    path = classifier(tmp_path, length=16)
    word_pieces(tmp_path)
    row = onnxviz.maximize(path, "logits[0]", start="the film was bad", steps=2, restarts=1).row()
    assert row["initial_ort_score"] == pytest.approx(float(by_hand(path, "the film was bad", length=16)[0]), rel=1e-4)
    assert row["tokens"]["names"] == [WORDS[token] for token in row["tokens"]["ids"]]
    # The padding after the text stays.
    assert row["tokens"]["ids"][6:] == [0] * 10


def test_an_open_length_is_that_of_the_starting_text(beside, by_hand) -> None:
    row = onnxviz.maximize(beside, "logits[0]", start="a bad film", steps=1, restarts=1).row()
    assert len(row["tokens"]["ids"]) == 5
    assert row["initial_ort_score"] == pytest.approx(float(by_hand(beside, "a bad film")[0]), rel=1e-4)


def test_a_report_shows_words(beside, tmp_path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    asked = {
        "data": tmp_path / "texts.txt",
        "text": "not unwatchable",
        "patterns": ["logits"],
        "units": 1,
        "steps": 1,
        "budget": 0,
    }
    onnxviz.report(beside, tmp_path / "r", **asked)
    page = (tmp_path / "r" / "index.html").read_text(encoding="utf-8")
    assert "not unwatchable" in page
    assert "watch" in (tmp_path / "r" / "data" / "logits.js").read_text(encoding="utf-8")


def test_a_model_of_bytes_needs_no_tokenizer(tmp_path, onnx_runtime) -> None:
    path = classifier(tmp_path, rows=256, extras=False)
    seen = onnxviz.activations(path, targets=["logits"], text="né")
    ids = np.frombuffer("né".encode(), np.uint8).astype(np.int64)[None]
    np.testing.assert_allclose(seen["logits"], onnx_runtime(path, "logits", {"input_ids": ids})[0], rtol=1e-5)


def test_what_a_text_cannot_be_fed_to_is_a_sentence(tmp_path, written) -> None:
    path = classifier(tmp_path / "alone")
    with pytest.raises(UsageError, match=r"give `vocab` tokenizer\.json or vocab\.txt"):
        onnxviz.activations(path, text=TEXT)
    with pytest.raises(UsageError, match="no such file"):
        onnxviz.activations(path, text=TEXT, vocab="absent.txt")
    with pytest.raises(DataError, match="has the id 20, but the model's table has 16 rows"):
        onnxviz.activations(path, text="w20", vocab=[f"w{number}" for number in range(21)])
    with pytest.raises(UsageError, match="no sample is given"):
        onnxviz.activations(path)
    vector = written("m (float[N, 2] x) => (float[N, 2] y) { y = Relu(x) }")
    with pytest.raises(UsageError, match="no input takes tokens"):
        onnxviz.activations(vector, text=TEXT)
