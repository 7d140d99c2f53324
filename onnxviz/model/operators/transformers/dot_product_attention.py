"""Scaled dot-product attention: the arithmetic that all attention operators share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    *,
    mask: Tensor | None = None,
    causal: bool = False,
    softcap: float = 0.0,
    sink: Tensor | None = None,
) -> Tensor:
    """Return ``softmax(scale * query key^T + mask) value``, and zeros for a query without visible keys.

    Parameters
    ----------
    query : (batch, heads, queries, size)
    key : (batch, key heads, keys, size)
        The number of heads is a multiple of the number of key heads.
    value : (batch, key heads, keys, value size)
    scale : float
        Factor of the products.
    mask : Tensor or None
        Broadcasts to (batch, heads, queries, keys). A boolean mask is True where a query sees a key. A float mask is added to the scores.
    causal : bool
        Whether query i sees only the keys up to i. Not together with `mask`.
    softcap : float
        Bounds the scores by ``softcap * tanh(score / softcap)``. 0 stands for no bound.
    sink : (heads,) or None
        A score in the denominator of the softmax that belongs to no key.

    Returns
    -------
    Tensor
        (batch, heads, queries, value size)
    """
    value = repeated_heads(value, query.shape[1])
    if softcap or sink is not None:
        if causal:
            mask = visible_keys(query.shape[2], key.shape[2], 0, query.device, right=0)
        capped = soft_capped(scores(query, key, scale), softcap)
        return weights(masked(capped, mask), mask, sink) @ value
    key = repeated_heads(key, query.shape[1])
    if mask is None:
        return F.scaled_dot_product_attention(query, key, value, is_causal=causal, scale=scale)
    mask, blind = _opened(mask)
    attended = F.scaled_dot_product_attention(query, key, value, attn_mask=_rank_four(mask), scale=scale)
    return torch.where(blind, 0.0, attended)


def scores(query: Tensor, key: Tensor, scale: float) -> Tensor:
    """Return the scores ``scale * query key^T``, (batch, heads, queries, keys). Key heads are repeated as in `attend`."""
    return (query * scale) @ repeated_heads(key, query.shape[1]).transpose(2, 3)


def repeated_heads(x: Tensor, heads: int) -> Tensor:
    """Return keys or values with `heads` heads. Each head is repeated the same number of times in a row."""
    return x if x.shape[1] == heads else x.repeat_interleave(heads // x.shape[1], 1)


def soft_capped(products: Tensor, softcap: float) -> Tensor:
    """Return scores bounded softly by plus and minus `softcap`. If it is 0, the scores are unchanged."""
    return softcap * torch.tanh(products / softcap) if softcap else products


def masked(products: Tensor, mask: Tensor | None) -> Tensor:
    """Return scores with a float mask added, or minus infinity where a boolean mask is False."""
    if mask is None:
        return products
    if mask.dtype == torch.bool:
        return torch.where(mask, products, -torch.inf)
    return products + mask


def weights(products: Tensor, mask: Tensor | None, sink: Tensor | None = None) -> Tensor:
    """Return the softmax of masked scores over the keys, and zeros for a query without visible keys.

    Parameters
    ----------
    products : (batch, heads, queries, keys)
        Scores that `masked` returned.
    mask : Tensor or None
        The mask of the scores.
    sink : (heads,) or None
        As in `attend`.
    """
    if mask is not None:
        _, blind = _opened(mask)
        products = torch.where(blind, 0.0, products)
    if sink is None:
        softmax = torch.softmax(products, -1)
    else:
        column = sink.to(products.dtype)[:, None, None].expand(*products.shape[:-1], 1)
        softmax = torch.softmax(torch.cat((products, column), -1), -1)[..., :-1]
    return softmax if mask is None else torch.where(blind, 0.0, softmax)


def _opened(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mask with all keys visible to blind queries, and the places of the blind queries.

    A blind query sees no key. Its softmax has no finite gradient.
    """
    if mask.dtype == torch.bool:
        blind = ~mask.any(-1, keepdim=True)
        return mask | blind, blind
    blind = mask.amax(-1, keepdim=True) == -torch.inf
    return torch.where(blind, 0.0, mask), blind


def _rank_four(mask: Tensor) -> Tensor:
    return mask[(None,) * (4 - mask.ndim)]


def visible_keys(
    queries: int,
    keys: int,
    offset: int | Tensor,
    device: torch.device,
    *,
    left: int | None = None,
    right: int | None = None,
) -> Tensor:
    """Return a boolean mask of the keys in the window of each query.

    Parameters
    ----------
    queries, keys : int
        The number of queries and of keys.
    offset : int or Tensor
        The position of the first query among the keys. It is a tensor (batch,) if the samples differ.
    device : torch.device
        The device of the result.
    left, right : int or None
        The number of keys that a query sees to the left and to the right of its own position. None stands for all keys. ``right=0`` is
        causal attention.

    Returns
    -------
    Tensor
        Boolean, (queries, keys), or (batch, 1, queries, keys) if `offset` is a tensor.
    """
    if isinstance(offset, Tensor):
        offset = offset.to(device)[:, None, None, None]
    position = torch.arange(queries, device=device)[:, None] + offset
    distance = torch.arange(keys, device=device) - position
    visible = torch.ones_like(distance, dtype=torch.bool)
    if right is not None:
        visible = visible & (distance <= right)
    if left is not None:
        visible = visible & (distance >= -left)
    return visible


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Return a tensor (batch, heads, tokens, size) from a tensor (batch, tokens, heads * size)."""
    return torch.unflatten(x, 2, (heads, -1)).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """Return a tensor (batch, tokens, heads * size) from a tensor (batch, heads, tokens, size)."""
    return x.transpose(1, 2).flatten(2)
