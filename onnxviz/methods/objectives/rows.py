"""The rows of a tensor that belong to a sample, where a sample makes several rows: a detector's boxes, steps, directions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def joined(parts: Sequence[Tensor], counts: Sequence[int]) -> Tensor | None:
    """Return a tensor of several samples, from runs of some of them; None where its shape differs from sample to sample.

    Parameters
    ----------
    parts : sequence of (row, ...) Tensor
        The tensor from each run.
    counts : sequence of int
        The number of samples of each run.

    Examples
    --------
    >>> import torch
    >>> joined([torch.zeros(1, 2), torch.ones(2, 2)], [1, 2]).shape
    torch.Size([3, 2])
    >>> joined([torch.zeros(1, 2), torch.ones(1, 3)], [1, 1]) is None
    True
    """
    # An output whose length depends on the data (speech, detections) has another length for each sample.
    one = {(len(part) / count, *part.shape[1:]) for part, count in zip(parts, counts, strict=True)}
    return torch.cat(list(parts)) if len(one) == 1 else None


def rows_of(values: Tensor, places: Tensor, samples: int) -> Tensor:
    """Return the rows that belong to some of the samples.

    Parameters
    ----------
    values : (row, ...) Tensor
        The rows of all samples. The rows of a sample stand side by side.
    places : (n,) Tensor
        The numbers of the wanted samples.
    samples : int
        The number of samples.

    Returns
    -------
    Tensor
        (n * rows of a sample, ...). Where the number of rows is no multiple of the number of samples, the rows at `places`.

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
    """Return the rows that belong to each group of samples.

    All rows are split at once where that is possible, so that a gradient fills the whole tensor once and not once for each group.

    Parameters
    ----------
    values : (row, ...) Tensor
        The rows of all samples, as in `rows_of`.
    groups : sequence of sequences of int
        The numbers of the samples in each group. Each sample is in one group.
    samples : int
        The number of samples.

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


def rows_by_sample(scores: Tensor, samples: int) -> Tensor | None:
    """Return the numbers of each sample's rows; None where each sample has one row.

    Parameters
    ----------
    scores : (row,) Tensor
        One number per row. The rows of a sample stand side by side.
    samples : int
        The number of samples.

    Returns
    -------
    Tensor or None
        (samples, rows). None too where the number of rows is no multiple of the number of samples.

    Examples
    --------
    >>> import torch
    >>> rows_by_sample(torch.tensor([1.0, 3.0, 5.0, 7.0]), 2)
    tensor([[1., 3.],
            [5., 7.]])
    """
    if len(scores) == samples or len(scores) % samples:
        return None
    return scores.reshape(samples, -1)


def first_rows(values: Tensor, copies: int) -> Tensor:
    """Return the rows that belong to the first of several copies of a sample, at least one row.

    Parameters
    ----------
    values : (row, ...) Tensor
        The rows of all copies.
    copies : int
        The number of copies.

    Examples
    --------
    >>> import torch
    >>> first_rows(torch.arange(6), 3).tolist()
    [0, 1]
    """
    return values[: max(1, len(values) // copies)] if copies > 1 else values
