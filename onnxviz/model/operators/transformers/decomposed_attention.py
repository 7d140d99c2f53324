"""Attention that a graph holds as two products and a softmax. torch's kernel computes it where the shapes allow that."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def attention_of_parts(
    query: Tensor,
    transposed_key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    *factors: Tensor,
    scale: float,
    divided: tuple[bool, ...],
) -> Tensor:
    """Return ``softmax(scale * factors * query transposed_key + mask) value``.

    Parameters
    ----------
    query : (..., queries, size)
    transposed_key : (..., size, keys)
    value : (..., keys, value size)
    mask : Tensor or None
        Floats that are added to the scores. The mask broadcasts to the scores.
    *factors : Tensor
        Factors of the scores that the graph computes.
    scale : float
        The product of the constant factors.
    divided : tuple of bool
        For each tensor of `factors`, whether the scores are divided by it.

    Returns
    -------
    (..., queries, value size)
    """
    if _fits(query, transposed_key, value, mask, factors):
        for factor, inverse in zip(factors, divided, strict=True):
            number = factor.item()
            scale = scale / number if inverse else scale * number
        return F.scaled_dot_product_attention(query, transposed_key.mT, value, attn_mask=mask, scale=scale)
    scores = torch.matmul(query * scale, transposed_key)
    for factor, inverse in zip(factors, divided, strict=True):
        # A factor without axes may lie on the host while the scores lie on a device.
        factor = factor.reshape(()) if factor.numel() == 1 else factor
        scores = scores / factor if inverse else scores * factor
    if mask is not None:
        scores = scores + mask
    return torch.matmul(torch.softmax(scores, -1), value)


def _fits(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, factors: tuple[Tensor, ...]) -> bool:
    """Return whether torch's kernel gives the same values.

    It needs tensors with four axes of fitting sizes, factors that are numbers, and a mask that leaves a key to every query.
    """
    if not query.ndim == key.ndim == value.ndim == 4 or not query.shape[:2] == key.shape[:2] == value.shape[:2]:
        return False
    if 0 in query.shape or 0 in key.shape or 0 in value.shape:
        return False
    if any(factor.numel() != 1 or factor.ndim > 4 or factor.requires_grad for factor in factors):
        return False
    if mask is None:
        return True
    if mask.ndim > 4 or mask.dtype != query.dtype:
        return False
    scores = (*query.shape[:3], key.shape[3])
    if any(size not in (1, whole) for size, whole in zip(reversed(mask.shape), reversed(scores), strict=False)):
        return False
    # For a query without keys a softmax gives NaN, but the kernel gives zero.
    return not bool((mask.amax(-1) == -torch.inf).any()) if mask.ndim else bool(mask > -torch.inf)
