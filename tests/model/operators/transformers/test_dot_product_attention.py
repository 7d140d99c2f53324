"""The arithmetic of attention: against its definition in numpy, masked queries, sinks and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onnxviz.model.operators.transformers.dot_product_attention import attend, join_heads, split_heads, visible_keys

BATCH, HEADS, QUERIES, KEYS, SIZE, VALUE = 2, 4, 3, 5, 6, 7


def drawn(key_heads: int = HEADS, keys: int = KEYS, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(BATCH, HEADS, QUERIES, SIZE), (BATCH, key_heads, keys, SIZE), (BATCH, key_heads, keys, VALUE)]
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


def by_definition(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    bias: np.ndarray,
    softcap: float = 0.0,
    sink: np.ndarray | None = None,
) -> np.ndarray:
    """Return attention with an additive bias, head by head, in float64; zeros for a query that sees nothing."""
    output = np.zeros((BATCH, HEADS, QUERIES, VALUE))
    groups = HEADS // k.shape[1]
    bias = np.broadcast_to(bias, (BATCH, HEADS, QUERIES, k.shape[2]))
    for b, h, i in np.ndindex(BATCH, HEADS, QUERIES):
        scores = 0.3 * (k[b, h // groups].double().numpy() @ q[b, h, i].double().numpy())
        scores = (softcap * np.tanh(scores / softcap) if softcap else scores) + bias[b, h, i]
        shares = np.exp(scores)
        total = shares.sum() + (0.0 if sink is None else np.exp(sink[h]))
        if total > 0:
            output[b, h, i] = shares / total @ v[b, h // groups].double().numpy()
    return output


def hidden(visible: np.ndarray) -> np.ndarray:
    return np.where(visible, 0.0, -np.inf)


CAUSAL = np.tri(QUERIES, KEYS, dtype=bool)
RANDOM = np.random.default_rng(1).random((BATCH, 1, QUERIES, KEYS)) < 0.6
BLIND = RANDOM.copy()
BLIND[0, 0, 1] = False


@pytest.mark.parametrize("softcap", [0.0, 0.7])
@pytest.mark.parametrize("key_heads", [1, 2, HEADS])
@pytest.mark.parametrize("mask", [None, CAUSAL, RANDOM, BLIND], ids=["none", "causal", "some", "blind"])
@pytest.mark.parametrize("kind", ["boolean", "float"])
def test_it_is_the_definition(kind: str, mask: np.ndarray | None, key_heads: int, softcap: float) -> None:
    q, k, v = drawn(key_heads)
    bias = np.zeros(()) if mask is None else hidden(mask)
    given = None if mask is None else torch.tensor(mask if kind == "boolean" else bias.astype(np.float32))
    ours = attend(q, k, v, 0.3, mask=given, softcap=softcap)
    np.testing.assert_allclose(ours.numpy(), by_definition(q, k, v, bias, softcap), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("softcap", [0.0, 0.7])
def test_causal_is_the_triangle(softcap: float) -> None:
    q, k, v = drawn()
    ours = attend(q, k, v, 0.3, causal=True, softcap=softcap)
    np.testing.assert_allclose(ours.numpy(), by_definition(q, k, v, hidden(CAUSAL), softcap), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mask", [None, BLIND], ids=["none", "blind"])
def test_a_sink_takes_its_share(mask: np.ndarray | None) -> None:
    q, k, v = drawn()
    sink = torch.tensor([0.5, -1.0, 0.0, 2.0])
    bias = np.zeros(()) if mask is None else hidden(mask)
    ours = attend(q, k, v, 0.3, mask=None if mask is None else torch.tensor(mask), sink=sink)
    np.testing.assert_allclose(ours.numpy(), by_definition(q, k, v, bias, sink=sink.numpy()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("softcap", [0.0, 0.7])
@pytest.mark.parametrize("kind", ["boolean", "float"])
def test_gradients_are_finite_and_right_beside_blind_queries(kind: str, softcap: float) -> None:
    mask = torch.tensor(BLIND) if kind == "boolean" else torch.tensor(hidden(BLIND))
    leaves = [one.requires_grad_() for one in drawn(2, dtype=torch.float64)]

    def function(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return attend(q, k, v, 0.3, mask=mask, softcap=softcap)

    assert torch.autograd.gradcheck(function, leaves, fast_mode=True)


def test_a_window_moves_with_the_query() -> None:
    here = torch.device("cpu")
    distance = np.arange(KEYS) - (np.arange(QUERIES)[:, None] + 1)
    for left, right in ((None, None), (1, None), (None, 0), (2, 1), (0, 0)):
        wanted = (distance >= (-KEYS if left is None else -left)) & (distance <= (KEYS if right is None else right))
        assert (visible_keys(QUERIES, KEYS, 1, here, left=left, right=right).numpy() == wanted).all()
        moving = visible_keys(QUERIES, KEYS, torch.tensor([0, 1]), here, left=left, right=right)
        assert moving.shape == (BATCH, 1, QUERIES, KEYS)
        assert (moving[1, 0].numpy() == wanted).all()


def test_heads_split_and_join() -> None:
    x = torch.arange(24.0).reshape(1, 3, 8)
    torch.testing.assert_close(split_heads(x, 4)[0, 1], x[0, :, 2:4])
    torch.testing.assert_close(join_heads(split_heads(x, 4)), x)
