"""Sequences and optionals: a sequence is a list of tensors, never changed in place; an absent optional is None."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, Int, Subgraph, operator


@operator("SequenceConstruct", since=11)
def sequence_construct(*inputs: Tensor) -> list[Tensor]:
    """Make a sequence of tensors."""
    return list(inputs)


# An empty list has no element type.
@operator("SequenceEmpty", since=11, ignored=("dtype",))
def sequence_empty() -> list[Tensor]:
    """Make a sequence of nothing."""
    return []


@operator("SequenceAt", since=11)
def sequence_at(input_sequence: list[Tensor], position: Int) -> Tensor:
    """Return one tensor of a sequence."""
    return input_sequence[_place(position, len(input_sequence), "SequenceAt")]


@operator("SequenceInsert", since=11)
def sequence_insert(input_sequence: list[Tensor], tensor: Tensor, position: Int | None = None) -> list[Tensor]:
    """Return a sequence with a tensor more, by default at its end."""
    size = len(input_sequence)
    if position is None or position == size:
        return [*input_sequence, tensor]
    place = _place(position, size, "SequenceInsert")
    return [*input_sequence[:place], tensor, *input_sequence[place:]]


@operator("SequenceErase", since=11)
def sequence_erase(input_sequence: list[Tensor], position: Int | None = None) -> list[Tensor]:
    """Return a sequence with a tensor less, by default the last."""
    place = _place(-1 if position is None else position, len(input_sequence), "SequenceErase")
    return [*input_sequence[:place], *input_sequence[place + 1 :]]


def _place(position: int, size: int, what: str) -> int:
    if not -size <= position < size:
        raise EvaluationError(f"{what} at position {position} of a sequence of {size}; {-size} to {size - 1} would do")
    return position % size


@operator("SequenceLength", since=11, gradient=Gradient.ZERO)
def sequence_length(input_sequence: list[Tensor]) -> Tensor:
    """Return the number of tensors, int64, on the CPU."""
    return torch.tensor(len(input_sequence))


def _lengths(split: Tensor) -> int | tuple[int, ...]:
    """Return the length of all parts as a number, or the length of each."""
    return int(split.item()) if split.dim() == 0 else tuple(int(length) for length in split.tolist())


Lengths = Annotated[int | tuple[int, ...], _lengths]


@operator("SplitToSequence", since=11)
def split_to_sequence(input: Tensor, split: Lengths | None = None, *, axis: int = 0, keepdims: int = 1) -> list[Tensor]:
    """Take a tensor apart into a sequence; without `split` into slices, which keep their axis if `keepdims` says so."""
    if split is None:
        return list(torch.split(input, 1, axis) if keepdims else input.unbind(axis))
    if isinstance(split, int):
        if split <= 0:
            raise EvaluationError(f"SplitToSequence into parts of {split}; they must be positive")
        return list(torch.split(input, split, axis))
    if sum(split) != input.shape[axis] or min(split, default=0) < 0:
        raise EvaluationError(
            f"SplitToSequence of axis {axis} into the lengths {list(split)}; "
            f"they must be positive and make up its size, {input.shape[axis]}"
        )
    return list(input.split_with_sizes(split, axis))


@operator("ConcatFromSequence", since=11)
def concat_from_sequence(input_sequence: list[Tensor], *, axis: int, new_axis: int = 0) -> Tensor:
    """Join the tensors of a sequence along an axis, which `new_axis` makes first."""
    if not input_sequence:
        raise EvaluationError("ConcatFromSequence of an empty sequence; its shape is unknown")
    return torch.stack(input_sequence, axis) if new_axis else torch.cat(input_sequence, axis)


@operator("SequenceMap", since=17)
def sequence_map(input_sequence: list[Tensor], *additional_inputs: Any, body: Subgraph) -> tuple[list[Any], ...]:
    """Run a body for each tensor of a sequence; further sequences go along, further tensors are the same each time."""
    size = len(input_sequence)
    for other in additional_inputs:
        if isinstance(other, list) and len(other) != size:
            raise EvaluationError(
                f"SequenceMap over sequences of {size} and {len(other)} tensors; they must be equally long"
            )
    turns = [
        body(tensor, *(other[turn] if isinstance(other, list) else other for other in additional_inputs))
        for turn, tensor in enumerate(input_sequence)
    ]
    return tuple([results[place] for results in turns] for place in range(len(body.output_names)))


# Not folded, as it were random: a constant None would count as an input that is left out. The type says nothing more.
@operator("Optional", since=15, deterministic=False, ignored=("type",))
def optional(input: Any = None) -> Any:
    """Return what is there, or None."""
    return input


@operator("OptionalGetElement", since=15)
def optional_get_element(input: Any) -> Any:
    """Return what is there."""
    if input is None:
        raise EvaluationError("OptionalGetElement of an optional that is empty; there is nothing to get")
    return input


@operator("OptionalHasElement", since=15, until=17, gradient=Gradient.ZERO)
def optional_has_element_15(input: Any) -> Tensor:
    """Return whether something is there."""
    return torch.tensor(input is not None)


@operator("OptionalHasElement", since=18, gradient=Gradient.ZERO)
def optional_has_element(input: Any = None) -> Tensor:
    """Return whether something is there; an input that is left out is not."""
    return torch.tensor(input is not None)
