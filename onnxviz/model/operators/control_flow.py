"""If, Loop and Scan: operators that run a graph once or for many turns. Gradients pass through every turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from onnxviz.errors import AllocationError, EvaluationError, OnnxvizError
from onnxviz.model.operators.declaration import Bool, Int, Ints, Subgraph, operator
from onnxviz.model.operators.shapes.allocation import MOST_ITERATIONS


@operator("If", since=1)
def if_(cond: Bool, *, then_branch: Subgraph, else_branch: Subgraph) -> tuple[Any, ...]:
    """Run the branch that the condition selects and return its outputs (ONNX If 1 to 25)."""
    return then_branch() if cond else else_branch()


@operator("Loop", since=1)
def loop(M: Int | None = None, cond: Bool | None = None, *v_initial: Any, body: Subgraph) -> tuple[Any, ...]:
    """Run a body turn after turn and return the carried values and the collected tensors (ONNX Loop 1 to 25).

    The turns end when the body returns a false condition, or after M turns.

    Parameters
    ----------
    M : int, optional
        The largest number of turns. Without M there is no limit but `MOST_ITERATIONS`.
    cond : bool, optional
        Whether to take the first turn. As in ONNX Runtime, the condition that a turn returns decides about the next turn even if `cond`
        is left out.
    *v_initial : Tensor or list of Tensor
        The carried values of the first turn. Every later turn takes the carried values that the turn before returned.
    body : Subgraph
        Takes the number of the turn, the condition and the carried values. Returns the condition, the carried values and the values to
        collect.

    Returns
    -------
    tuple
        The carried values after the last turn, then the collected tensors. The first axis of a collected tensor is the turn.

    Raises
    ------
    AllocationError
        If the loop takes more than `MOST_ITERATIONS` turns.
    EvaluationError
        If no turn is taken and the shapes of the collected tensors are unknown.
    """
    carried = list(v_initial)
    goes_on = torch.tensor(cond is None or cond)
    collected: list[list[Tensor]] = [[] for _ in body.output_names[1 + len(carried) :]]
    turn = 0
    while (M is None or turn < M) and bool(goes_on):
        if turn == MOST_ITERATIONS:
            raise AllocationError(f"Loop takes more than {MOST_ITERATIONS:,} turns, the largest number that is allowed")
        goes_on, *results = body(torch.tensor(turn), goes_on, *carried)
        carried = results[: len(carried)]
        for values, value in zip(collected, results[len(carried) :], strict=True):
            values.append(value)
        turn += 1
    if turn == 0 and collected:
        return (
            *carried,
            *_nothing(body, (torch.tensor(0), torch.tensor(True), *carried), 1 + len(carried), (0,) * len(collected)),
        )
    return (*carried, *(torch.stack(values) for values in collected))


def _nothing(body: Subgraph, inputs: Sequence[Any], skipped: int, axes: Sequence[int]) -> list[Tensor]:
    """Return the collected tensors of a loop without turns. They are empty along the axis of the turns.

    A trial run of the body gives the sizes of the other axes.

    Parameters
    ----------
    body : Subgraph
        The body of the loop.
    inputs : sequence
        The inputs of the trial run.
    skipped : int
        Number of the first outputs of the body, which are not collected.
    axes : sequence of int
        The axis of the turns in each collected tensor.

    Raises
    ------
    EvaluationError
        If the trial run fails.
    """
    try:
        with torch.no_grad():
            results = body(*inputs)[skipped:]
    except OnnxvizError as error:
        raise EvaluationError(
            f"the loop takes no turn, so the shapes of its collected tensors are unknown: a trial run of the body fails ({error})"
        ) from None
    return [value.unsqueeze(axis).narrow(axis, 0, 0) for value, axis in zip(results, axes, strict=True)]


@operator("Scan", since=9)
def scan(
    *initial_state_and_scan_inputs: Tensor,
    body: Subgraph,
    num_scan_inputs: int,
    scan_input_axes: Sequence[int] | None = None,
    scan_input_directions: Sequence[int] | None = None,
    scan_output_axes: Sequence[int] | None = None,
    scan_output_directions: Sequence[int] | None = None,
) -> tuple[Tensor, ...]:
    """Run a body for each entry of an axis and return the last states and the collected tensors (ONNX Scan 9 to 25).

    Parameters
    ----------
    *initial_state_and_scan_inputs : Tensor
        The initial states, then `num_scan_inputs` tensors whose entries are taken turn by turn.
    body : Subgraph
        Takes the states and an entry of each tensor. Returns the next states and the values to collect.
    scan_input_axes, scan_output_axes : sequence of int, optional
        For each input tensor the axis of its entries, and for each collected tensor the axis of the turns. The default is 0.
    scan_input_directions, scan_output_directions : sequence of int, optional
        For each tensor, 1 to take its entries backward, or to collect them in reverse order.

    Returns
    -------
    tuple of Tensor
        The last states, then the collected tensors.
    """
    count = len(initial_state_and_scan_inputs) - num_scan_inputs
    states, tensors = initial_state_and_scan_inputs[:count], initial_state_and_scan_inputs[count:]
    axes = scan_input_axes or (0,) * num_scan_inputs
    outputs = len(body.output_names) - count
    sequences = _entries(tensors, axes, scan_input_directions or (0,) * num_scan_inputs)
    return _scanned(
        body,
        states,
        tensors,
        sequences,
        axes,
        scan_output_axes or (0,) * outputs,
        scan_output_directions or (0,) * outputs,
    )


@operator("Scan", since=8, until=8)
def scan_8(
    sequence_lens: Ints | None = None,
    *initial_state_and_scan_inputs: Tensor,
    body: Subgraph,
    num_scan_inputs: int,
    directions: Sequence[int] | None = None,
) -> tuple[Tensor, ...]:
    """Run a body along axis 1 of each batch entry and return the last states and the collected tensors (ONNX Scan 8).

    Parameters
    ----------
    sequence_lens : tuple of int, optional
        The number of steps of each batch entry. Zeros fill the collected tensors behind the last step.
    *initial_state_and_scan_inputs : Tensor
        The initial states (batch, …), then tensors (batch, time, …).
    directions : sequence of int, optional
        For each tensor, 1 to take its entries backward.

    Raises
    ------
    EvaluationError
        If the lengths do not fit the tensors.
    """
    count = len(initial_state_and_scan_inputs) - num_scan_inputs
    first = initial_state_and_scan_inputs[count]
    batch, most = first.shape[:2]
    lengths = (most,) * batch if sequence_lens is None else sequence_lens
    if len(lengths) != batch or not all(0 <= length <= most for length in lengths):
        raise EvaluationError(
            f"Scan has the lengths {list(lengths)} for a batch of {batch} with {most} steps; "
            "give each batch entry a length from 0 to the number of steps"
        )
    outputs = len(body.output_names) - count
    results = []
    for entry, length in enumerate(lengths):
        states = [state[entry] for state in initial_state_and_scan_inputs[:count]]
        tensors = [tensor[entry, :length] for tensor in initial_state_and_scan_inputs[count:]]
        sequences = _entries(tensors, (0,) * num_scan_inputs, directions or (0,) * num_scan_inputs)
        found = _scanned(body, states, tensors, sequences, (0,) * num_scan_inputs, (0,) * outputs, (0,) * outputs)
        filled = [torch.cat([value, value.new_zeros(most - length, *value.shape[1:])]) for value in found[count:]]
        results.append([*found[:count], *filled])
    return tuple(torch.stack(values) for values in zip(*results, strict=True))


def _entries(tensors: Sequence[Tensor], axes: Sequence[int], directions: Sequence[int]) -> list[Sequence[Tensor]]:
    """Return the entries of each tensor in the order in which the turns take them."""
    sequences = [tensor.unbind(axis) for tensor, axis in zip(tensors, axes, strict=True)]
    if len({len(entries) for entries in sequences}) > 1:
        lengths = ", ".join(str(len(entries)) for entries in sequences)
        raise EvaluationError(f"Scan goes over tensors with {lengths} steps; all must have the same number of steps")
    return [entries[::-1] if backward else entries for entries, backward in zip(sequences, directions, strict=True)]


def _scanned(
    body: Subgraph,
    states: Sequence[Tensor],
    tensors: Sequence[Tensor],
    sequences: Sequence[Sequence[Tensor]],
    axes: Sequence[int],
    output_axes: Sequence[int],
    output_directions: Sequence[int],
) -> tuple[Tensor, ...]:
    count = len(states)
    state: Sequence[Tensor] = states
    collected: list[list[Tensor]] = [[] for _ in output_axes]
    for entries in zip(*sequences, strict=True):
        results = body(*state, *entries)
        state = results[:count]
        for values, value in zip(collected, results[count:], strict=True):
            values.append(value)
    if collected and not collected[0]:
        blank = [
            tensor.new_zeros(tensor.shape[:place] + tensor.shape[place + 1 :])
            for tensor, place in _placed(tensors, axes)
        ]
        return (*state, *_nothing(body, (*states, *blank), count, output_axes))
    joined = [
        torch.stack(values[::-1] if backward else values, axis)
        for values, axis, backward in zip(collected, output_axes, output_directions, strict=True)
    ]
    return (*state, *joined)


def _placed(tensors: Sequence[Tensor], axes: Sequence[int]) -> list[tuple[Tensor, int]]:
    return [(tensor, axis % tensor.dim()) for tensor, axis in zip(tensors, axes, strict=True)]
