"""RNN, GRU and LSTM: checks of the inputs, the choice between torch's kernels and the loop, and the layout of the outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Ints, operator
from onnxviz.model.operators.recurrent.activations import activation_names, activations_of
from onnxviz.model.operators.recurrent.cells import (
    Cell,
    GruCell,
    LstmCell,
    RnnCell,
    State,
    linear_recurrence,
    reversed_in_time,
    scan,
)
from onnxviz.model.operators.recurrent.fused import SHORTEST, run_fused

# The schema of GRU 1 has the misspelled default "foward".
_DIRECTIONS = {"forward": 1, "foward": 1, "reverse": 1, "bidirectional": 2}


@dataclass(frozen=True)
class Layer:
    """The checked inputs that RNN, GRU and LSTM share, in time-major order.

    Attributes
    ----------
    x : (time, batch, input size)
    state : State
        The initial state, each part (directions, batch, hidden size).
    lengths : tuple of int or None
        The number of steps of each sequence. None if every sequence has all steps.
    direction : str
        "forward", "reverse" or "bidirectional".
    layout : int
        The layout of the outputs: 0 time-major, 1 batch-major.
    clip : float or None
        Bound of the arguments of the activations. None stands for no bound.
    """

    x: Tensor
    state: State
    lengths: tuple[int, ...] | None
    direction: str
    layout: int
    clip: float | None

    @property
    def may_fuse(self) -> bool:
        """Whether torch's kernels can run these sequences: there are enough steps, no sequence is empty, and nothing is clipped."""
        long_enough = self.x.shape[0] >= SHORTEST and self.x.shape[1] > 0
        return self.clip is None and long_enough and min(self.lengths or (1,)) > 0

    def fused(self, kernel: str, w: Tensor, r: Tensor, b: Tensor | None) -> tuple[Tensor, ...]:
        """Return the outputs of the node, computed by a kernel of torch. See `run_fused`."""
        if self.direction != "reverse":
            return self._laid_out(*run_fused(kernel, self.x, w, r, b, self.state, self.lengths))
        backward = reversed_in_time(self.x, self.lengths)
        hidden, state = run_fused(kernel, backward, w, r, b, self.state, self.lengths)
        return self._laid_out(reversed_in_time(hidden[:, 0], self.lengths)[:, None], state)

    def looped(self, steps: Sequence[tuple[Callable[[Tensor], Tensor], Cell]]) -> tuple[Tensor, ...]:
        """Return the outputs of the node, computed by the loop. Each direction has a projection of the whole input and a cell."""
        time = self.x.shape[0]
        longest = time if self.lengths is None else max(self.lengths, default=0)
        hiddens, states = [], []
        for index, (project, cell) in enumerate(steps):
            backward = self.direction == "reverse" or index == 1
            x = self.x[:longest]
            projected = project(reversed_in_time(x, self.lengths) if backward else x)
            hidden, state = scan(cell, projected, tuple(part[index] for part in self.state), self.lengths)
            hiddens.append(reversed_in_time(hidden, self.lengths) if backward else hidden)
            states.append(state)
        hidden = torch.stack(hiddens, 1)
        if longest < time:
            hidden = F.pad(hidden, (0, 0, 0, 0, 0, 0, 0, time - longest))
        return self._laid_out(hidden, tuple(torch.stack(parts) for parts in zip(*states, strict=True)))

    def _laid_out(self, hidden: Tensor, state: State) -> tuple[Tensor, ...]:
        """Return hidden (time, directions, batch, size) and state (directions, batch, size) in the layout of the node."""
        if self.layout == 0:
            return (hidden, *state)
        return (hidden.permute(2, 0, 1, 3), *(part.transpose(0, 1) for part in state))


def layer_of(
    x: Tensor,
    hidden_size: int,
    declared_size: int | None,
    directions: int,
    direction: str,
    layout: int,
    clip: float | None,
    lengths: tuple[int, ...] | None,
    *states: Tensor | None,
) -> Layer:
    """Return the checked inputs of a node.

    Parameters
    ----------
    x : Tensor
        (time, batch, input size), or (batch, time, input size) if `layout` is 1.
    hidden_size, declared_size : int
        The hidden size of the recurrent weight, and that of the attribute.
    directions : int
        The number of directions of the weight.
    direction, layout, clip
        Attributes of the node.
    lengths : tuple of int or None
        The input ``sequence_lens``.
    *states : Tensor or None
        The initial states. None stands for zeros.

    Raises
    ------
    EvaluationError
        If attributes and shapes contradict each other.
    """
    if direction.lower() not in _DIRECTIONS:
        raise EvaluationError(f"direction is {direction!r}; it must be forward, reverse or bidirectional")
    if directions != _DIRECTIONS[direction.lower()]:
        raise EvaluationError(
            f"direction is {direction!r}, but the weights are those of {directions} direction(s); they must agree"
        )
    if declared_size is not None and declared_size != hidden_size:
        raise EvaluationError(
            f"hidden_size is {declared_size}, but that of the recurrent weight is {hidden_size}; they must be equal"
        )
    if clip is not None and clip <= 0:
        raise EvaluationError(f"clip is {clip}; a threshold must be positive")
    if layout:
        x = x.transpose(0, 1)
        states = tuple(part if part is None else part.transpose(0, 1) for part in states)
    time, batch = x.shape[0], x.shape[1]
    if lengths is not None:
        if len(lengths) != batch:
            raise EvaluationError(
                f"sequence_lens has {len(lengths)} lengths for a batch of {batch}; give each sequence a length"
            )
        if any(not 0 <= length <= time for length in lengths):
            raise EvaluationError(
                f"sequence_lens is {list(lengths)}; each must lie between 0 and the {time} steps of X"
            )
        if all(length == time for length in lengths):
            lengths = None
    zeros = x.new_zeros((directions, batch, hidden_size))
    initial = tuple(zeros if part is None else part for part in states)
    return Layer(x, initial, lengths, direction.lower(), layout, clip)


def _input_projection(weight: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    return lambda x: F.linear(x, weight, bias)


def summed_bias(b: Tensor | None, direction: int) -> Tensor | None:
    """Return the sum of the input bias and the recurrent bias of a direction."""
    return None if b is None else b[direction].view(2, -1).sum(0)


@operator("RNN", ignored=("output_sequence",))  # Y is always computed. A node that does not need it does not name it
def rnn(
    X: Tensor,
    W: Tensor,
    R: Tensor,
    B: Tensor | None = None,
    sequence_lens: Ints | None = None,
    initial_h: Tensor | None = None,
    *,
    activations: Sequence[str] | None = None,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    layout: int = 0,
) -> tuple[Tensor, ...]:
    """Return Y and Y_h of a simple recurrent layer (ONNX RNN 1, 7, 14 and 22)."""
    directions = W.shape[0]
    layer = layer_of(X, R.shape[2], hidden_size, directions, direction, layout, clip, sequence_lens, initial_h)
    names = activation_names(activations, ("tanh",), directions)
    if layer.may_fuse and names[0] in ("tanh", "relu") and len(set(names)) == 1:
        return layer.fused(f"rnn_{names[0]}", W, R, B)
    functions = activations_of(names, activation_alpha, activation_beta)
    return layer.looped(
        [
            (_input_projection(W[d], summed_bias(B, d)), RnnCell(linear_recurrence(R[d]), functions[d], clip))
            for d in range(directions)
        ]
    )


@operator("GRU", ignored=("output_sequence",))  # see RNN
def gru(
    X: Tensor,
    W: Tensor,
    R: Tensor,
    B: Tensor | None = None,
    sequence_lens: Ints | None = None,
    initial_h: Tensor | None = None,
    *,
    activations: Sequence[str] | None = None,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    layout: int = 0,
    linear_before_reset: int = 0,
) -> tuple[Tensor, ...]:
    """Return Y and Y_h of a layer of gated recurrent units (ONNX GRU 1, 3, 7, 14 and 22)."""
    directions = W.shape[0]
    layer = layer_of(X, R.shape[2], hidden_size, directions, direction, layout, clip, sequence_lens, initial_h)
    names = activation_names(activations, ("sigmoid", "tanh"), directions)
    if layer.may_fuse and linear_before_reset and names == ("sigmoid", "tanh") * directions:
        return layer.fused("gru", W, R, B)
    functions = activations_of(names, activation_alpha, activation_beta)
    steps = []
    for d in range(directions):
        input_bias, recurrent_bias = summed_bias(B, d), None
        if B is not None and linear_before_reset:
            input_bias, recurrent_bias = B[d].chunk(2)
        pair = (functions[2 * d], functions[2 * d + 1])
        cell = GruCell(R[d], recurrent_bias, bool(linear_before_reset), pair, clip)
        steps.append((_input_projection(W[d], input_bias), cell))
    return layer.looped(steps)


@operator("LSTM", ignored=("output_sequence",))  # see RNN
def lstm(
    X: Tensor,
    W: Tensor,
    R: Tensor,
    B: Tensor | None = None,
    sequence_lens: Ints | None = None,
    initial_h: Tensor | None = None,
    initial_c: Tensor | None = None,
    P: Tensor | None = None,
    *,
    activations: Sequence[str] | None = None,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    input_forget: int = 0,
    layout: int = 0,
) -> tuple[Tensor, ...]:
    """Return Y, Y_h and Y_c of a layer of long short-term memory (ONNX LSTM 1, 7, 14 and 22)."""
    directions = W.shape[0]
    layer = layer_of(
        X, R.shape[2], hidden_size, directions, direction, layout, clip, sequence_lens, initial_h, initial_c
    )
    names = activation_names(activations, ("sigmoid", "tanh", "tanh"), directions)
    plain = names == ("sigmoid", "tanh", "tanh") * directions
    if layer.may_fuse and plain and P is None and not input_forget:
        return layer.fused("lstm", W, R, B)
    functions = activations_of(names, activation_alpha, activation_beta)
    steps = []
    for d in range(directions):
        triple = (functions[3 * d], functions[3 * d + 1], functions[3 * d + 2])
        peepholes = None if P is None else P[d].chunk(3)
        cell = LstmCell(linear_recurrence(R[d]), triple, clip, peepholes, bool(input_forget))
        steps.append((_input_projection(W[d], summed_bias(B, d)), cell))
    return layer.looped(steps)
