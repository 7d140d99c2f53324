"""Attention and FlexAttention: against ONNX Runtime, identities between caches, masks and windows, gradients and refusals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from single_node import gradients_agree, outputs_of, written

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.transformers.attention import flex_attention

BATCH, HEADS, KEY_HEADS, TOKENS, SIZE = 2, 4, 2, 3, 8
Inputs = dict[str, np.ndarray]


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def four(keys: int = TOKENS, key_heads: int = HEADS) -> Inputs:
    """Return query, key and value with an axis of heads."""
    return {
        "q": drawn(BATCH, HEADS, TOKENS, SIZE),
        "k": drawn(BATCH, key_heads, keys, SIZE, seed=1),
        "v": drawn(BATCH, key_heads, keys, SIZE, seed=2),
    }


def call(inputs: Inputs, attributes: str = "", outputs: str = "y") -> str:
    names = [name if name in inputs else "" for name in ("q", "k", "v", "m", "pk", "pv", "n")]
    while not names[-1]:
        names.pop()
    return f"{outputs} = Attention{f'<{attributes}>' if attributes else ''}({', '.join(names)})"


def past(length: int, key_heads: int = HEADS) -> Inputs:
    return {"pk": drawn(BATCH, key_heads, length, SIZE, seed=3), "pv": drawn(BATCH, key_heads, length, SIZE, seed=4)}


THREE = {
    "q": drawn(BATCH, TOKENS, HEADS * SIZE),
    "k": drawn(BATCH, 5, KEY_HEADS * SIZE, seed=1),
    "v": drawn(BATCH, 5, KEY_HEADS * SIZE, seed=2),
}
THREE_HEADS = f"q_num_heads={HEADS}, kv_num_heads={KEY_HEADS}"
SEEN = np.random.default_rng(7).random((TOKENS, 5)) < 0.7
SEEN[:, 0] = True

CASES = [
    (four(), ""),
    (four(5), ""),
    (four(5), "scale=0.2"),
    (four(5), "softcap=0.5"),
    (four(), "is_causal=1"),
    (four(), "is_causal=1, softcap=0.5"),
    (four(5, KEY_HEADS), ""),
    (four(5, 1), "softcap=0.5"),
    (THREE, THREE_HEADS),
    (THREE, f"{THREE_HEADS}, softcap=0.5, scale=0.2"),
    ({**four(5), "m": SEEN}, ""),
    ({**four(5), "m": drawn(TOKENS, 5)}, ""),
    ({**four(5), "m": drawn(BATCH, 1, TOKENS, 5)}, "softcap=0.5"),
    ({**four(5), "m": drawn(BATCH, HEADS, TOKENS, 5)}, ""),
    ({**THREE, "m": SEEN}, THREE_HEADS),
    ({**four(), "m": drawn(TOKENS, TOKENS)}, "is_causal=1"),
    ({**four(), **past(2)}, ""),
    ({**four(key_heads=KEY_HEADS), **past(2, KEY_HEADS)}, "is_causal=1"),
    ({**four(), **past(2), "m": drawn(TOKENS, 5)}, "softcap=0.5"),
    ({**four(), **past(2), "m": SEEN}, "is_causal=1"),
]


@pytest.mark.parametrize(("inputs", "attributes"), CASES)
def test_values_are_those_of_onnx_runtime(inputs: Inputs, attributes: str, compare: Callable[..., None]) -> None:
    outputs = "y, present_k, present_v" if "pk" in inputs else "y"
    compare(written(call(inputs, attributes, outputs), inputs, 23), inputs)


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_the_stages_are_those_of_onnx_runtime(mode: int, compare: Callable[..., None]) -> None:
    inputs = {**four(), **past(2), "m": drawn(TOKENS, 5)}
    compare(written(call(inputs, f"qk_matmul_output_mode={mode}", "y, pk1, pv1, s"), inputs, 23), inputs)


def test_the_output_is_the_same_with_and_without_its_stages() -> None:
    for inputs, attributes in CASES:
        y, *_, shares = outputs_of(
            call(inputs, ", ".join(filter(None, (attributes, "qk_matmul_output_mode=3"))), "y, a, b, s"), inputs, 23
        )
        torch.testing.assert_close(y, outputs_of(call(inputs, attributes), inputs, 23)[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(shares.sum(-1), torch.ones(shares.shape[:-1]))


def test_a_cache_outside_is_a_mask_of_its_filled_part() -> None:
    inputs = four(5)
    filled = np.array([5, 3], np.int64)
    seen = np.arange(5) < filled[:, None, None, None]
    (outside,) = outputs_of(call({**inputs, "n": filled}), {**inputs, "n": filled}, 24)
    (masked,) = outputs_of(call({**inputs, "m": seen}), {**inputs, "m": seen}, 24)
    torch.testing.assert_close(outside, masked)
    frontier = np.arange(5) <= np.arange(TOKENS)[:, None] + (filled - TOKENS)[:, None, None, None]
    (causal,) = outputs_of(call({**inputs, "n": filled}, "is_causal=1"), {**inputs, "n": filled}, 24)
    (masked,) = outputs_of(call({**inputs, "m": frontier}), {**inputs, "m": frontier}, 24)
    torch.testing.assert_close(causal, masked)


def test_steps_with_a_cache_are_the_sequence_at_once() -> None:
    inputs = four()
    (whole,) = outputs_of(call(inputs, "is_causal=1"), inputs, 23)
    cache = past(0)
    for step in range(TOKENS):
        one = {**{name: a[:, :, step : step + 1].copy() for name, a in inputs.items()}, **cache}
        y, pk, pv = outputs_of(call(one, "is_causal=1", "y, pk1, pv1"), one, 23)
        torch.testing.assert_close(y[:, :, 0], whole[:, :, step], rtol=1e-4, atol=1e-5)
        cache = {"pk": pk.numpy(), "pv": pv.numpy()}


@pytest.mark.parametrize(("left", "right"), [(1, -1), (-1, 0), (1, 1), (0, 0)])
@pytest.mark.parametrize("length", [0, 2])
def test_windows_are_masks(left: int, right: int, length: int) -> None:
    inputs = {**four(), **(past(length) if length else {})}
    distance = np.arange(TOKENS + length) - (np.arange(TOKENS)[:, None] + length)
    seen = (distance >= (-left if left >= 0 else -99)) & (distance <= (right if right >= 0 else 99))
    windows = f"left_window_size={left}, right_window_size={right}"
    (windowed,) = outputs_of(call(inputs, windows), inputs, 25)
    (masked,) = outputs_of(call({**inputs, "m": seen}), {**inputs, "m": seen}, 25)
    torch.testing.assert_close(windowed, masked)


def test_a_short_mask_hides_the_rest() -> None:
    inputs = {**four(5), "m": np.ones((TOKENS, 3), bool)}
    (short,) = outputs_of(call(inputs), inputs, 24)
    fewer = {"q": inputs["q"], "k": inputs["k"][:, :, :3], "v": inputs["v"][:, :, :3]}
    torch.testing.assert_close(short, outputs_of(call(fewer), fewer, 24)[0])
    added = {**inputs, "m": np.zeros((TOKENS, 3), np.float32)}
    torch.testing.assert_close(short, outputs_of(call(added), added, 24)[0])


def test_a_query_that_sees_nothing_gets_zeros() -> None:
    seen = SEEN.copy()
    seen[1] = False
    inputs = {**four(5), "m": seen}
    y, _, _, shares = outputs_of(call(inputs, "qk_matmul_output_mode=3", "y, a, b, s"), inputs, 23)
    assert not y[:, :, 1].any()
    assert not shares[:, :, 1].any()
    assert y[:, :, 0].any()


def test_softmax_in_double_changes_little() -> None:
    inputs = four(5)
    single, double = (
        outputs_of(call(inputs, f"qk_matmul_output_mode=3, softmax_precision={kind}", "y, a, b, s"), inputs, 23)[3]
        for kind in (1, 11)
    )
    assert double.dtype == torch.float32
    torch.testing.assert_close(single, double)


@pytest.mark.parametrize("attributes", ["", "softcap=0.5", "is_causal=1"])
def test_gradients(attributes: str) -> None:
    small = {name: a[:1, :2, :2, :2] for name, a in {**four(), **past(2)}.items()}
    assert gradients_agree(call(small, attributes), small, 23)


REFUSALS = [
    ({**four(), "pk": drawn(BATCH, HEADS, 2, SIZE)}, "", "one of past_key and past_value is given; give both or none"),
    (
        {**four(), **past(2), "n": np.array([3, 3], np.int64)},
        "",
        "give only one of them, for a cache outside or inside the operator",
    ),
    (four(key_heads=3), "", "there are 4 query heads and 3 key heads; the first must be a multiple of the second"),
    (THREE, "", "q_num_heads or kv_num_heads is missing; give both attributes"),
]


@pytest.mark.parametrize(("inputs", "attributes", "sentence"), REFUSALS)
def test_refusals(inputs: Inputs, attributes: str, sentence: str) -> None:
    with pytest.raises(EvaluationError, match=sentence):
        outputs_of(call(inputs, attributes), inputs, 24)


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(EvaluationError, match="qk_matmul_output_mode is 4; it must be 0, 1, 2 or 3"):
        outputs_of(call(four(), "qk_matmul_output_mode=4", "y, a, b, s"), four(), 23)


class Doubling:
    """A modifier's graph: it doubles what it is given."""

    input_names = ("scores",)
    output_names = ("doubled",)

    def __call__(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (2 * inputs[0],)


def test_modifiers_act_on_scores_and_on_weights() -> None:
    q, k, v = (torch.tensor(a) for a in four(5, KEY_HEADS).values())
    plain = flex_attention(q, k, v, scale=0.4)
    torch.testing.assert_close(flex_attention(q, k, v, scale=0.2, score_mod=Doubling()), plain, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(flex_attention(q, k, v, scale=0.4, prob_mod=Doubling()), 2 * plain, rtol=1e-4, atol=1e-5)
    double = flex_attention(q, k, v, scale=0.2, score_mod=Doubling(), softmax_precision=11)
    assert double.dtype == torch.float32
    torch.testing.assert_close(double, plain, rtol=1e-4, atol=1e-5)
