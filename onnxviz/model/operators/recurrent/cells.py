"""Cells of RNN, GRU and LSTM in ONNX's order of gates, and the loop that takes a cell along a sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz import kinks
from onnxviz.model.operators.recurrent.activations import Activation

State = tuple[Tensor, ...]
"""The state of a cell: (hidden,) or (hidden, cell), each (batch, hidden size)."""

Recurrence = Callable[[Tensor, Tensor], Tensor]
"""Adds the product of the hidden state to the projected input of the gates: (batch, gates), (batch, hidden size) -> (batch, gates)."""

Cell = Callable[[Tensor, State], State]
"""Takes the projected input of the gates and a state, and returns the next state."""


def linear_recurrence(weight: Tensor) -> Recurrence:
    """Return a recurrence by a matrix, ``projected + hidden @ weight.T``, in a single call.

    Parameters
    ----------
    weight : (gates, hidden size)
    """
    transposed = weight.t()
    return lambda projected, hidden: torch.addmm(projected, hidden, transposed)


def _clipped(value: Tensor, clip: float | None) -> Tensor:
    return value if clip is None else kinks.clamped(value, -clip, clip)


@dataclass(frozen=True)
class RnnCell:
    """The simple cell: ``h = f(projected + h R^T)``.

    Attributes
    ----------
    recurrence : Recurrence
    function : Activation
    clip : float or None
        Bound of the argument of the activation. None stands for no bound.
    """

    recurrence: Recurrence
    function: Activation
    clip: float | None

    def __call__(self, projected: Tensor, state: State) -> State:
        """Return the state after a step."""
        return (self.function(_clipped(self.recurrence(projected, state[0]), self.clip)),)


@dataclass(frozen=True)
class GruCell:
    """The gated recurrent unit. Its gates have the order z (update), r (reset), h (hidden).

    Attributes
    ----------
    weight : (3 * hidden size, hidden size)
        The recurrent weight.
    bias : (3 * hidden size,) or None
        Added to the product of the state and `weight` before the reset gate acts. None if the projected input holds all biases.
    reset_last : bool
        Whether the reset gate acts on the product of the state and `weight` instead of on the state (``linear_before_reset``).
    functions : tuple of Activation
        f of the gates z and r, then g of the gate h.
    clip : float or None
        Bound of the arguments of the activations. None stands for no bound.
    """

    weight: Tensor
    bias: Tensor | None
    reset_last: bool
    functions: tuple[Activation, Activation]
    clip: float | None

    def __call__(self, projected: Tensor, state: State) -> State:
        """Return the state after a step."""
        (h,) = state
        f, g = self.functions
        two = 2 * h.shape[1]
        if self.reset_last:
            recurrent = F.linear(h, self.weight, self.bias)
            gates = projected[:, :two] + recurrent[:, :two]
        else:
            gates = torch.addmm(projected[:, :two], h, self.weight[:two].t())
        z, r = f(_clipped(gates, self.clip)).chunk(2, 1)
        if self.reset_last:
            candidate = projected[:, two:] + r * recurrent[:, two:]
        else:
            candidate = torch.addmm(projected[:, two:], r * h, self.weight[two:].t())
        candidate = g(_clipped(candidate, self.clip))
        return (candidate + z * (h - candidate),)


@dataclass(frozen=True)
class LstmCell:
    """The cell of long short-term memory. Its gates have the order i (input), o (output), f (forget), c (cell).

    Attributes
    ----------
    recurrence : Recurrence
    functions : tuple of Activation
        f of the gates i, o and f, then g of the cell gate, then h of the cell.
    clip : float or None
        Bound of the arguments of f and g. As in ONNX Runtime, the argument of h has no bound.
    peepholes : tuple of Tensor or None
        Weights of the cell for the gates i, o and f, each (hidden size,).
    coupled : bool
        Whether the forget gate is 1 minus the input gate (``input_forget``).
    """

    recurrence: Recurrence
    functions: tuple[Activation, Activation, Activation]
    clip: float | None
    peepholes: tuple[Tensor, ...] | None
    coupled: bool

    def __call__(self, projected: Tensor, state: State) -> State:
        """Return the state after a step."""
        hidden, cell = state
        gate, squash, emit = self.functions
        summed = self.recurrence(projected, hidden)
        if self.peepholes is None:
            gates, c = summed.split_with_sizes([3 * hidden.shape[1], hidden.shape[1]], 1)
            i, o, f = gate(_clipped(gates, self.clip)).chunk(3, 1)
        else:
            i, o, f, c = summed.chunk(4, 1)
            i = gate(_clipped(i + self.peepholes[0] * cell, self.clip))
            f = gate(_clipped(f + self.peepholes[2] * cell, self.clip))
        if self.coupled:
            f = 1 - i
        cell = f * cell + i * squash(_clipped(c, self.clip))
        if self.peepholes is not None:
            o = gate(_clipped(o + self.peepholes[1] * cell, self.clip))
        return o * emit(cell), cell


def scan(cell: Cell, projected: Tensor, state: State, lengths: Sequence[int] | None) -> tuple[Tensor, State]:
    """Return the hidden states and the last state of a cell that is taken along a sequence.

    Parameters
    ----------
    cell : Cell
    projected : (time, batch, gates)
        The projected input of the gates.
    state : State
        The initial state.
    lengths : sequence of int, or None
        The number of steps of each sequence of the batch. None if every sequence has all steps.

    Returns
    -------
    hidden : (time, batch, hidden size)
        The hidden state after each step. It is zero beyond the end of a sequence.
    state : State
        The state at the end of each sequence. As in ONNX Runtime, it is zero for an empty sequence.
    """
    if projected.shape[0] == 0:
        empty = state if lengths is None else tuple(torch.zeros_like(part) for part in state)
        return state[0].new_zeros((0, *state[0].shape)), empty
    states: list[State] = []
    if lengths is None:
        for step in projected.unbind(0):
            state = cell(step, state)
            states.append(state)
        return torch.stack([each[0] for each in states]), state
    ends = torch.tensor(lengths, device=projected.device)[:, None]
    for time, step in enumerate(projected.unbind(0)):
        hidden, *rest = cell(step, state)
        # The hidden state of a sequence that has ended is zero. Only the rounding of DynamicQuantizeLSTM reads it, because its range is
        # that of the whole batch.
        state = (torch.where(ends > time, hidden, 0.0), *rest)
        states.append(state)
    parts = [torch.stack(part) for part in zip(*states, strict=True)]
    place = (ends - 1).clamp(min=0).expand(state[0].shape)[None]
    last = tuple(torch.where(ends > 0, part.gather(0, place)[0], 0.0) for part in parts)
    return parts[0], last


def reversed_in_time(sequence: Tensor, lengths: Sequence[int] | None) -> Tensor:
    """Return sequences with their first `lengths` steps reversed. Later steps stay in place.

    Parameters
    ----------
    sequence : (time, batch, size)
    lengths : sequence of int, or None
        None if every sequence has all steps.
    """
    if lengths is None:
        return sequence.flip(0)
    time = torch.arange(sequence.shape[0], device=sequence.device)[:, None]
    ends = torch.tensor(lengths, device=sequence.device)
    position = torch.where(time < ends, ends - 1 - time, time)
    return sequence.gather(0, position[..., None].expand(sequence.shape))
