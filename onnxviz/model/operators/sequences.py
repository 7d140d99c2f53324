"""Operators on sequences and optionals. A sequence is a list of tensors that is never changed in place. An absent optional is None."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, Int, Subgraph, operator


@operator("SequenceConstruct", since=11)
def sequence_construct(*inputs: Tensor) -> list[Tensor]:
    """Return the sequence of the input tensors (ONNX SequenceConstruct 11)."""
    return list(inputs)


# `dtype` is ignored, because an empty list has no element type.
@operator("SequenceEmpty", since=11, ignored=("dtype",))
def sequence_empty() -> list[Tensor]:
    """Return an empty sequence (ONNX SequenceEmpty 11)."""
    return []


@operator("SequenceAt", since=11)
def sequence_at(input_sequence: list[Tensor], position: Int) -> Tensor:
    """Return the tensor at a position of a sequence (ONNX SequenceAt 11)."""
    return input_sequence[_place(position, len(input_sequence), "SequenceAt")]


@operator("SequenceInsert", since=11)
def sequence_insert(input_sequence: list[Tensor], tensor: Tensor, position: Int | None = None) -> list[Tensor]:
    """Return a sequence with a tensor inserted at a position, by default at its end (ONNX SequenceInsert 11)."""
    size = len(input_sequence)
    if position is None or position == size:
        return [*input_sequence, tensor]
    place = _place(position, size, "SequenceInsert")
    return [*input_sequence[:place], tensor, *input_sequence[place:]]


@operator("SequenceErase", since=11)
def sequence_erase(input_sequence: list[Tensor], position: Int | None = None) -> list[Tensor]:
    """Return a sequence without the tensor at a position, by default without its last tensor (ONNX SequenceErase 11)."""
    place = _place(-1 if position is None else position, len(input_sequence), "SequenceErase")
    return [*input_sequence[:place], *input_sequence[place + 1 :]]


def _place(position: int, size: int, what: str) -> int:
    if not -size <= position < size:
        raise EvaluationError(
            f"{what} at position {position} of a sequence of {size} tensors; give {-size} to {size - 1}"
        )
    return position % size


@operator("SequenceLength", since=11, gradient=Gradient.ZERO)
def sequence_length(input_sequence: list[Tensor]) -> Tensor:
    """Return the number of tensors in a sequence as an int64 tensor on the CPU (ONNX SequenceLength 11)."""
    return torch.tensor(len(input_sequence))


def _lengths(split: Tensor) -> int | tuple[int, ...]:
    """Return the length that all parts share as a number, or the lengths of the parts as a tuple."""
    return int(split.item()) if split.dim() == 0 else tuple(int(length) for length in split.tolist())


Lengths = Annotated[int | tuple[int, ...], _lengths]


@operator("SplitToSequence", since=11)
def split_to_sequence(input: Tensor, split: Lengths | None = None, *, axis: int = 0, keepdims: int = 1) -> list[Tensor]:
    """Return the parts of a tensor along an axis as a sequence (ONNX SplitToSequence 11 and 24).

    Without `split` the parts are slices of length 1. They keep the axis only if `keepdims` is not 0.
    """
    if split is None:
        return list(torch.split(input, 1, axis) if keepdims else input.unbind(axis))
    if isinstance(split, int):
        if split <= 0:
            raise EvaluationError(f"SplitToSequence makes parts of length {split}; the length must be positive")
        return list(torch.split(input, split, axis))
    if sum(split) != input.shape[axis] or min(split, default=0) < 0:
        raise EvaluationError(
            f"SplitToSequence of axis {axis} into parts of the lengths {list(split)}; "
            f"the lengths must not be negative, and their sum must be the size of the axis, {input.shape[axis]}"
        )
    return list(input.split_with_sizes(split, axis))


@operator("ConcatFromSequence", since=11)
def concat_from_sequence(input_sequence: list[Tensor], *, axis: int, new_axis: int = 0) -> Tensor:
    """Return the tensors of a sequence joined along an axis (ONNX ConcatFromSequence 11).

    If `new_axis` is not 0, the axis is new.
    """
    if not input_sequence:
        raise EvaluationError(
            "ConcatFromSequence of an empty sequence, whose shape is unknown; it needs at least one tensor"
        )
    return torch.stack(input_sequence, axis) if new_axis else torch.cat(input_sequence, axis)


@operator("SequenceMap", since=17)
def sequence_map(input_sequence: list[Tensor], *additional_inputs: Any, body: Subgraph) -> tuple[list[Any], ...]:
    """Run a body for each tensor of a sequence and return the sequences of its outputs (ONNX SequenceMap 17).

    Each turn takes the next tensor of every further sequence. A further input that is a tensor is the same in every turn.
    """
    size = len(input_sequence)
    for other in additional_inputs:
        if isinstance(other, list) and len(other) != size:
            raise EvaluationError(
                f"SequenceMap over sequences of {size} and {len(other)} tensors; all must have the same number of tensors"
            )
    turns = [
        body(tensor, *(other[turn] if isinstance(other, list) else other for other in additional_inputs))
        for turn, tensor in enumerate(input_sequence)
    ]
    return tuple([results[place] for results in turns] for place in range(len(body.output_names)))


# Declared like a random operator so that it is not folded: a folded None would count as an input that is left out. `type` changes nothing.
@operator("Optional", since=15, deterministic=False, ignored=("type",))
def optional(input: Any = None) -> Any:
    """Return the input, or None if it is left out (ONNX Optional 15 and 28)."""
    return input


@operator("OptionalGetElement", since=15)
def optional_get_element(input: Any) -> Any:
    """Return the element of an optional (ONNX OptionalGetElement 15, 18 and 28)."""
    if input is None:
        raise EvaluationError(
            "OptionalGetElement of an optional without an element; OptionalHasElement tells whether there is an element"
        )
    return input


@operator("OptionalHasElement", since=15, until=17, gradient=Gradient.ZERO)
def optional_has_element_15(input: Any) -> Tensor:
    """Return whether an optional has an element (ONNX OptionalHasElement 15)."""
    return torch.tensor(input is not None)


@operator("OptionalHasElement", since=18, gradient=Gradient.ZERO)
def optional_has_element(input: Any = None) -> Tensor:
    """Return whether an optional has an element (ONNX OptionalHasElement 18 and 28).

    An input that is left out has none.
    """
    return torch.tensor(input is not None)
