"""Scores on disk: they come back in natural order, also after an interruption and after replacements."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.errors import DataError
from onnxviz.formats.score_store import ScoreStore

WIDE = 150  # more columns than one block holds


def filled(path, names, seed=0, stamp="1"):
    random = np.random.default_rng(seed)
    scores = random.standard_normal((len(names), WIDE)).astype(np.float32)
    places = random.integers(0, 1 << 40, (len(names), WIDE), dtype=np.uint64)
    store = ScoreStore(path)
    for start in range(0, len(names), 3):
        part = slice(start, start + 3)
        own = names[part]
        store.add(own, [stamp] * len(own), [name.upper() for name in own], scores[part], places[part])
    return store, scores, places


def whole(store):
    parts = list(store.columns())
    assert [first for first, _, _ in parts] == [64 * number for number in range(len(parts))]
    return np.concatenate([scores for _, scores, _ in parts], 1), np.concatenate([places for _, _, places in parts], 1)


def test_what_was_added_comes_back_in_natural_order(tmp_path) -> None:
    names = ["a10", "a2", "b1", "a1", "c"]
    store, scores, places = filled(tmp_path / "s.sqlite", names)
    store.close()
    again = ScoreStore(tmp_path / "s.sqlite")
    order = [3, 1, 0, 2, 4]
    assert again.samples() == (tuple(names[place] for place in order), tuple(names[place].upper() for place in order))
    found, where = whole(again)
    np.testing.assert_array_equal(found, scores[order])
    np.testing.assert_array_equal(where, places[order])
    again.close()


def test_known_samples_are_those_with_the_same_stamp(tmp_path) -> None:
    store, _, _ = filled(tmp_path / "s.sqlite", ["a", "b"])
    store.close()
    again = ScoreStore(tmp_path / "s.sqlite")
    assert again.known("a", "1")
    assert not again.known("b", "2")
    assert not again.known("c", "1")
    assert again.seen == {"a"}
    again.close()


def test_a_changed_sample_is_replaced_and_a_lost_one_forgotten(tmp_path) -> None:
    store, scores, _ = filled(tmp_path / "s.sqlite", ["a", "b", "c", "d"])
    fresh = np.full((1, WIDE), 7, np.float32)
    store.add(["b"], ["2"], [""], fresh, np.zeros((1, WIDE), np.uint64))
    store.keep_only({"a", "b", "d"})
    assert store.samples()[0] == ("a", "b", "d")
    np.testing.assert_array_equal(whole(store)[0], np.stack([scores[0], fresh[0], scores[3]]))
    store.close()


def test_a_file_that_is_no_store_is_refused(tmp_path) -> None:
    (tmp_path / "s.sqlite").write_bytes(b"something else entirely" * 100)
    with pytest.raises(DataError, match="damaged"):
        ScoreStore(tmp_path / "s.sqlite")
