"""Which rows of a tensor are a sample's, where one sample makes several: boxes of all places, steps, directions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def rows_of(values: Tensor, places: Tensor, samples: int) -> Tensor:
    """Return the rows that some samples make.

    Parameters
    ----------
    values : (row, ...) Tensor
        Of all samples, those of a sample beside each other.
    places : (n,) Tensor
        Of the wanted samples.
    samples : int
        How many there are.

    Returns
    -------
    Tensor
        (n * rows of a sample, ...); where the samples do not share out the rows evenly, those at the places.

    Examples
    --------
    >>> import torch
    >>> rows_of(torch.tensor([[1], [2], [3], [4]]), torch.tensor([1]), 2).tolist()
    [[3], [4]]
    """
    if len(values) == samples or len(values) % samples:
        return values[places]
    picked: Tensor = values.reshape(samples, -1, *values.shape[1:])[places].flatten(0, 1)
    return picked


def shares(values: Tensor, groups: Sequence[Sequence[int]], samples: int) -> list[Tensor]:
    """Return for each group of samples the rows that they make.

    All rows are split at once where they can be, so that a gradient fills the whole tensor once and not once for each group.

    Parameters
    ----------
    values : (row, ...) Tensor
        Of all samples, as for `rows_of`.
    groups : sequence of sequences of int
        The samples of each group; together all, each once.
    samples : int
        How many there are.

    Examples
    --------
    >>> import torch
    >>> [part.tolist() for part in shares(torch.tensor([1, 2, 3]), [[0, 2], [1]], 3)]
    [[1, 3], [2]]
    """
    if len(groups) == 1 and len(groups[0]) == samples and list(groups[0]) == list(range(samples)):
        return [values]
    order = [place for group in groups for place in group]
    if len(values) % samples:
        return [rows_of(values, torch.tensor(group, device=values.device), samples) for group in groups]
    if order != list(range(samples)):
        values = rows_of(values, torch.tensor(order, device=values.device), samples)
    each = len(values) // samples
    return list(torch.split(values, [each * len(group) for group in groups]))


def by_sample(scores: Tensor, samples: int) -> Tensor:
    """Return one number per sample: the mean over the rows that it makes.

    Parameters
    ----------
    scores : (row,) Tensor
        One number per row, those of a sample beside each other.
    samples : int
        How many there are.

    Returns
    -------
    Tensor
        (samples,); the scores themselves where they cannot be shared out evenly.

    Examples
    --------
    >>> import torch
    >>> by_sample(torch.tensor([1.0, 3.0, 5.0, 7.0]), 2)
    tensor([2., 6.])
    """
    if len(scores) == samples or len(scores) % samples:
        return scores
    return scores.reshape(samples, -1).mean(1)


def first_rows(values: Tensor, copies: int) -> Tensor:
    """Return the rows that the first of some copies of a sample makes, at least one.

    Parameters
    ----------
    values : (row, ...) Tensor
        Of all copies.
    copies : int
        How many there are.

    Examples
    --------
    >>> import torch
    >>> first_rows(torch.arange(6), 3).tolist()
    [0, 1]
    """
    return values[: max(1, len(values) // copies)] if copies > 1 else values
