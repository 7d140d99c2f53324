"""The mean and the deviation of each channel of a tensor over its positions, for each sample."""

from __future__ import annotations

from torch import Tensor


def channel_statistics(values: Tensor, axis: int, samples: int) -> tuple[Tensor, Tensor] | None:
    """Return the mean and the standard deviation of each channel over all positions and all rows of a sample.

    Parameters
    ----------
    values : (row, *axes) Tensor
        The rows of all samples; the rows of a sample stand side by side.
    axis : int
        The axis of the channels, counted from the first axis after the rows.
    samples : int
        The number of samples.

    Returns
    -------
    (mean, deviation) or None
        Each (sample, channel). The deviation is 0 where a channel has a single position. None where the number of rows is no
        multiple of the number of samples, or there are no numbers.

    Examples
    --------
    >>> import torch
    >>> mean, deviation = channel_statistics(torch.tensor([[[1.0, 3.0], [5.0, 5.0]]]), 0, 1)
    >>> mean.tolist(), deviation.tolist()
    ([[2.0, 5.0]], [[1.0, 0.0]])
    """
    if values.ndim < 2 or len(values) % samples or not values.numel():
        return None
    channels = values.movedim(min(1 + axis, values.ndim - 1), 1).flatten(2) if values.ndim > 2 else values[:, :, None]
    places = channels.reshape(samples, -1, *channels.shape[1:]).movedim(1, 2).flatten(2)
    mean = places.mean(2)
    # The root of a variance of exactly 0 has no slope; the added number is below what float32 tells apart.
    variance = (places - mean[:, :, None]).square().mean(2)
    return mean, (variance + 1e-20).sqrt() * (variance > 0)
