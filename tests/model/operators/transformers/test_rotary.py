"""RotaryEmbedding, ONNX's and com.microsoft's: against ONNX Runtime, as a rotation of the complex plane, gradients, refusals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from single_node import gradients_agree, outputs_of, written

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.transformers.rotary import rotate

BATCH, TOKENS, HEADS, SIZE = 2, 4, 3, 8
ANGLES = np.random.default_rng(0).random((20, SIZE // 2))
Inputs = dict[str, np.ndarray]


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng([1, *shape]).standard_normal(shape).astype(np.float32)


def tables(half: int = SIZE // 2) -> Inputs:
    return {"c": np.cos(ANGLES[:, :half]).astype(np.float32), "s": np.sin(ANGLES[:, :half]).astype(np.float32)}


FOUR, THREE = drawn(BATCH, HEADS, TOKENS, SIZE), drawn(BATCH, TOKENS, HEADS * SIZE)
PLACES = np.random.default_rng(2).integers(0, 20, (BATCH, TOKENS))
PARTIAL = "rotary_embedding_dim=4"
HEADED = f"num_heads={HEADS}"


@pytest.mark.parametrize("interleaved", ["interleaved=0", "interleaved=1"])
@pytest.mark.parametrize("partial", [False, True], ids=["whole", "partial"])
@pytest.mark.parametrize("x", [FOUR, THREE], ids=["4-D", "3-D"])
def test_values_are_those_of_onnx_runtime(
    x: np.ndarray, partial: bool, interleaved: str, compare: Callable[..., None]
) -> None:
    settings = ", ".join([interleaved, *([HEADED] if x.ndim == 3 else []), *([PARTIAL] if partial else [])])
    inputs = {"x": x, **tables(2 if partial else 4), "p": PLACES}
    compare(written(f"y = RotaryEmbedding<{settings}>(x, c, s, p)", inputs, 23), inputs)
    placed = {"x": x, "c": inputs["c"][PLACES], "s": inputs["s"][PLACES]}
    compare(written(f"y = RotaryEmbedding<{settings}>(x, c, s)", placed, 23), placed)


@pytest.mark.parametrize("places", [PLACES, np.array([3])], ids=["each", "first"])
@pytest.mark.parametrize("settings", ["", "interleaved=1", "scale=0.5", f"{HEADED}, {PARTIAL}"])
@pytest.mark.parametrize("x", [FOUR, THREE], ids=["4-D", "3-D"])
def test_microsoft_values_are_those_of_onnx_runtime(
    x: np.ndarray, settings: str, places: np.ndarray, compare: Callable[..., None]
) -> None:
    inputs = {"x": x, "p": places, **tables(2 if PARTIAL in settings else 4)}
    attributes = f"<{settings}>" if settings else ""
    compare(written(f"y = com.microsoft.RotaryEmbedding{attributes}(x, p, c, s)", inputs, 17), inputs)


@pytest.mark.parametrize("interleaved", [False, True])
def test_pairs_turn_in_the_complex_plane(interleaved: bool) -> None:
    x = torch.tensor(FOUR, dtype=torch.float64)
    angle = torch.tensor(ANGLES[:TOKENS])[None]
    turned = rotate(x, angle.cos(), angle.sin(), interleaved)

    def planes(y: torch.Tensor) -> torch.Tensor:
        first, second = (y[..., 0::2], y[..., 1::2]) if interleaved else y.chunk(2, -1)
        return torch.complex(first, second)

    torch.testing.assert_close(planes(turned), planes(x) * torch.polar(torch.ones_like(angle), angle)[:, None])


def test_gradients() -> None:
    inputs = {
        "x": FOUR[:1, :1, :2, :4],
        "c": tables()["c"][:2, :1],
        "s": tables()["s"][:2, :1],
        "p": np.array([[1, 0]]),
    }
    assert gradients_agree("y = RotaryEmbedding<rotary_embedding_dim=2>(x, c, s, p)", inputs, 23)


PLACED = {"c": tables()["c"][PLACES], "s": tables()["s"][PLACES]}
REFUSALS = [
    (
        "RotaryEmbedding(x, c, s)",
        {"x": THREE, **PLACED},
        "the input has 3 axes and num_heads is missing; give the attribute",
    ),
    ("RotaryEmbedding(x, c, s)", {"x": FOUR, **tables()}, "without position_ids it must be"),
    (
        f"RotaryEmbedding<{PARTIAL}>(x, c, s)",
        {"x": FOUR, **PLACED},
        "rotary_embedding_dim is 4, but the cosine cache rotates 8 features",
    ),
    (
        "RotaryEmbedding(x, c, s)",
        {"x": FOUR[..., :6], **PLACED},
        "the cosine cache rotates 8 features; a head has only 6",
    ),
    (
        "com.microsoft.RotaryEmbedding<is_packed_batching=1>(x, p, c, s)",
        {"x": FOUR, "p": PLACES, **tables()},
        "is_packed_batching is 1; only padded batches are supported",
    ),
]


@pytest.mark.parametrize(("text", "inputs", "sentence"), REFUSALS)
def test_refusals(text: str, inputs: Inputs, sentence: str) -> None:
    with pytest.raises(EvaluationError, match=sentence):
        outputs_of(f"y = {text}", inputs, 23)
