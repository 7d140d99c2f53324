"""Trains a small torch classifier so that the same seed, machine and versions give the same weights to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


def fit(
    network: nn.Module,
    inputs: np.ndarray,
    labels: np.ndarray,
    *,
    epochs: int,
    batch: int,
    rate: float,
    decay: float = 1e-4,
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    parameters: Iterable[nn.Parameter] | None = None,
) -> nn.Module:
    """Minimize the cross entropy with AdamW, its rate rising over the first tenth and falling to zero at the end.

    Parameters
    ----------
    network : torch.nn.Module
        From `inputs` to logits, (batch, class). It is changed in place.
    inputs : (sample, ...) array
        In the network's own units and data type.
    labels : (sample,) int array
        Class indices.
    epochs : int
        How often every sample is seen.
    batch : int
        Samples per step.
    rate : float
        The highest learning rate.
    decay : float
        AdamW's weight decay.
    augment : callable, optional
        Changes a batch at random; it gets the batch and the generator to draw from.
    parameters : iterable of torch.nn.Parameter, optional
        What to train; everything by default.

    Returns
    -------
    torch.nn.Module
        `network`, in evaluation mode.
    """
    generator = torch.Generator().manual_seed(0)
    x, y = torch.from_numpy(inputs), torch.from_numpy(np.asarray(labels, dtype=np.int64))
    steps = epochs * -(-len(x) // batch)
    optimizer = torch.optim.AdamW(
        network.parameters() if parameters is None else parameters, lr=rate, weight_decay=decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / (0.1 * steps)) * (1 - step / steps)
    )
    network.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(x), generator=generator).split(batch):
            sample = x[chosen] if augment is None else augment(x[chosen], generator)
            optimizer.zero_grad()
            F.cross_entropy(network(sample), y[chosen]).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def parameter_arrays(module: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight and the bias of a convolution or a linear layer as arrays."""
    return module.weight.detach().numpy(), module.bias.detach().numpy()
