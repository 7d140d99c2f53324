"""Concat and Split: tensors joined along an axis, and taken apart again."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Ints, Node, operator


@operator("Concat", since=1, until=3)
def concat_1(*inputs: Tensor, axis: int = 1) -> Tensor:
    """Join tensors, by default along the channels."""
    return _joined(inputs, axis)


@operator("Concat", since=4)
def concat(*inputs: Tensor, axis: int) -> Tensor:
    """Join tensors along an axis."""
    return _joined(inputs, axis)


def _joined(inputs: tuple[Tensor, ...], axis: int) -> Tensor:
    return torch.cat(inputs, axis) if len(inputs) > 1 else inputs[0]


# The input and the attribute have one name in the schema; a Python function cannot have both.
@operator("Split", since=1, until=1)
def split_1(
    input: Tensor, lengths: Ints | None = None, *, split: Sequence[int] | None = None, axis: int = 0, node: Node
) -> tuple[Tensor, ...]:
    """Take a tensor apart into lengths that an input or the node gives, else into equal parts."""
    return _parts(input, lengths or split, axis, len(node.outputs))


@operator("Split", since=2, until=12)
def split_2(input: Tensor, *, split: Sequence[int] | None = None, axis: int = 0, node: Node) -> tuple[Tensor, ...]:
    """Take a tensor apart into lengths that the node gives, else into equal parts."""
    return _parts(input, split, axis, len(node.outputs))


@operator("Split", since=13, until=17)
def split_13(input: Tensor, split: Ints | None = None, *, axis: int = 0, node: Node) -> tuple[Tensor, ...]:
    """Take a tensor apart into lengths that an input gives, else into equal parts."""
    return _parts(input, split, axis, len(node.outputs))


@operator("Split", since=18)
def split_18(
    input: Tensor, split: Ints | None = None, *, num_outputs: int | None = None, axis: int = 0, node: Node
) -> tuple[Tensor, ...]:
    """Take a tensor apart; of `num_outputs` parts the last may be smaller."""
    if split is None:
        count = num_outputs or len(node.outputs)
        size = input.shape[axis]
        part = -(-size // count)
        last = size - part * (count - 1)
        if last < 0:
            raise EvaluationError(
                f"Split of axis {axis} into {count} parts: {count - 1} parts of {part} are more than its size {size}; "
                "an input `split` can say how long each part is"
            )
        split = (part,) * (count - 1) + (last,)
    return _parts(input, split, axis, len(split))


def _parts(data: Tensor, lengths: Sequence[int] | None, axis: int, count: int) -> tuple[Tensor, ...]:
    size = data.shape[axis]
    if not lengths:
        part, rest = divmod(size, count)
        if rest:
            raise EvaluationError(
                f"Split of axis {axis}, whose size is {size}, into {count} equal parts; give the lengths of the parts"
            )
        lengths = (part,) * count
    elif sum(lengths) != size or min(lengths) < 0:
        raise EvaluationError(
            f"Split of axis {axis} into the lengths {list(lengths)}; they must be positive and make up its size, {size}"
        )
    return data.split_with_sizes(list(lengths), axis)
