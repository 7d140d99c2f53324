"""Attention and MultiHeadAttention of com.microsoft: attention with as many key heads as query heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Node, operator
from onnxviz.model.operators.transformers import dot_product_attention as dot_product

_HIDDEN = -10000.0
"""ONNX Runtime adds this number to the score of a hidden key. The attribute ``mask_filter_value`` can give another number."""


def _refuse_shared_cache(operator_name: str, **given: Any) -> None:
    for name, value in given.items():
        if value is not None and not (isinstance(value, int) and value == 0):
            raise EvaluationError(
                f"{operator_name} has {name}, a cache shared between steps; only caches that grow are supported"
            )


def _bias(
    mask: Tensor | None,
    attention_bias: Tensor | None,
    filter_value: float | None,
    past: int | None,
    queries: int,
    keys: int,
    like: Tensor,
) -> Tensor | None:
    """Return the sum of masks and bias that is added to the scores, or None if there is none.

    It broadcasts to (batch, heads, queries, keys).

    Parameters
    ----------
    mask : Tensor or None
        Integers. (batch,) holds the numbers of keys, (2 * batch,) the ends and then the starts of the keys. (batch, keys) and
        (batch, queries, keys) hold zeros where a key is hidden.
    attention_bias : Tensor or None
        (1 or batch, 1 or heads, queries, keys)
    filter_value : float or None
        The number that is added to the score of a hidden key. None for ONNX Runtime's default.
    past : int or None
        The number of keys before the first query, for causal attention. None if every query sees all keys.
    queries, keys : int
        The number of queries and of keys.
    like : Tensor
        (batch, ...), a tensor with the type and device of the result.

    Raises
    ------
    EvaluationError
        If the mask has another shape.
    """
    hidden_score = _HIDDEN if filter_value is None else filter_value
    bias = attention_bias
    if mask is not None and not (
        mask.ndim == 2 and mask.shape[1] == 1 < keys
    ):  # a mask with a single column stands for no mask
        hidden = _hidden_keys(mask, like.shape[0], queries, keys)
        padding = hidden.to(like.dtype) * hidden_score
        bias = padding if bias is None else bias + padding
    if past is not None and queries > 1:
        visible = dot_product.visible_keys(queries, keys, past, like.device, right=0)
        # ONNX Runtime does not mask the row of the last query. So this query sees keys beyond its own position if there are any.
        visible = torch.cat((visible[:-1], torch.ones_like(visible[-1:])))
        future = torch.zeros_like(visible, dtype=like.dtype).masked_fill(~visible, torch.finfo(like.dtype).min)
        bias = future if bias is None else bias + future
    return bias


def _hidden_keys(mask: Tensor, batch: int, queries: int, keys: int) -> Tensor:
    position = torch.arange(keys, device=mask.device)
    if mask.ndim == 1 and mask.shape[0] == batch:
        return (position >= mask[:, None])[:, None, None]
    if mask.ndim == 1 and mask.shape[0] == 2 * batch:
        return ((position >= mask[:batch, None]) | (position < mask[batch:, None]))[:, None, None]
    if tuple(mask.shape) == (batch, keys):
        return (mask <= 0)[:, None, None]
    if tuple(mask.shape) == (batch, queries, keys):
        return (mask <= 0)[:, None]
    raise EvaluationError(
        f"a mask of shape {list(mask.shape)} does not fit {batch} samples of {queries} queries and {keys} keys; it must be [batch], "
        "[2 * batch], [batch, keys] or [batch, queries, keys]"
    )


# `rotary_embedding_dim` has a meaning only with do_rotary, which is refused.
@operator("Attention", domain="com.microsoft", ignored=("rotary_embedding_dim",))
def attention_microsoft(
    input: Tensor,
    weights: Tensor,
    bias: Tensor | None = None,
    mask_index: Tensor | None = None,
    past: Tensor | None = None,
    attention_bias: Tensor | None = None,
    past_sequence_length: Tensor | None = None,
    *,
    do_rotary: int = 0,
    mask_filter_value: float | None = None,
    num_heads: int,
    past_present_share_buffer: int = 0,
    qkv_hidden_sizes: Sequence[int] | None = None,
    scale: float | None = None,
    unidirectional: int = 0,
) -> tuple[Tensor, ...]:
    """Return the attended tokens and the cache (com.microsoft Attention).

    The tokens are (batch, tokens, value hidden size), and the cache is (2, batch, heads, tokens, head size).
    """
    if do_rotary:
        raise EvaluationError("do_rotary is 1, which is not supported; export the rotation as RotaryEmbedding")
    _refuse_shared_cache(
        "Attention", past_present_share_buffer=past_present_share_buffer, past_sequence_length=past_sequence_length
    )
    sizes = list(qkv_hidden_sizes) if qkv_hidden_sizes else [weights.shape[1] // 3] * 3
    projected = input @ weights
    if bias is not None:
        projected = projected + bias
    return attended_projection(
        projected,
        sizes,
        num_heads,
        mask=mask_index,
        past=past,
        attention_bias=attention_bias,
        filter_value=mask_filter_value,
        scale=scale,
        causal=bool(unidirectional),
    )


def attended_projection(
    projected: Tensor,
    sizes: Sequence[int],
    heads: int,
    *,
    mask: Tensor | None,
    past: Tensor | None,
    attention_bias: Tensor | None = None,
    filter_value: float | None = None,
    scale: float | None = None,
    causal: bool = False,
) -> tuple[Tensor, ...]:
    """Return the outputs of com.microsoft Attention from tokens that are already multiplied by its weights.

    Parameters
    ----------
    projected : (batch, tokens, sum of sizes)
        Queries, keys and values beside each other.
    sizes : sequence of int
        The widths of queries, keys and values.
    heads : int
        The number of heads.
    mask, attention_bias, filter_value
        As in `_bias`.
    past : (2, batch, heads, tokens, head size) or None
        Keys and values of earlier tokens.
    scale : float or None
        Factor of the scores. None and 0 stand for 1 divided by the root of the head size.
    causal : bool
        Whether a token sees only the tokens up to itself.
    """
    query, key, value = (dot_product.split_heads(part, heads) for part in projected.split_with_sizes(list(sizes), 2))
    if past is not None:
        key, value = torch.cat((past[0], key), 2), torch.cat((past[1], value), 2)
    behind = (0 if past is None else past.shape[3]) if causal else None
    added = _bias(mask, attention_bias, filter_value, behind, query.shape[2], key.shape[2], projected)
    factor = scale or query.shape[3] ** -0.5
    attended = dot_product.join_heads(dot_product.attend(query, key, value, factor, mask=added))
    if key.shape != value.shape:
        return (attended,)
    return attended, torch.stack((key, value))


@operator("MultiHeadAttention", domain="com.microsoft")
def multi_head_attention(
    query: Tensor,
    key: Tensor | None = None,
    value: Tensor | None = None,
    bias: Tensor | None = None,
    key_padding_mask: Tensor | None = None,
    attention_bias: Tensor | None = None,
    past_key: Tensor | None = None,
    past_value: Tensor | None = None,
    past_sequence_length: Tensor | None = None,
    cache_indirection: Tensor | None = None,
    *,
    mask_filter_value: float | None = None,
    num_heads: int,
    scale: float | None = None,
    unidirectional: int = 0,
    node: Node,
) -> tuple[Tensor, ...]:
    """Return the attended tokens, present_key, present_value and the scores (com.microsoft MultiHeadAttention).

    The scores before the softmax are returned only if the node names them.
    """
    _refuse_shared_cache(
        "MultiHeadAttention", past_sequence_length=past_sequence_length, cache_indirection=cache_indirection
    )
    q, k, v = _heads(query, key, value, bias, num_heads)
    if past_key is not None and past_value is not None:
        k, v = torch.cat((past_key, k), 2), torch.cat((past_value, v), 2)
    behind = (0 if past_key is None else past_key.shape[2]) if unidirectional else None
    added = _bias(key_padding_mask, attention_bias, mask_filter_value, behind, q.shape[2], k.shape[2], query)
    factor = scale or q.shape[3] ** -0.5
    attended = dot_product.join_heads(dot_product.attend(q, k, v, factor, mask=added))
    if len(node.outputs) > 3 and node.outputs[3]:
        return attended, k, v, dot_product.masked(dot_product.scores(q, k, factor), added)
    return attended, k, v


def _heads(
    query: Tensor, key: Tensor | None, value: Tensor | None, bias: Tensor | None, heads: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return query, key and value as (batch, heads, tokens, size) from every way in which they may be packed."""
    if query.ndim == 5:
        query, key, value = (part.flatten(2) for part in query.unbind(3))
    elif key is not None and key.ndim == 5:
        key, value = (part.flatten(2) for part in key.unbind(3))
    if key is None or value is None:
        raise EvaluationError(
            "a query with 3 axes has no key or no value; give both, or both packed as key (batch, tokens, heads, 2, size)"
        )
    if key.ndim == 4:  # the cache of a cross-attention, which already includes the bias
        if bias is not None:
            query = query + bias[: query.shape[2]]
        return dot_product.split_heads(query, heads), key, value
    if bias is not None:
        own = bias.split_with_sizes([query.shape[2], key.shape[2], value.shape[2]])
        query, key, value = query + own[0], key + own[1], value + own[2]
    split = dot_product.split_heads
    return split(query, heads), split(key, heads), split(value, heads)
