"""TfIdfVectorizer: against ONNX Runtime over random pools, and by counting."""

from __future__ import annotations

import itertools
import random

import numpy as np
import onnx.helper as oh
import pytest
from onnx import ModelProto, TensorProto
from runtime_oracle import Compare
from single_node import outputs_of

from onnxviz.errors import AllocationError, EvaluationError

WORDS = 3


def vectorizer(shape: tuple[int, ...], kind: int = TensorProto.INT64, **attributes: object) -> ModelProto:
    node = oh.make_node("TfIdfVectorizer", ["x"], ["y"], **attributes)
    ends = [oh.make_tensor_value_info("x", kind, shape)], [oh.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    return oh.make_model(oh.make_graph([node], "g", *ends), opset_imports=[oh.make_opsetid("", 9)], ir_version=8)


@pytest.mark.parametrize("mode", ["TF", "IDF", "TFIDF"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("skips", [0, 1, 3])
@pytest.mark.parametrize("longest", [1, 2, 3])
def test_counts_are_those_of_onnx_runtime(
    longest: int, skips: int, weighted: bool, mode: str, compare: Compare
) -> None:
    chance = random.Random(longest * 10 + skips)
    pool: list[int] = []
    starts, grams = [], 0
    for length in range(1, longest + 1):
        starts.append(len(pool))
        known = chance.sample(list(itertools.product(range(WORDS), repeat=length)), chance.randint(1, WORDS))
        grams += len(known)
        pool += itertools.chain(*known)
    places = chance.sample(range(grams + 2), grams)
    attributes: dict[str, object] = {
        "max_gram_length": longest,
        "min_gram_length": chance.randint(1, longest),
        "max_skip_count": skips,
        "mode": mode,
        "ngram_counts": starts,
        "ngram_indexes": places,
        "pool_int64s": pool,
    }
    if weighted:
        attributes["weights"] = [chance.uniform(0.1, 2) for _ in places]
    for shape, kind in (((3, 8), np.int64), ((8,), np.int32), ((2, 1), np.int64)):
        x = np.random.default_rng(grams).integers(0, WORDS, shape).astype(kind)
        element = TensorProto.INT64 if kind is np.int64 else TensorProto.INT32
        compare(vectorizer(shape, element, **attributes), {"x": x})


COUNT = "y = TfIdfVectorizer<max_gram_length={}, min_gram_length=1, max_skip_count={}, {}>(x)"
ROW = {"x": np.array([[1, 2, 1, 2, 2]])}


def test_runs_are_counted_with_and_without_gaps() -> None:
    pairs = 'mode="TF", ngram_counts=[0, 1], ngram_indexes=[0, 1, 2], pool_int64s=[1, 1, 2, 2, 2]'
    assert outputs_of(COUNT.format(2, 0, pairs), ROW, 9)[0].tolist() == [[2, 2, 1]]
    # The pairs at a distance of two are (1, 1), (2, 2), (1, 2).
    assert outputs_of(COUNT.format(2, 1, pairs), ROW, 9)[0].tolist() == [[2, 3, 2]]


REFUSALS = [
    (
        'mode="TFI", ngram_counts=[0], ngram_indexes=[0], pool_int64s=[1]',
        "has the mode 'TFI'; TF, IDF and TFIDF are known",
    ),
    (
        'mode="TF", ngram_counts=[0], ngram_indexes=[0], pool_strings=["a"]',
        "has a pool of strings; only pools of whole numbers are supported",
    ),
    ('mode="TF", ngram_counts=[0], ngram_indexes=[0, 1], pool_int64s=[1]', "a pool of 1 n-grams, 2 places for them"),
    ('mode="TF", ngram_counts=[0, 1], ngram_indexes=[0, 1], pool_int64s=[1, 2]', "give starts of whole n-grams"),
    ('mode="TF", ngram_counts=[0, 9], ngram_indexes=[0], pool_int64s=[1]', "give starts of whole n-grams"),
]


@pytest.mark.parametrize(("attributes", "sentence"), REFUSALS)
def test_refusals(attributes: str, sentence: str) -> None:
    with pytest.raises(EvaluationError, match=sentence):
        outputs_of(COUNT.format(2, 0, attributes), ROW, 9)


def test_an_absurd_place_is_refused() -> None:
    with pytest.raises(AllocationError, match="TfIdfVectorizer asks for a tensor of shape"):
        outputs_of(
            COUNT.format(1, 0, f'mode="TF", ngram_counts=[0], ngram_indexes=[{1 << 40}], pool_int64s=[1]'), ROW, 9
        )
