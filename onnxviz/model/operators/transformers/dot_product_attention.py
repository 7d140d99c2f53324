"""Scaled dot-product attention, the arithmetic that every attention operator ends in."""

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
    """Return ``softmax(scale * query key^T + mask) value``; a query that may see no key gets zeros.

    Parameters
    ----------
    query : (batch, heads, queries, size)
    key : (batch, key heads, keys, size)
        The number of heads is a multiple of that of the key heads.
    value : (batch, key heads, keys, value size)
    scale : float
        Of the products.
    mask : Tensor or None
        Broadcasts to (batch, heads, queries, keys). Boolean: True where a query may see a key; float: added to the scores.
    causal : bool
        Whether query i sees the keys up to i only; not together with `mask`.
    softcap : float
        Bounds the scores by ``softcap * tanh(score / softcap)``; 0 for none.
    sink : (heads,) or None
        A score in the softmax's denominator that belongs to no key.

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
    """Return ``scale * query key^T``, (batch, heads, queries, keys); key heads are repeated as in `attend`."""
    return (query * scale) @ repeated_heads(key, query.shape[1]).transpose(2, 3)


def repeated_heads(x: Tensor, heads: int) -> Tensor:
    """Return keys or values with each head repeated in place until there are `heads`."""
    return x if x.shape[1] == heads else x.repeat_interleave(heads // x.shape[1], 1)


def soft_capped(products: Tensor, softcap: float) -> Tensor:
    """Return scores bounded softly by plus and minus `softcap`; 0 leaves them."""
    return softcap * torch.tanh(products / softcap) if softcap else products


def masked(products: Tensor, mask: Tensor | None) -> Tensor:
    """Return scores with a float mask added, or minus infinity where a boolean mask is False."""
    if mask is None:
        return products
    if mask.dtype == torch.bool:
        return torch.where(mask, products, -torch.inf)
    return products + mask


def weights(products: Tensor, mask: Tensor | None, sink: Tensor | None = None) -> Tensor:
    """Return the softmax of masked scores over the keys; zeros for a query whose `mask` admits no key.

    Parameters
    ----------
    products : (batch, heads, queries, keys)
        What `masked` returned.
    mask : Tensor or None
        The mask that was applied.
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
    """Return the mask with its blind queries opened, and which were blind: the softmax of a row without keys has no finite gradient."""
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
    """Return which keys lie in the window of each query.

    Parameters
    ----------
    queries, keys : int
        How many there are.
    offset : int or Tensor
        The position of the first query among the keys; a (batch,) tensor where the samples differ.
    device : torch.device
        Where the result is wanted.
    left, right : int or None
        How far a query sees to the left and to the right of its own position; None for any distance. Causal is ``right=0``.

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
    """Return (batch, heads, tokens, size) from (batch, tokens, heads * size)."""
    return torch.unflatten(x, 2, (heads, -1)).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """Return (batch, tokens, heads * size) from (batch, heads, tokens, size)."""
    return x.transpose(1, 2).flatten(2)
