"""EmbedLayerNormalization: against ONNX Runtime, the gradient that reaches its tables, and its refusal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from single_node import gradients_agree, written

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.transformers.embed_layer_normalization import embed_layer_normalization

WORDS, TOKENS, WIDTH = 10, 4, 6
ORDER = ("i", "s", "w", "p", "st", "g", "b", "m", "pi")
Inputs = dict[str, np.ndarray]


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng([1, *shape]).standard_normal(shape).astype(np.float32)


PLAIN = {
    "i": np.array([[1, 2, 3, 4], [9, 0, 2, 2]], np.int32),
    "w": drawn(WORDS, WIDTH),
    "p": drawn(TOKENS, WIDTH),
    "g": drawn(WIDTH),
    "b": drawn(WIDTH),
}
SEGMENTED = {**PLAIN, "s": np.array([[0, 0, 1, 1], [0, 1, 1, 1]], np.int32), "st": drawn(2, WIDTH)}


def model(inputs: Inputs, attributes: str = "") -> onnx.ModelProto:
    names = [name if name in inputs else "" for name in ORDER]
    while not names[-1]:
        names.pop()
    text = f"y, n, e = com.microsoft.EmbedLayerNormalization{attributes}({', '.join(names)})"
    made = written(text, inputs, 17)
    made.graph.output[2].CopyFrom(onnx.helper.make_tensor_value_info("e", onnx.TensorProto.FLOAT, None))
    return made


@pytest.mark.parametrize("attributes", ["", "<epsilon=0.1>"])
@pytest.mark.parametrize(
    "inputs",
    [
        PLAIN,
        SEGMENTED,
        {**SEGMENTED, "m": np.array([[1, 1, 0, 1], [2, 1, 0, 0]], np.int32)},
        {**PLAIN, "pi": np.array([[3, 2, 1, 0]], np.int32)},
        {**SEGMENTED, "pi": np.array([[3, 2, 1, 0], [0, 0, 1, 1]], np.int32)},
    ],
    ids=["plain", "segments", "mask", "shared positions", "positions"],
)
def test_values_are_those_of_onnx_runtime(inputs: Inputs, attributes: str, compare: Callable[..., None]) -> None:
    compare(model(inputs, attributes), inputs)


def test_the_gradient_reaches_the_tables() -> None:
    text = "y, n = com.microsoft.EmbedLayerNormalization(i, s, w, p, st, g, b)"
    small = {name: a[..., :3] if a.dtype.kind == "f" else a for name, a in SEGMENTED.items()}
    assert gradients_agree(text, small, 17)


def test_a_missing_table_is_refused() -> None:
    with pytest.raises(EvaluationError, match="an input is missing; the operator needs word and position embeddings"):
        embed_layer_normalization(torch.zeros(1, 1, dtype=torch.int32))
