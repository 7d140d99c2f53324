"""Operators that move axes: which axis of the output is which axis of the input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from onnx import NodeProto

from onnxviz.model.tensors.axes.evidence import UNIT, Evidence, Sizes, several, whole

Rule = Callable[[Evidence, NodeProto], None]


def elementwise(evidence: Evidence, node: NodeProto) -> None:
    """Link an operator that keeps its inputs' axes, aligned at the last axis."""
    for made in node.output:
        if not made:
            continue
        rank = evidence.rank(made)
        for name in dict.fromkeys(node.input):
            if evidence.computed(name) and (rank is None or (evidence.rank(name) or rank) <= rank):
                evidence.link_alike(name, made)


def kept(evidence: Evidence, node: NodeProto) -> None:
    """Link the first input's axes to those of the outputs, whatever their lengths: parts, longer and shorter tensors."""
    for made in node.output:
        _in_order(evidence, node.input[0], made)


def parts(evidence: Evidence, node: NodeProto) -> None:
    """Link all inputs' axes to the output's: tensors side by side."""
    for name in dict.fromkeys(node.input):
        _in_order(evidence, name, node.output[0])


def _in_order(evidence: Evidence, read: str, made: str) -> None:
    one, two = evidence.rank(read), evidence.rank(made)
    if one is None or two is None or one == two:
        for axis in range(one or two or 0):
            evidence.link(read, axis, made, axis)


def anything(evidence: Evidence, node: NodeProto) -> None:
    """Link an operator without a rule: an input of the same sizes as an output has the same axes."""
    for made in node.output:
        found = evidence.shape(made) if made else None
        for name in dict.fromkeys(node.input):
            sizes = evidence.shape(name)
            if evidence.computed(name) and sizes is not None and found is not None and sizes == found:
                evidence.link_alike(name, made)


def transpose(evidence: Evidence, node: NodeProto) -> None:
    """Link the axes that a Transpose moves."""
    rank = evidence.rank(node.input[0])
    order = several(node, "perm") or list(range(rank or 0))[::-1]
    if rank is None or len(order) == rank:
        for made, read in enumerate(order):
            evidence.link(node.input[0], read, node.output[0], made)


def _chosen(evidence: Evidence, node: NodeProto) -> list[int] | None:
    """Return the axes in a node's attribute or second input."""
    axes = several(node, "axes")
    return evidence.numbers(node.input[1]) if axes is None and len(node.input) > 1 and node.input[1] else axes


def squeeze(evidence: Evidence, node: NodeProto) -> None:
    """Link the axes that a Squeeze keeps."""
    rank, axes = evidence.rank(node.input[0]), _chosen(evidence, node)
    left = evidence.rank(node.output[0])
    if rank is None and axes is not None and left is not None:
        rank = left + len(axes)  # inference knows no operator of an old revision; the file may tell its output
    if rank is None:
        return
    if axes is None:
        axes = [axis for axis, size in enumerate(evidence.shape(node.input[0]) or ()) if size == 1]
    gone = {axis % rank for axis in axes}
    for made, read in enumerate(axis for axis in range(rank) if axis not in gone):
        evidence.link(node.input[0], read, node.output[0], made)


def unsqueeze(evidence: Evidence, node: NodeProto) -> None:
    """Link the axes beside those that an Unsqueeze adds."""
    rank, axes = evidence.rank(node.input[0]), _chosen(evidence, node)
    if rank is None or axes is None:
        return
    new = {axis % (rank + len(axes)) for axis in axes}
    for read, made in enumerate(axis for axis in range(rank + len(axes)) if axis not in new):
        evidence.link(node.input[0], read, node.output[0], made)


def reshape(evidence: Evidence, node: NodeProto) -> None:
    """Link the axes of a Reshape or Flatten that keep their sizes."""
    read, made = evidence.shape(node.input[0]), evidence.shape(node.output[0])
    if read is not None and made is not None:
        for one, two in aligned(read, made):
            evidence.link(node.input[0], one, node.output[0], two)
    elif node.op_type == "Reshape" and len(node.input) > 1:
        for axis, size in enumerate(evidence.numbers(node.input[1]) or ()):
            if size == 0:
                evidence.link(node.input[0], axis, node.output[0], axis)


def aligned(read: Sizes, made: Sizes) -> list[tuple[int, int]]:
    """Return the pairs of axes that a Reshape keeps, by their sizes.

    Parameters
    ----------
    read, made : tuple of (int, str or None)
        The sizes before and after.

    Examples
    --------
    >>> aligned((2, 3, 4), (2, 12)), aligned((20, 1, 1, 7), (20, 1, 7)), aligned(("N", 8, 5, 5), ("N", 8, 25))
    ([(0, 0)], [(0, 0), (3, 2), (1, 1), (2, 1)], [(0, 0), (1, 1)])
    """
    long = [[axis for axis, size in enumerate(sizes) if size != 1] for sizes in (read, made)]
    pairs: list[tuple[int, int]] = []
    first, second = long
    while first and second and _same(read[first[0]], made[second[0]]):
        pairs.append((first.pop(0), second.pop(0)))
    tail: list[tuple[int, int]] = []
    while first and second and _same(read[first[-1]], made[second[-1]]):
        tail.append((first.pop(), second.pop()))
    pairs += reversed(tail)
    # One open axis is left on each side: it is the same.
    if len(first) == len(second) == 1:
        pairs.append((first[0], second[0]))
        pairs.sort()
    return pairs + _singles(read, made, pairs)


def _same(one: int | str | None, other: int | str | None) -> bool:
    return one is not None and one == other


def _singles(read: Sizes, made: Sizes, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the pairs of axes of size 1 that stand between the same neighbors, each with each if their numbers differ."""
    found: list[tuple[int, int]] = []
    ends = [(-1, -1), *pairs, (len(read), len(made))]
    for (start, begin), (stop, end) in pairwise(ends):
        one, two = list(range(start + 1, stop)), list(range(begin + 1, end))
        if any(read[axis] != 1 for axis in one) or any(made[axis] != 1 for axis in two):
            # Beside other axes only the batch at the front is the same.
            if start == begin == -1 and one and two and read[0] == made[0] == 1:
                found.append((0, 0))
            continue
        if len(one) == len(two):
            found += zip(one, two, strict=True)
        else:
            found += [(first, second) for second in two for first in one]
    return found


def reduction(evidence: Evidence, node: NodeProto) -> None:
    """Link the axes that a reduction keeps."""
    rank = evidence.rank(node.input[0])
    if rank is None:
        return
    axes = _chosen(evidence, node)
    if node.op_type in ("ArgMax", "ArgMin", "Hardmax"):
        axes = [whole(node, "axis", 0)]
    if axes is None and len(node.input) > 1 and node.input[1]:
        return
    gone = set(range(rank)) if not axes else {axis % rank for axis in axes}
    stays = whole(node, "keepdims", 1) == 1
    for made, read in enumerate(axis for axis in range(rank) if stays or axis not in gone):
        evidence.link(node.input[0], read, node.output[0], made)


def gather(evidence: Evidence, node: NodeProto) -> None:
    """Link the axes of a Gather: those of the indices stand in the place of one axis of the data."""
    data, indices, made = node.input[0], node.input[1], node.output[0]
    rank, count = evidence.rank(data), evidence.rank(indices)
    if rank is None or count is None:
        return
    axis = whole(node, "axis", 0) % max(rank, 1)
    if not evidence.computed(data):
        for place in range(count):
            evidence.link(indices, place, made, axis + place)
        if axis == 0 and rank > 1:
            evidence.give(node, made, -1, UNIT)
        return
    for place in range(axis):
        evidence.link(data, place, made, place)
    for place in range(axis + 1, rank):
        evidence.link(data, place, made, place - 1 + count)
    if count == 1:
        evidence.link(data, axis, made, axis)


_REDUCTIONS = ("Mean", "Sum", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")
_KEPT = (
    *("Slice", "Pad", "Resize", "Expand", "Tile", "Split", "TopK", "CumSum", "Trilu", "Compress", "Roll"),
    *("QuantizeLinear", "DequantizeLinear", "Softmax", "LogSoftmax", "Dropout", "Cast", "Identity", "ScatterND"),
    *("ScatterElements", "LpNormalization", "MeanVarianceNormalization", "Clip", "PRelu", "CropAndResize"),
)
_ELEMENTWISE = (
    *("Where", "Pow", "Max", "Min", "Mean", "Sum", "And", "Or", "Xor", "Equal", "Greater", "Less", "Mod", "BiasGelu"),
    *("GreaterOrEqual", "LessOrEqual", "QLinearAdd", "QLinearMul", "FastGelu", "Relu", "Sigmoid", "Tanh", "Exp"),
    *("LeakyRelu", "Elu", "Selu", "Gelu", "Erf", "Neg", "Abs", "Sqrt", "Log", "Softplus", "HardSwish", "HardSigmoid"),
)
RULES: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE, elementwise),
    **dict.fromkeys(_KEPT, kept),
    **dict.fromkeys(("Concat", "QLinearConcat"), parts),
    "Transpose": transpose,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    **dict.fromkeys(("Reshape", "Flatten"), reshape),
    **dict.fromkeys((*(f"Reduce{name}" for name in _REDUCTIONS), "ArgMax", "ArgMin"), reduction),
    "Gather": gather,
    **dict.fromkeys(
        ("Shape", "Size", "ConstantOfShape", "NonZero", "Range", "If", "Loop"), lambda evidence, node: None
    ),
}
"""The rules of the operators that move axes."""
