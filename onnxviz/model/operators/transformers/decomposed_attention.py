"""Attention that a graph spells out as two products and a softmax: torch's kernel where the shapes allow it, else the parts."""

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
        Floats that are added to the scores; broadcasts to them.
    *factors : Tensor
        Numbers that the graph computes.
    scale : float
        All of the constant factors.
    divided : tuple of bool
        For each of `factors`, whether it divides.

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
        # Without axes, so that a number of the host may stand beside a tensor of a device.
        factor = factor.reshape(()) if factor.numel() == 1 else factor
        scores = scores / factor if inverse else scores * factor
    if mask is not None:
        scores = scores + mask
    return torch.matmul(torch.softmax(scores, -1), value)


def _fits(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, factors: tuple[Tensor, ...]) -> bool:
    """Whether torch's kernel gives the same: four axes alike, no row hidden whole, factors that are numbers."""
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
    # Of a row without keys a softmax makes NaN, the kernel zero.
    return not bool((mask.amax(-1) == -torch.inf).any()) if mask.ndim else bool(mask > -torch.inf)
