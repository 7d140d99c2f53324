"""Small models of tokens, and tokenizers for them, which tests of several folders share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WORDS = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "the",
    "film",
    "was",
    "good",
    "bad",
    "un",
    "##watch",
    "##able",
    ",",
    ".",
    "not",
    "a",
)
TEXT = "The film was unwatchable, not good."
"""Nine tokens of the vocabulary between [CLS] and [SEP]: one word is three pieces."""


def classifier(
    folder: Path,
    rows: int = len(WORDS),
    length: int | str = "time",
    extras: bool = True,
    inner: bool = False,
) -> Path:
    """Write and return a model: embedding, one head of attention under a mask, mean of the real tokens, two classes.

    Parameters
    ----------
    folder : Path
        Where model.onnx is written.
    rows : int
        The tokens of the embedding.
    length : int or str
        The length of the input: a number, or the name of an open size.
    extras : bool
        Whether there are inputs for the mask, the types and the positions beside the ids.
    inner : bool
        Whether the tensors mixed (a vector for each token) and pooled are outputs too.
    """
    random = np.random.default_rng(0)
    width = 8
    weights = {
        "words": random.normal(size=(rows, width)),
        "kinds": random.normal(size=(2, width)),
        "places": random.normal(size=(64, width)) / 4,
        "query": random.normal(size=(width, width)),
        "key": random.normal(size=(width, width)),
        "head": random.normal(size=(width, 2)),
        "one": np.ones(1),
        "low": np.full(1, -1e4),
    }
    axes = numpy_helper.from_array(np.array([1], np.int64), "at_one")
    last = numpy_helper.from_array(np.array([2], np.int64), "at_two")
    node = helper.make_node
    nodes = [node("Gather", ["words", "input_ids"], ["vectors"])]
    ids = ["input_ids"]
    hidden = "vectors"
    if extras:
        ids += ["attention_mask", "segment_ids", "position_ids"]
        nodes += [
            node("Gather", ["kinds", "segment_ids"], ["kind_vectors"]),
            node("Gather", ["places", "position_ids"], ["place_vectors"]),
            node("Add", ["vectors", "kind_vectors"], ["both"]),
            node("Add", ["both", "place_vectors"], ["hidden"]),
            node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        ]
        hidden = "hidden"
    nodes += [
        node("MatMul", [hidden, "query"], ["queries"]),
        node("MatMul", [hidden, "key"], ["keys"]),
        node("Transpose", ["keys"], ["turned"], perm=[0, 2, 1]),
        node("MatMul", ["queries", "turned"], ["scores"]),
    ]
    scores = "scores"
    if extras:
        nodes += [
            node("Sub", ["one", "mask"], ["absent"]),
            node("Mul", ["absent", "low"], ["penalty"]),
            node("Unsqueeze", ["penalty", "at_one"], ["penalties"]),
            node("Add", ["scores", "penalties"], ["masked"]),
        ]
        scores = "masked"
    nodes += [
        node("Softmax", [scores], ["attention"], axis=-1),
        node("MatMul", ["attention", hidden], ["mixed"]),
    ]
    if extras:
        nodes += [
            node("Unsqueeze", ["mask", "at_two"], ["wide"]),
            node("Mul", ["mixed", "wide"], ["kept"]),
            node("ReduceSum", ["kept", "at_one"], ["pooled"], keepdims=0),
        ]
    else:
        nodes += [node("ReduceSum", ["mixed", "at_one"], ["pooled"], keepdims=0)]
    nodes += [node("MatMul", ["pooled", "head"], ["logits"])]
    graph = helper.make_graph(
        nodes,
        "text",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", length]) for name in ids],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (
                ("logits", ["batch", 2]),
                ("mixed", ["batch", length, width]),
                ("pooled", ["batch", width]),
            )[: 3 if inner else 1]
        ],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()] + [axes, last],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def word_pieces(folder: Path) -> Path:
    """Write and return the vocab.txt of a BERT."""
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return folder / "vocab.txt"
