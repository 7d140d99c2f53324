"""Rotary position embedding: pairs of features are rotated by an angle that grows with the position of the token.

The source is Su et al., "RoFormer: Enhanced transformer with rotary position embedding", 2021.
"""

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
        The leading ``2 * half`` features are rotated. The others are unchanged.
    interleaved : bool
        Whether neighboring features are a pair. Otherwise feature i and feature i + half are a pair.

    Raises
    ------
    EvaluationError
        If more features are to be rotated than a head has.
    """
    cosine, sine = cosine[:, None], sine[:, None]
    turning = 2 * cosine.shape[-1]
    if turning > x.shape[-1]:
        raise EvaluationError(f"the cosine cache rotates {turning} features; a head has only {x.shape[-1]}")
    part = x[..., :turning]
    first, second = (part[..., 0::2], part[..., 1::2]) if interleaved else part.chunk(2, -1)
    real, imaginary = first * cosine - second * sine, first * sine + second * cosine
    turned = torch.stack((real, imaginary), -1).flatten(-2) if interleaved else torch.cat((real, imaginary), -1)
    return turned if turning == x.shape[-1] else torch.cat((turned, x[..., turning:]), -1)


def _checked_dimension(cosine: Tensor, dimension: int) -> None:
    if dimension and cosine.shape[-1] != dimension // 2:
        raise EvaluationError(
            f"rotary_embedding_dim is {dimension}, but the cosine cache rotates {2 * cosine.shape[-1]} features; they must agree"
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
    """Return tokens with features rotated by their positions (ONNX RotaryEmbedding 23)."""
    if position_ids is not None:
        cos_cache, sin_cache = cos_cache[position_ids], sin_cache[position_ids]
    elif cos_cache.ndim != 3:
        raise EvaluationError(
            f"position_ids is missing and the cosine cache has shape {list(cos_cache.shape)}; without position_ids it must be "
            "(batch, tokens, half)"
        )
    _checked_dimension(cos_cache, rotary_embedding_dim)
    if X.ndim == 4:
        return rotate(X, cos_cache, sin_cache, bool(interleaved))
    if not num_heads:
        raise EvaluationError("the input has 3 axes and num_heads is missing; give the attribute")
    return join_heads(rotate(split_heads(X, num_heads), cos_cache, sin_cache, bool(interleaved)))


# `scale` is ignored, because no kernel of ONNX Runtime uses it.
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
    """Return tokens with features rotated by their positions (com.microsoft RotaryEmbedding)."""
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
