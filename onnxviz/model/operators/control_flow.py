"""If, Loop and Scan: bodies that run once or many times. Gradients pass through every turn."""

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
    """Run one of two bodies."""
    return then_branch() if cond else else_branch()


@operator("Loop", since=1)
def loop(M: Int | None = None, cond: Bool | None = None, *v_initial: Any, body: Subgraph) -> tuple[Any, ...]:
    """Run a body until it says no, at most M times.

    Parameters
    ----------
    M : int, optional
        The most turns.
    cond : bool, optional
        Whether to take the first turn. Each turn decides about the next, whether or not this is given, as in ONNX
        Runtime.
    *v_initial : Tensor or list of Tensor
        What the first turn is given; each turn is given what the turn before returned.
    body : Subgraph
        Takes the turn's number, the condition and the carried values; returns the condition, the carried values and
        what to collect.

    Returns
    -------
    tuple
        The carried values at the end, then for each thing collected a tensor whose first axis is the turns.

    Raises
    ------
    AllocationError
        If it takes more than `MOST_ITERATIONS` turns.
    EvaluationError
        If no turn is taken and the shape of what it would have collected is unknown.
    """
    carried = list(v_initial)
    goes_on = torch.tensor(cond is None or cond)
    collected: list[list[Tensor]] = [[] for _ in body.output_names[1 + len(carried) :]]
    turn = 0
    while (M is None or turn < M) and bool(goes_on):
        if turn == MOST_ITERATIONS:
            raise AllocationError(f"Loop takes more than {MOST_ITERATIONS:,} turns; no more are allowed")
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
    """Return what a body that takes no turn collects: empty tensors whose other axes one trial shows.

    Parameters
    ----------
    body : Subgraph
        The body.
    inputs : sequence
        What its first turn would be given.
    skipped : int
        How many of its outputs are not collected.
    axes : sequence of int
        For each thing collected, the axis of the turns.
    """
    try:
        with torch.no_grad():
            results = body(*inputs)[skipped:]
    except OnnxvizError as error:
        raise EvaluationError(
            f"a body that is never run collects tensors whose shape is unknown: tried, it fails ({error})"
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
    """Run a body for each entry of an axis, forward or backward, and carry a state along.

    Parameters
    ----------
    *initial_state_and_scan_inputs : Tensor
        The states at the start, then `num_scan_inputs` tensors to go through.
    body : Subgraph
        Takes the states and one entry of each tensor; returns the states and what to collect.
    scan_input_axes, scan_output_axes : sequence of int, optional
        For each tensor the axis to go along, or to collect along; 0 by default.
    scan_input_directions, scan_output_directions : sequence of int, optional
        1 to go backward, or to collect in reverse.

    Returns
    -------
    tuple of Tensor
        The states at the end, then what is collected.
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
    """Run a body for each entry of axis 1, separately for each entry of axis 0.

    Parameters
    ----------
    sequence_lens : tuple of int, optional
        For each batch entry, how many entries of axis 1 there are; what is collected is filled up with zeros.
    *initial_state_and_scan_inputs : Tensor
        (batch, …) states, then (batch, time, …) tensors.
    directions : sequence of int, optional
        For each tensor, 1 to go backward.
    """
    count = len(initial_state_and_scan_inputs) - num_scan_inputs
    first = initial_state_and_scan_inputs[count]
    batch, most = first.shape[:2]
    lengths = (most,) * batch if sequence_lens is None else sequence_lens
    if len(lengths) != batch or not all(0 <= length <= most for length in lengths):
        raise EvaluationError(
            f"Scan with the lengths {list(lengths)} over a batch of {batch} with {most} steps; "
            "one length for each, none longer than that, would do"
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
    """Return the entries of each tensor in the order in which they are gone through."""
    sequences = [tensor.unbind(axis) for tensor, axis in zip(tensors, axes, strict=True)]
    if len({len(entries) for entries in sequences}) > 1:
        lengths = ", ".join(str(len(entries)) for entries in sequences)
        raise EvaluationError(f"Scan over tensors with {lengths} steps; they must be equally long")
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
