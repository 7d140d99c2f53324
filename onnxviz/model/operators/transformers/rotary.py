"""Rotary position embedding: pairs of features turn by an angle that grows with the token's position (Su et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import operator
from onnxviz.model.operators.transformers.dot_product_attention import join_heads, split_heads


def rotate(x: Tensor, cosine: Tensor, sine: Tensor, interleaved: bool) -> Tensor:
    """Return tokens with their leading features rotated.

    Parameters
    ----------
    x : (batch, heads, tokens, size)
    cosine, sine : (batch or 1, tokens, half)
        The leading ``2 * half`` features rotate, the others stay.
    interleaved : bool
        Whether neighbors are a pair; else feature i and feature i + half.
    """
    cosine, sine = cosine[:, None], sine[:, None]
    turning = 2 * cosine.shape[-1]
    if turning > x.shape[-1]:
        raise EvaluationError(f"the cosine cache turns {turning} features; a head has {x.shape[-1]}")
    part = x[..., :turning]
    first, second = (part[..., 0::2], part[..., 1::2]) if interleaved else part.chunk(2, -1)
    real, imaginary = first * cosine - second * sine, first * sine + second * cosine
    turned = torch.stack((real, imaginary), -1).flatten(-2) if interleaved else torch.cat((real, imaginary), -1)
    return turned if turning == x.shape[-1] else torch.cat((turned, x[..., turning:]), -1)


def _checked_dimension(cosine: Tensor, dimension: int) -> None:
    if dimension and cosine.shape[-1] != dimension // 2:
        raise EvaluationError(
            f"rotary_embedding_dim is {dimension}, but the cosine cache turns {2 * cosine.shape[-1]} features; they must agree"
        )


@operator("RotaryEmbedding", since=23)
def rotary_embedding(
    X: Tensor,
    cos_cache: Tensor,
    sin_cache: Tensor,
    position_ids: Tensor | None = None,
    *,
    interleaved: int = 0,
    num_heads: int | None = None,
    rotary_embedding_dim: int = 0,
) -> Tensor:
    """Return X with its positions turned in (ONNX RotaryEmbedding 23)."""
    if position_ids is not None:
        cos_cache, sin_cache = cos_cache[position_ids], sin_cache[position_ids]
    elif cos_cache.ndim != 3:
        raise EvaluationError("without position_ids the caches must be (batch, tokens, half); these have another rank")
    _checked_dimension(cos_cache, rotary_embedding_dim)
    if X.ndim == 4:
        return rotate(X, cos_cache, sin_cache, bool(interleaved))
    if not num_heads:
        raise EvaluationError("a 3-D input needs the attribute num_heads")
    return join_heads(rotate(split_heads(X, num_heads), cos_cache, sin_cache, bool(interleaved)))


# scale: no kernel of ONNX Runtime applies it.
@operator("RotaryEmbedding", domain="com.microsoft", ignored=("scale",))
def rotary_embedding_microsoft(
    input: Tensor,
    position_ids: Tensor,
    cos_cache: Tensor,
    sin_cache: Tensor,
    *,
    interleaved: int = 0,
    is_packed_batching: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
) -> Tensor:
    """Return the input with its positions turned in (com.microsoft RotaryEmbedding 1)."""
    if is_packed_batching:
        raise EvaluationError("is_packed_batching is 1; only padded batches are supported")
    tokens = input.shape[-2]
    if position_ids.ndim == 1:
        position_ids = position_ids[:1] + torch.arange(tokens, device=input.device)
        position_ids = position_ids[None]
    cosine, sine = cos_cache[position_ids], sin_cache[position_ids]
    _checked_dimension(cosine, rotary_embedding_dim)
    if input.ndim == 4:
        return rotate(input, cosine, sine, bool(interleaved))
    size = input.shape[2] // num_heads if rotary_embedding_dim and num_heads else 2 * cosine.shape[-1]
    return join_heads(rotate(split_heads(input, input.shape[2] // size), cosine, sine, bool(interleaved)))
