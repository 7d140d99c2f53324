"""torch's own recurrent kernels with ONNX weights. They are several times faster than the loop, but know only plain cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from onnxviz.model.operators.recurrent.cells import State

SHORTEST = 4
"""The smallest number of steps at which the kernels are faster. They take the gates in another order, which costs a copy of the weights."""

# For each kernel the numbers of the ONNX gates in torch's order.
_ORDER = {"lstm": (0, 2, 3, 1), "gru": (1, 0, 2), "rnn_tanh": (0,), "rnn_relu": (0,)}
_KERNELS: dict[str, Callable[..., Any]] = {
    "lstm": torch.lstm,
    "gru": torch.gru,
    "rnn_tanh": torch.rnn_tanh,
    "rnn_relu": torch.rnn_relu,
}


def run_fused(
    kernel: str, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None, state: State, lengths: Sequence[int] | None
) -> tuple[Tensor, State]:
    """Return the hidden states and the last state of a layer that runs forward or in both directions.

    Parameters
    ----------
    kernel : str
        "lstm", "gru", "rnn_tanh" or "rnn_relu".
    x : (time, batch, input size)
    w : (directions, gates * hidden size, input size)
    r : (directions, gates * hidden size, hidden size)
    b : (directions, 2 * gates * hidden size) or None
    state : State
        The initial state, each part (directions, batch, hidden size).
    lengths : sequence of int, or None
        The number of steps of each sequence, at least 1. None if every sequence has all steps.

    Returns
    -------
    hidden : (time, directions, batch, hidden size)
    state : State
        The last state, each part (directions, batch, hidden size).
    """
    directions = w.shape[0]
    weights = _weights(kernel, w, r, b)
    # Only in training mode cuDNN keeps the values that the backward pass needs. Without dropout the mode does not change the outputs.
    settings = (weights, b is not None, 1, 0.0, torch.is_grad_enabled(), directions == 2)
    if lengths is None:
        hidden, *last = _KERNELS[kernel](x, _states(state), *settings, False)
    else:
        packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
        state = tuple(part[:, packed.sorted_indices] for part in state)
        data, *last = _KERNELS[kernel](packed.data, packed.batch_sizes, _states(state), *settings)
        hidden, _ = pad_packed_sequence(packed._replace(data=data), total_length=x.shape[0])
        last = [part[:, packed.unsorted_indices] for part in last]
    return hidden.unflatten(2, (directions, -1)).transpose(1, 2), tuple(last)


def _states(state: State) -> State | Tensor:
    whole = tuple(part.contiguous() for part in state)  # cuDNN requires it
    return whole if len(whole) == 2 else whole[0]


def _weights(kernel: str, w: Tensor, r: Tensor, b: Tensor | None) -> list[Tensor]:
    """Return torch's list of weights: for each direction input weight, recurrent weight, input bias and recurrent bias."""
    order = list(_ORDER[kernel])
    directions, gates = w.shape[0], len(order)
    if gates > 1:
        w = torch.unflatten(w, 1, (gates, -1))[:, order].flatten(1, 2)
        r = torch.unflatten(r, 1, (gates, -1))[:, order].flatten(1, 2)
        b = None if b is None else torch.unflatten(b, 1, (2, gates, -1))[:, :, order].flatten(1)
    if w.is_cuda:
        w, r, b = _in_one_chunk(w, r, b)
    weights = []
    for direction in range(directions):
        weights += [w[direction], r[direction]]
        if b is not None:
            weights += b[direction].chunk(2)
    return weights


def _in_one_chunk(w: Tensor, r: Tensor, b: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return the weights in a single piece of memory, all matrices before all biases. cuDNN warns and copies if they are scattered."""
    matrices = torch.cat((w.flatten(1), r.flatten(1)), 1)
    if b is not None:
        buffer = torch.cat((matrices.flatten(), b.flatten()))
        matrices, b = buffer[: matrices.numel()].view(matrices.shape), buffer[matrices.numel() :].view(b.shape)
    end = w[0].numel()
    return torch.unflatten(matrices[:, :end], 1, w.shape[1:]), torch.unflatten(matrices[:, end:], 1, r.shape[1:]), b
