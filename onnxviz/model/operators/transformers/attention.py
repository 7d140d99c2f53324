"""Attention of ONNX with caches, masks, windows and grouped heads, and FlexAttention of ai.onnx.preview."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Node, Subgraph, operator
from onnxviz.model.operators.numbers.element_types import carrier
from onnxviz.model.operators.transformers import dot_product_attention as dot_product


@operator("Attention", since=23)
def attention(
    Q: Tensor,
    K: Tensor,
    V: Tensor,
    attn_mask: Tensor | None = None,
    past_key: Tensor | None = None,
    past_value: Tensor | None = None,
    nonpad_kv_seqlen: Tensor | None = None,
    *,
    is_causal: int = 0,
    kv_num_heads: int | None = None,
    left_window_size: int = -1,
    q_num_heads: int | None = None,
    qk_matmul_output_mode: int = 0,
    right_window_size: int = -1,
    scale: float | None = None,
    softcap: float = 0.0,
    softmax_precision: int | None = None,
    node: Node,
) -> tuple[Tensor, ...]:
    """Return Y, present_key, present_value and, if the node names it, qk_matmul_output (ONNX Attention 23, 24 and 25)."""
    if (past_key is None) != (past_value is None):
        raise EvaluationError("only one of past_key and past_value is given; give both or none")
    if past_key is not None and nonpad_kv_seqlen is not None:
        raise EvaluationError(
            "nonpad_kv_seqlen is given together with past_key; give only one of them, for a cache outside or inside the operator"
        )
    query, key, value = _with_heads(Q, K, V, q_num_heads, kv_num_heads)
    past = 0
    if past_key is not None and past_value is not None:
        past = past_key.shape[2]
        key, value = torch.cat((past_key, key), 2), torch.cat((past_value, value), 2)
    if query.shape[1] % key.shape[1]:
        raise EvaluationError(
            f"there are {query.shape[1]} query heads and {key.shape[1]} key heads; the first must be a multiple of the second"
        )
    factor = query.shape[3] ** -0.5 if scale is None else scale
    windows = (None if left_window_size < 0 else left_window_size, None if right_window_size < 0 else right_window_size)
    wants_products = len(node.outputs) > 3 and bool(node.outputs[3])
    simple = attn_mask is None and nonpad_kv_seqlen is None and past == 0 and windows == (None, None)
    if simple and not wants_products:
        attended = dot_product.attend(query, key, value, factor, causal=bool(is_causal), softcap=softcap)
        return _joined(attended, Q.ndim), key, value
    mask = _mask(query, key, attn_mask, past, nonpad_kv_seqlen, bool(is_causal), windows)
    if not wants_products:
        return _joined(dot_product.attend(query, key, value, factor, mask=mask, softcap=softcap), Q.ndim), key, value
    stages = [dot_product.scores(query, key, factor)]
    stages.append(dot_product.soft_capped(stages[0], softcap))
    stages.append(dot_product.masked(stages[1], mask))
    precise = stages[2].to(carrier(softmax_precision)) if softmax_precision else stages[2]
    stages.append(dot_product.weights(precise, mask).to(query.dtype))
    if not 0 <= qk_matmul_output_mode < len(stages):
        raise EvaluationError(f"qk_matmul_output_mode is {qk_matmul_output_mode}; it must be 0, 1, 2 or 3")
    attended = stages[3] @ dot_product.repeated_heads(value, query.shape[1])
    return _joined(attended, Q.ndim), key, value, stages[qk_matmul_output_mode]


def _with_heads(
    q: Tensor, k: Tensor, v: Tensor, query_heads: int | None, key_heads: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    if q.ndim == 4:
        return q, k, v
    if not query_heads or not key_heads:
        raise EvaluationError(
            "the inputs have 3 axes, and q_num_heads or kv_num_heads is missing; give both attributes"
        )
    split = dot_product.split_heads
    return split(q, query_heads), split(k, key_heads), split(v, key_heads)


def _joined(attended: Tensor, rank: int) -> Tensor:
    return attended if rank == 4 else dot_product.join_heads(attended)


def _mask(
    query: Tensor,
    key: Tensor,
    given: Tensor | None,
    past: int,
    lengths: Tensor | None,
    causal: bool,
    windows: tuple[int | None, int | None],
) -> Tensor | None:
    """Return a mask that combines everything that hides keys, or None if no key is hidden.

    Parameters
    ----------
    query : (batch, heads, queries, size)
    key : (batch, key heads, keys, size)
    given : Tensor or None
        The mask of the node. Its last axis may be shorter than the number of keys.
    past : int
        The number of keys before the first query.
    lengths : (batch,) or None
        The number of keys that are not padding.
    causal : bool
        Whether a query sees no key to its right.
    windows : tuple
        The number of keys that a query sees to its left and to its right. None stands for all keys.
    """
    queries, keys, device = query.shape[2], key.shape[2], query.device
    if given is not None and given.shape[-1] < keys:
        missing = keys - given.shape[-1]
        given = F.pad(given, (0, missing), value=False if given.dtype == torch.bool else -torch.inf)
    left, right = windows
    right = 0 if causal else right
    visible = None
    # A single query at the end of its cache sees every key, so no key is hidden.
    if left is not None or (right is not None and (lengths is not None or past + right < keys - 1)):
        offset = past if lengths is None else lengths - queries
        visible = dot_product.visible_keys(queries, keys, offset, device, left=left, right=right)
    if lengths is not None:
        filled = torch.arange(keys, device=device) < lengths.to(device)[:, None, None, None]
        visible = filled if visible is None else visible & filled
    if given is None or visible is None:
        return visible if given is None else given
    if given.dtype == torch.bool:
        return given & visible
    return torch.where(visible, given, -torch.inf)


@operator("FlexAttention", domain="ai.onnx.preview")
def flex_attention(
    Q: Tensor,
    K: Tensor,
    V: Tensor,
    *,
    prob_mod: Subgraph | None = None,
    scale: float | None = None,
    score_mod: Subgraph | None = None,
    softmax_precision: int | None = None,
) -> Tensor:
    """Return attention whose scores and weights pass through graph attributes of the node (ai.onnx.preview FlexAttention 1)."""
    factor = Q.shape[3] ** -0.5 if scale is None else scale
    if prob_mod is None and score_mod is None:
        return dot_product.attend(Q, K, V, factor)
    products = dot_product.scores(Q, K, factor)
    if softmax_precision:
        products = products.to(carrier(softmax_precision))
    if score_mod is not None:
        products = score_mod(products)[0]
    shares = torch.softmax(products, -1)
    if prob_mod is not None:
        shares = prob_mod(shares)[0]
    return shares.to(Q.dtype) @ dot_product.repeated_heads(V, Q.shape[1])
