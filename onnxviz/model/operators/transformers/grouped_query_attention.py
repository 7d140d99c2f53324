"""GroupQueryAttention of com.microsoft: attention of language models, with shared key heads, rotary positions and a cache."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Int, Node, operator
from onnxviz.model.operators.shapes.allocation import allowed
from onnxviz.model.operators.transformers import dot_product_attention as dot_product
from onnxviz.model.operators.transformers.rotary import rotate


def _refuse(**settings: Any) -> None:
    """Raise an error if a setting is given. Settings of other caches than a full cache in floating point are not supported."""
    for name, value in settings.items():
        if value is not None:
            raise EvaluationError(f"GroupQueryAttention has {name}; only a full cache in floating point is supported")


# `kv_cache_bit_width` has a meaning only with k_quant_type and v_quant_type, which are refused.
@operator("GroupQueryAttention", domain="com.microsoft", ignored=("kv_cache_bit_width",))
def group_query_attention(
    query: Tensor,
    key: Tensor | None = None,
    value: Tensor | None = None,
    past_key: Tensor | None = None,
    past_value: Tensor | None = None,
    seqlens_k: Tensor | None = None,
    total_sequence_length: Int | None = None,
    cos_cache: Tensor | None = None,
    sin_cache: Tensor | None = None,
    position_ids: Tensor | None = None,
    attention_bias: Tensor | None = None,
    head_sink: Tensor | None = None,
    k_scale: Tensor | None = None,
    v_scale: Tensor | None = None,
    q_norm_weight: Tensor | None = None,
    k_norm_weight: Tensor | None = None,
    query_seqlens: Tensor | None = None,
    *,
    causal: int = 1,
    do_rotary: int = 0,
    k_norm_epsilon: float | None = None,
    k_quant_type: str = "NONE",
    kv_num_heads: int,
    local_window_size: int = -1,
    num_heads: int,
    q_norm_epsilon: float | None = None,
    qk_norm_epsilon: float = 1e-6,
    qk_output: int = 0,
    rotary_interleaved: int = 0,
    scale: float | None = None,
    sliding_window_cache: int = 0,
    smooth_softmax: int = -1,
    softcap: float = 0.0,
    v_quant_type: str = "NONE",
    node: Node,
) -> tuple[Tensor, ...]:
    """Return the attended tokens, present_key and present_value (com.microsoft GroupQueryAttention).

    After this step each sample has ``seqlens_k + 1`` tokens. The newest of these tokens are the queries. Rows of the caches beyond them are
    zero. The outputs of padding are zero, too.

    Raises
    ------
    EvaluationError
        If inputs are missing or contradict each other, or a setting is not supported.
    AllocationError
        If the scores would have more elements than are allowed.
    """
    if seqlens_k is None or total_sequence_length is None:
        raise EvaluationError("seqlens_k or total_sequence_length is missing; the operator needs both")
    _refuse(
        k_scale=k_scale,
        v_scale=v_scale,
        k_quant_type=None if k_quant_type == "NONE" else k_quant_type,
        v_quant_type=None if v_quant_type == "NONE" else v_quant_type,
        sliding_window_cache=sliding_window_cache or None,
        qk_output=qk_output or None,
    )
    q, k, v = _heads(query, key, value, num_heads, kv_num_heads)
    batch, tokens = q.shape[0], q.shape[2]
    total = seqlens_k.reshape(-1).to(query.device).long() + 1
    new = total.clamp(max=tokens) if query_seqlens is None else query_seqlens.reshape(-1).to(query.device).long()
    past = total - new
    if q_norm_weight is not None and k_norm_weight is not None:
        q = _normalized(q, q_norm_weight, qk_norm_epsilon if q_norm_epsilon is None else q_norm_epsilon)
        k = _normalized(k, k_norm_weight, qk_norm_epsilon if k_norm_epsilon is None else k_norm_epsilon)
    if do_rotary:
        if cos_cache is None or sin_cache is None:
            raise EvaluationError("do_rotary is 1; give cos_cache and sin_cache")
        if position_ids is None:
            position = past[:, None] + torch.arange(tokens, device=query.device)
        elif tokens == total_sequence_length:
            position = position_ids[:1, :1] + torch.arange(tokens, device=query.device)
        else:
            position = position_ids
        # The positions of padding may lie beyond the table. They are clamped, because the rows of padding are hidden.
        position = position.clamp(max=cos_cache.shape[0] - 1)
        cosine, sine = cos_cache[position], sin_cache[position]
        q = rotate(q, cosine, sine, bool(rotary_interleaved))
        k = rotate(k, cosine, sine, bool(rotary_interleaved))
    length = max(total_sequence_length, 0 if past_key is None else past_key.shape[2])
    allowed((batch, num_heads, tokens, length), "GroupQueryAttention")
    present_key = _appended(past_key, k, past, total, length)
    present_value = _appended(past_value, v, past, total, length)
    mask = _mask(tokens, length, past, total, causal, local_window_size)
    if attention_bias is not None:
        attention_bias = F.pad(attention_bias, (0, length - attention_bias.shape[3]))
        mask = torch.where(mask, attention_bias, -torch.inf)
    sink = head_sink
    if sink is None and smooth_softmax == 1:
        sink = q.new_zeros(num_heads)
    factor = scale or q.shape[3] ** -0.5
    attended = dot_product.attend(q, present_key, present_value, factor, mask=mask, softcap=softcap, sink=sink)
    return dot_product.join_heads(attended), present_key, present_value


def _heads(
    query: Tensor, key: Tensor | None, value: Tensor | None, heads: int, key_heads: int
) -> tuple[Tensor, Tensor, Tensor]:
    if heads % key_heads:
        raise EvaluationError(
            f"num_heads is {heads}, kv_num_heads {key_heads}; the first must be a multiple of the second"
        )
    if key is None or value is None:
        size = query.shape[2] // (heads + 2 * key_heads)
        query, key, value = query.split_with_sizes([heads * size, key_heads * size, key_heads * size], 2)
    split = dot_product.split_heads
    return split(query, heads), split(key, key_heads), split(value, key_heads)


def _normalized(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + epsilon) * weight


def _appended(cache: Tensor | None, new: Tensor, past: Tensor, total: Tensor, length: int) -> Tensor:
    """Return a cache with the new tokens of each sample behind its past tokens.

    Parameters
    ----------
    cache : (batch, key heads, past length, size) or None
    new : (batch, key heads, tokens, size)
    past, total : (batch,)
        The number of tokens in the cache before and after.
    length : int
        The length of the result. Rows beyond `total` are zero.
    """
    place = torch.arange(length, device=new.device)
    source = (place - past[:, None]).clamp(0, new.shape[2] - 1)[:, None, :, None]
    moved = new.gather(2, source.expand(-1, new.shape[1], -1, new.shape[3]))
    if cache is not None and cache.shape[2]:
        kept = F.pad(cache, (0, 0, 0, length - cache.shape[2]))
        moved = torch.where((place < past[:, None])[:, None, :, None], kept, moved)
    return torch.where((place < total[:, None])[:, None, :, None], moved, 0.0)


def _mask(tokens: int, length: int, past: Tensor, total: Tensor, causal: int, window: int) -> Tensor:
    """Return a boolean mask of the keys that each query sees, (batch, 1, tokens, length)."""
    # The window of ONNX Runtime includes the own key of a query.
    left = window - 1 if window > 0 else None
    visible = dot_product.visible_keys(tokens, length, past, past.device, left=left, right=0 if causal else None)
    filled = torch.arange(length, device=past.device) < total[:, None, None, None]
    written = torch.arange(tokens, device=past.device)[:, None] < (total - past)[:, None, None, None]
    return visible & filled & written
