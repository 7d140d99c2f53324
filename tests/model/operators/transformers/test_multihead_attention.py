"""com.microsoft's Attention and MultiHeadAttention: against ONNX Runtime, packed forms against separate ones, gradients, refusals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from single_node import gradients_agree, outputs_of, written

from onnxviz.errors import EvaluationError

BATCH, TOKENS, KEYS, PAST, WIDTH, HEADS, SIZE, VALUE = 2, 4, 5, 2, 6, 2, 3, 4
HIDDEN = HEADS * SIZE
Inputs = dict[str, np.ndarray]


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def mask(*rows: object) -> np.ndarray:
    return np.array(rows, np.int32)


def random_mask(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 2, shape).astype(np.int32)


def call(operator: str, order: tuple[str, ...], inputs: Inputs, attributes: str, outputs: str) -> str:
    names = [name if name in inputs else "" for name in order]
    while not names[-1]:
        names.pop()
    attributes = ", ".join(filter(None, (f"num_heads={HEADS}", attributes)))
    return f"{outputs} = com.microsoft.{operator}<{attributes}>({', '.join(names)})"


def attention(inputs: Inputs, attributes: str = "", outputs: str = "y") -> str:
    return call("Attention", ("x", "w", "b", "m", "p", "a"), inputs, attributes, outputs)


def multi_head(inputs: Inputs, attributes: str = "", outputs: str = "y") -> str:
    return call("MultiHeadAttention", ("q", "k", "v", "b", "m", "a", "pk", "pv", "n"), inputs, attributes, outputs)


X = {"x": drawn(BATCH, TOKENS, WIDTH), "w": drawn(WIDTH, 3 * HIDDEN), "b": drawn(3 * HIDDEN)}
MASKS = {
    "none": {},
    "lengths": {"m": mask(3, 1)},
    "nothing left": {"m": mask(0, 2)},
    "ends and starts": {"m": mask(3, 4, 1, 2)},
    "keys": {"m": mask([1, 1, 0, 0], [0, 1, 1, 0])},
    "hidden keys": {"m": mask([0, 0, 0, 0], [0, 1, 1, 0])},
    "queries and keys": {"m": random_mask(BATCH, TOKENS, TOKENS)},
    "one column": {"m": mask([1], [1])},
}
ATTRIBUTES = ["", "unidirectional=1", "scale=0.3, mask_filter_value=-5.0"]


@pytest.mark.parametrize("attributes", ATTRIBUTES)
@pytest.mark.parametrize("given", MASKS.values(), ids=MASKS)
def test_attention_is_that_of_onnx_runtime(given: Inputs, attributes: str, compare: Callable[..., None]) -> None:
    inputs = {**X, **given}
    compare(written(attention(inputs, attributes), inputs, 17), inputs)


OTHER_INPUTS = [
    ({**X, "a": drawn(BATCH, HEADS, TOKENS, TOKENS)}, "", "y"),
    ({**X, "a": drawn(1, 1, TOKENS, TOKENS), "m": mask(3, 2)}, "unidirectional=1", "y"),
    ({name: X[name] for name in ("x", "w")}, "", "y, present"),
    ({**X, "p": drawn(2, BATCH, HEADS, PAST, SIZE)}, "", "y, present"),
    ({**X, "p": drawn(2, BATCH, HEADS, PAST, SIZE)}, "unidirectional=1", "y, present"),
    ({**X, "p": drawn(2, BATCH, HEADS, PAST, SIZE), "m": random_mask(BATCH, PAST + TOKENS)}, "", "y, present"),
    (
        {"x": X["x"], "w": drawn(WIDTH, 2 * HIDDEN + 8), "b": drawn(2 * HIDDEN + 8)},
        f"qkv_hidden_sizes=[{HIDDEN}, {HIDDEN}, 8]",
        "y",
    ),
]


@pytest.mark.parametrize(("inputs", "attributes", "outputs"), OTHER_INPUTS)
def test_other_inputs_of_attention_are_those_of_onnx_runtime(
    inputs: Inputs, attributes: str, outputs: str, compare: Callable[..., None]
) -> None:
    compare(written(attention(inputs, attributes, outputs), inputs, 17), inputs)


QKV = {
    "q": drawn(BATCH, TOKENS, HIDDEN),
    "k": drawn(BATCH, KEYS, HIDDEN, seed=1),
    "v": drawn(BATCH, KEYS, HEADS * VALUE, seed=2),
}
SELF = {
    "q": drawn(BATCH, TOKENS, HIDDEN),
    "k": drawn(BATCH, TOKENS, HIDDEN, seed=1),
    "v": drawn(BATCH, TOKENS, HIDDEN, seed=2),
}
BIAS = {"b": drawn(2 * HIDDEN + HEADS * VALUE)}
PASTS = {"pk": drawn(BATCH, HEADS, PAST, SIZE, seed=3), "pv": drawn(BATCH, HEADS, PAST, SIZE, seed=4)}
CROSS = {"q": QKV["q"], "k": drawn(BATCH, HEADS, KEYS, SIZE, seed=1), "v": drawn(BATCH, HEADS, KEYS, SIZE, seed=2)}
PRESENT = "y, present_k, present_v"

MULTI_HEAD = [
    (QKV, "", "y"),
    ({**QKV, **BIAS}, "scale=0.3", "y"),
    ({**QKV, **BIAS, "m": mask(3, 1)}, "", "y"),
    ({**QKV, "m": random_mask(BATCH, KEYS)}, "", "y"),
    ({**QKV, "m": random_mask(BATCH, TOKENS, KEYS)}, "mask_filter_value=-3.0", "y"),
    ({**QKV, "a": drawn(1, HEADS, TOKENS, KEYS)}, "", "y"),
    ({**QKV, **BIAS, "m": mask(3, 4), "a": drawn(BATCH, 1, TOKENS, KEYS)}, "unidirectional=1", "y"),
    (SELF, "unidirectional=1", PRESENT),
    ({**SELF, **PASTS}, "", PRESENT),
    ({**SELF, **PASTS, "b": drawn(3 * HIDDEN)}, "unidirectional=1", PRESENT),
    ({**SELF, **PASTS, "m": random_mask(BATCH, PAST + TOKENS)}, "unidirectional=1", PRESENT),
    (CROSS, "", "y"),
    ({**CROSS, "b": drawn(3 * HIDDEN)}, "", "y"),
]


@pytest.mark.parametrize(("inputs", "attributes", "outputs"), MULTI_HEAD)
def test_multi_head_attention_is_that_of_onnx_runtime(
    inputs: Inputs, attributes: str, outputs: str, compare: Callable[..., None]
) -> None:
    compare(written(multi_head(inputs, attributes, outputs), inputs, 17), inputs)


def test_the_scores_are_those_of_onnx_runtime(compare: Callable[..., None]) -> None:
    inputs = {**SELF, "m": mask(3, 1), "a": drawn(1, 1, TOKENS, TOKENS)}
    model = written(multi_head(inputs, "", f"{PRESENT}, scores"), inputs, 17)
    model.graph.output[3].CopyFrom(onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, None))
    compare(model, inputs)


@pytest.mark.parametrize("bias", [{}, {"b": drawn(3 * HIDDEN)}], ids=["no bias", "bias"])
def test_packed_inputs_are_separate_ones(bias: Inputs) -> None:
    (wanted,) = outputs_of(multi_head({**SELF, **bias}), {**SELF, **bias}, 17)
    heads = {name: a.reshape(BATCH, TOKENS, HEADS, SIZE) for name, a in SELF.items()}
    all_three = {"q": np.stack([heads["q"], heads["k"], heads["v"]], 3), **bias}
    torch.testing.assert_close(outputs_of(multi_head(all_three), all_three, 17)[0], wanted)
    two = {"q": SELF["q"], "k": np.stack([heads["k"], heads["v"]], 3), **bias}
    torch.testing.assert_close(outputs_of(multi_head(two), two, 17)[0], wanted)


@pytest.mark.parametrize("attributes", ["", "unidirectional=1"])
def test_gradients(attributes: str) -> None:
    inputs = {"x": drawn(1, 2, 2), "w": drawn(2, 3 * HEADS), "b": drawn(3 * HEADS), "m": mask(1)}
    assert gradients_agree(attention(inputs, attributes), inputs, 17)
    small = {name: a[:1, :2, :HEADS] for name, a in SELF.items()}
    assert gradients_agree(multi_head(small, attributes), small, 17)


REFUSALS = [
    (attention(X, "do_rotary=1"), X, "do_rotary is 1, which is not supported; export the rotation as RotaryEmbedding"),
    (
        attention(X, "past_present_share_buffer=1"),
        X,
        "Attention has past_present_share_buffer, a cache shared between steps",
    ),
    (
        multi_head({**SELF, "n": mask(1)}),
        {**SELF, "n": mask(1)},
        "MultiHeadAttention has past_sequence_length, a cache shared",
    ),
    (
        attention({**X, "m": mask(1, 2, 3)}),
        {**X, "m": mask(1, 2, 3)},
        r"a mask of shape \[3\] does not fit 2 samples of 4 queries and 4 keys",
    ),
    (multi_head({"q": SELF["q"]}), {"q": SELF["q"]}, "a query with 3 axes has no key or no value; give both"),
]


@pytest.mark.parametrize(("text", "inputs", "sentence"), REFUSALS)
def test_refusals(text: str, inputs: Inputs, sentence: str) -> None:
    with pytest.raises(EvaluationError, match=sentence):
        outputs_of(text, inputs, 17)
