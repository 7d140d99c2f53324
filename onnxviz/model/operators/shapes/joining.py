"""Concat and Split: tensors joined along an axis, and a tensor split along an axis."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Ints, Node, operator


@operator("Concat", since=1, until=3)
def concat_1(*inputs: Tensor, axis: int = 1) -> Tensor:
    """Return tensors joined along an axis, by default along axis 1, the channels (ONNX Concat 1)."""
    return _joined(inputs, axis)


@operator("Concat", since=4)
def concat(*inputs: Tensor, axis: int) -> Tensor:
    """Return tensors joined along an axis (ONNX Concat 4, 11 and 13)."""
    return _joined(inputs, axis)


def _joined(inputs: tuple[Tensor, ...], axis: int) -> Tensor:
    return torch.cat(inputs, axis) if len(inputs) > 1 else inputs[0]


# In the schema the input has the same name as the attribute. A Python function cannot have two parameters of the same name.
@operator("Split", since=1, until=1)
def split_1(
    input: Tensor, lengths: Ints | None = None, *, split: Sequence[int] | None = None, axis: int = 0, node: Node
) -> tuple[Tensor, ...]:
    """Return the parts of a tensor along an axis (ONNX Split 1).

    Their lengths are an input or an attribute. Without lengths the parts are equal.
    """
    return _parts(input, lengths or split, axis, len(node.outputs))


@operator("Split", since=2, until=12)
def split_2(input: Tensor, *, split: Sequence[int] | None = None, axis: int = 0, node: Node) -> tuple[Tensor, ...]:
    """Return the parts of a tensor along an axis (ONNX Split 2 and 11).

    Their lengths are an attribute. Without lengths the parts are equal.
    """
    return _parts(input, split, axis, len(node.outputs))


@operator("Split", since=13, until=17)
def split_13(input: Tensor, split: Ints | None = None, *, axis: int = 0, node: Node) -> tuple[Tensor, ...]:
    """Return the parts of a tensor along an axis (ONNX Split 13).

    Their lengths are an input. Without lengths the parts are equal.
    """
    return _parts(input, split, axis, len(node.outputs))


@operator("Split", since=18)
def split_18(
    input: Tensor, split: Ints | None = None, *, num_outputs: int | None = None, axis: int = 0, node: Node
) -> tuple[Tensor, ...]:
    """Return the parts of a tensor along an axis (ONNX Split 18).

    Their lengths are an input. Without lengths only the last part may be smaller.
    """
    if split is None:
        count = num_outputs or len(node.outputs)
        size = input.shape[axis]
        part = -(-size // count)
        last = size - part * (count - 1)
        if last < 0:
            raise EvaluationError(
                f"Split of axis {axis} into {count} parts: {count - 1} parts of length {part} exceed its size {size}; "
                "give the lengths of the parts in the input `split`"
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
            f"Split of axis {axis} into parts of the lengths {list(lengths)}; the lengths must not be negative, and their sum must be "
            f"the size of the axis, {size}"
        )
    return data.split_with_sizes(list(lengths), axis)
