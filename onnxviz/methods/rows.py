"""Which rows of a tensor are a sample's, where one sample makes several: boxes of all places, steps, directions."""

from __future__ import annotations

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
