"""GroupQueryAttention: against ONNX Runtime for prompts, steps and chunks, with rotary positions, windows, caps, biases and sinks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from single_node import gradients_agree, outputs_of, written

import onnxviz
from onnxviz.errors import AllocationError, EvaluationError

BATCH, HEADS, KEY_HEADS, SIZE = 2, 4, 2, 16
Inputs = dict[str, np.ndarray]
ORDER = ("q", "k", "v", "pk", "pv", "l", "t", "cos", "sin", "pos", "a", "sink", "ks", "vs", "qn", "kn", "n")


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def layer(
    tokens: int,
    total: int,
    past: int | None = None,
    *,
    lengths: Sequence[int] = (),
    rotary: bool = False,
    packed: bool = False,
) -> Inputs:
    """Return the inputs of a step: `tokens` queries at the end of `total` keys, `past` rows of cache."""
    batch = len(lengths) or BATCH
    inputs = {"q": drawn(batch, tokens, (HEADS + 2 * KEY_HEADS * packed) * SIZE)}
    if not packed:
        inputs["k"] = drawn(batch, tokens, KEY_HEADS * SIZE, seed=1)
        inputs["v"] = drawn(batch, tokens, KEY_HEADS * SIZE, seed=2)
    if past is not None:
        inputs["pk"] = drawn(batch, KEY_HEADS, past, SIZE, seed=3)
        inputs["pv"] = drawn(batch, KEY_HEADS, past, SIZE, seed=4)
    inputs["l"] = np.array(lengths or [total] * batch, np.int32) - 1
    inputs["t"] = np.array(total, np.int32)
    if rotary:
        angle = 3 * np.random.default_rng(5).random((32, SIZE // 2))
        inputs["cos"], inputs["sin"] = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    return inputs


def call(inputs: Inputs, attributes: str = "") -> str:
    names = [name if name in inputs else "" for name in ORDER]
    while not names[-1]:
        names.pop()
    rotary = "do_rotary=1" if "cos" in inputs else ""
    attributes = ", ".join(filter(None, (f"num_heads={HEADS}, kv_num_heads={KEY_HEADS}", rotary, attributes)))
    return f"y, present_k, present_v = com.microsoft.GroupQueryAttention<{attributes}>({', '.join(names)})"


SETTINGS = ["", "local_window_size=2", "softcap=3.0", "local_window_size=2, softcap=3.0"]
STEPS = {
    "prompt": {"tokens": 5, "total": 5},
    "prompt with an empty cache": {"tokens": 5, "total": 5, "past": 0},
    "step": {"tokens": 1, "total": 6, "past": 5},
    "chunk": {"tokens": 3, "total": 8, "past": 5, "lengths": (8,)},
}


@pytest.mark.parametrize(
    ("settings", "rotary", "packed"),
    [
        *((settings, False, False) for settings in SETTINGS),
        *((settings, True, False) for settings in ("", "rotary_interleaved=1", "local_window_size=2")),
        *((settings, True, True) for settings in ("", "rotary_interleaved=1")),
    ],
)
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_steps_are_those_of_onnx_runtime(
    step: dict[str, int], settings: str, rotary: bool, packed: bool, compare: Callable[..., None]
) -> None:
    inputs = layer(**step, rotary=rotary, packed=packed)
    compare(written(call(inputs, settings), inputs, 17), inputs)


# Rows beyond a sample's own tokens are undefined: only (valid queries, valid keys) of each sample are compared.
RAGGED = {
    "padded prompt": (layer(5, 5, lengths=(5, 3)), [(5, 5), (3, 3)], ""),
    "padded prompt, both ways": (layer(5, 5, lengths=(5, 3)), [(5, 5), (3, 3)], "causal=0"),
    "step in a longer cache": (layer(1, 6, 8, lengths=(6, 4), rotary=True), [(1, 6), (1, 4)], ""),
    "prompt in a longer cache": (layer(5, 5, 8, rotary=True), [(5, 5), (5, 5)], "local_window_size=2"),
    "chunk in a longer cache": (layer(3, 8, 12, lengths=(8,), rotary=True), [(3, 8)], ""),
    "padded chunks": (
        {**layer(4, 8, 8, lengths=(7, 5), rotary=True), "n": np.array([3, 2], np.int32)},
        [(3, 7), (2, 5)],
        "",
    ),
}


@pytest.mark.parametrize(("inputs", "valid", "attributes"), RAGGED.values(), ids=RAGGED)
def test_ragged_batches_are_those_of_onnx_runtime(
    inputs: Inputs, valid: list[tuple[int, int]], attributes: str
) -> None:
    model = onnxviz.load(written(call(inputs, attributes), inputs, 17))
    ours, theirs = model.network()(inputs), model.session()(inputs)
    for sample, (queries, keys) in enumerate(valid):
        for name in ("y", "present_k", "present_v"):
            rows = (sample, slice(queries)) if name == "y" else (sample, slice(None), slice(keys))
            np.testing.assert_allclose(ours[name][rows].numpy(), theirs[name][rows], rtol=1e-4, atol=1e-5, err_msg=name)
        assert not ours["y"][sample, queries:].any()
        assert not ours["present_k"][sample, :, keys:].any()


PROMPT, STEP = layer(5, 5), layer(1, 6, 5)
TURNED = layer(5, 5, rotary=True)
OTHERS = [
    ({**TURNED, "pos": np.array([[3, 1, 2, 0, 4], [4, 3, 5, 6, 1]])}, ""),
    ({**layer(1, 6, 5, rotary=True), "pos": np.array([[3], [4]])}, ""),
    ({**PROMPT, "a": drawn(BATCH, 1, 5, 5)}, ""),
    ({**STEP, "a": drawn(1, HEADS, 1, 6)}, "softcap=2.0"),
    ({**PROMPT, "sink": drawn(HEADS)}, ""),
    (PROMPT, "smooth_softmax=1"),
    (PROMPT, "scale=0.7"),
    (PROMPT, "causal=0"),
    (STEP, "causal=0"),
]


@pytest.mark.parametrize(("inputs", "attributes"), OTHERS)
def test_other_inputs_are_those_of_onnx_runtime(inputs: Inputs, attributes: str, compare: Callable[..., None]) -> None:
    compare(written(call(inputs, attributes), inputs, 17), inputs)


def test_normalized_heads_are_those_normalized_before() -> None:
    weights = {"qn": drawn(SIZE), "kn": drawn(SIZE, seed=1)}

    def normalized(x: np.ndarray, weight: np.ndarray, epsilon: float) -> np.ndarray:
        heads = x.reshape(*x.shape[:2], -1, SIZE)
        return (heads / np.sqrt((heads**2).mean(-1, keepdims=True) + epsilon) * weight).reshape(x.shape)

    before = {
        **TURNED,
        "q": normalized(TURNED["q"], weights["qn"], 0.5),
        "k": normalized(TURNED["k"], weights["kn"], 0.1),
    }
    inside = {**TURNED, **weights}
    ours = outputs_of(call(inside, "q_norm_epsilon=0.5, qk_norm_epsilon=0.1"), inside, 17)
    for one, other in zip(ours, outputs_of(call(before), before, 17), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_gradients() -> None:
    inputs = layer(1, 2, 1, lengths=(2,), rotary=True)
    # Heads of two features need few finite differences.
    small = {name: a[..., : a.shape[-1] // 8] if a.dtype.kind == "f" else a for name, a in inputs.items()}
    assert gradients_agree(call(small, "softcap=3.0"), small, 17)


REFUSALS = [
    (
        PROMPT,
        'k_quant_type="PER_TENSOR"',
        "GroupQueryAttention has k_quant_type; only a full cache in floating point is supported",
    ),
    ({**STEP, "ks": drawn(1)}, "", "GroupQueryAttention has k_scale"),
    (STEP, "sliding_window_cache=1, local_window_size=4", "GroupQueryAttention has sliding_window_cache"),
    (PROMPT, "qk_output=1", "GroupQueryAttention has qk_output"),
    (PROMPT, "do_rotary=1", "do_rotary is 1; give cos_cache and sin_cache"),
    ({name: a for name, a in PROMPT.items() if name != "t"}, "", "seqlens_k or total_sequence_length is missing"),
]


@pytest.mark.parametrize(("inputs", "attributes", "sentence"), REFUSALS)
def test_refusals(inputs: Inputs, attributes: str, sentence: str) -> None:
    with pytest.raises(EvaluationError, match=sentence):
        outputs_of(call(inputs, attributes), inputs, 17)


def test_uneven_heads_are_refused() -> None:
    text = call(PROMPT).replace("num_heads=4, kv_num_heads=2", "num_heads=3, kv_num_heads=2")
    with pytest.raises(
        EvaluationError, match="num_heads is 3, kv_num_heads 2; the first must be a multiple of the second"
    ):
        outputs_of(text, PROMPT, 17)


def test_an_absurd_length_is_refused_before_it_is_allocated() -> None:
    inputs = {**PROMPT, "t": np.array(2**31 - 1, np.int32)}
    with pytest.raises(AllocationError, match="GroupQueryAttention asks for a tensor of shape"):
        outputs_of(call(inputs), inputs, 17)
