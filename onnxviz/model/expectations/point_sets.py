"""Point clouds: inputs whose points a graph reads one by one and then pools, so that their order does not matter."""

from __future__ import annotations

import re
from collections.abc import Callable

from onnx import NodeProto

from onnxviz.contract import InputContract
from onnxviz.model.expectations.kind_axes import COORDINATES, point_axes
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.tensor_info import TensorInfo
from onnxviz.model.tensors.axes.evidence import Evidence, several, whole
from onnxviz.model.tensors.axes.layout import aligned

_NAMED = re.compile(r"point|xyz|(?<![a-z])(clouds?|pcd?|pcl|lidar)(?![a-z])", re.IGNORECASE)
"""Names of inputs that hold a point cloud."""

_SHARED = ("Conv", "FusedConv", "MatMul", "FusedMatMul", "Gemm")
_ALIKE = frozenset(
    (
        *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Gelu", "Celu", "Sigmoid", "Tanh", "Softplus", "Clip", "Mish"),
        *("HardSwish", "HardSigmoid", "Erf", "Abs", "Neg", "Exp", "Log", "Sqrt", "Pow", "Sin", "Cos", "Cast"),
        *("Identity", "Dropout", "BatchNormalization", "InstanceNormalization", "LayerNormalization"),
        *("GroupNormalization", "Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Mean", "Where", "Equal"),
        *("Greater", "Less"),
    )
)
"""Operators that treat every point alike."""
_POOLS = ("ReduceMax", "ReduceMean", "ReduceSum", "ReduceMin", "ReduceL2", "ReduceLogSumExp", "ReduceProd")
_GLOBAL = ("GlobalMaxPool", "GlobalAveragePool")

_LEAST = 16
"""A cloud has at least so many points. Fewer rows are a vector in parts."""


def points(model: Graph, info: TensorInfo) -> InputContract | None:
    """Return the contract of a point cloud; None if nothing tells that an input holds one.

    Parameters
    ----------
    model : Graph
        The model.
    info : TensorInfo
        An input of three axes; of four, one of them of size 1.
    """
    shape = info.shape or ()
    spare = tuple(axis for axis in range(1, len(shape)) if shape[axis] == 1) if len(shape) == 4 else ()
    sizes = tuple(size for axis, size in enumerate(shape) if axis not in (0, *spare))
    axes = point_axes(sizes)
    count = None if axes is None else sizes[axes.index("point")]
    if axes is None or (isinstance(count, int) and count < _LEAST):
        return None
    place = [axis for axis in range(1, len(shape)) if axis not in spare][axes.index("point")]
    kept = tuple(size for axis, size in enumerate(shape) if axis not in spare)
    found = InputContract(info.name, kept, "points", axes, spare=spare)
    number = sizes[axes.index("coordinate")]
    if pooled(model, info.name, place):
        note = f"every point of {number} numbers is read alike, then all are pooled, so that their order does not matter: a point cloud"
    elif _NAMED.search(info.name) and number in COORDINATES:
        note = f"its name, and {number} numbers for each point: a point cloud"
    else:
        return None
    return found.with_note(note).with_note(UNBOUNDED)


UNBOUNDED = "the file does not tell the range: places of points in the unit ball, as clouds are usually scaled"


def pooled(model: Graph, name: str, axis: int) -> bool:
    """Return whether a graph reads the points along an axis alike, and pools them before any operator tells them apart.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        The input.
    axis : int
        The axis of the points, batch included.
    """
    walk = _Walk(model, name, axis)
    try:
        return all(walk.passes(node) for node in model.nodes) and walk.shared and walk.pools
    except (ValueError, TypeError, LookupError):  # a damaged node tells nothing
        return False


class _Walk:
    """Follows the axis of the points through a graph, node after node."""

    def __init__(self, model: Graph, name: str, axis: int) -> None:
        self.evidence = Evidence(model)
        self.axes: dict[str, int] = {name: axis}
        self.shared = self.pools = False

    def passes(self, node: NodeProto) -> bool:
        """Follow one node; return False if it tells points apart, or if that is unknown."""
        read = [one for one in node.input if one in self.axes]
        if not read or node.op_type in ("Shape", "Size"):
            return True
        axis = self.axes[read[0]]
        made = node.output[0]
        if node.op_type in _SHARED:
            return self._multiplied(node, read, axis)
        if node.op_type in _ALIKE:
            return self._alike(node, read)
        if node.op_type in (*_POOLS, "MaxPool", "AveragePool", *_GLOBAL, "TopK"):
            return self._pooled(node, read[0], axis)
        if node.op_type in ("Softmax", "LogSoftmax", "LpNormalization", "CumSum"):
            self.axes[made] = axis
            return node.op_type != "CumSum"
        rule = _MOVES.get(node.op_type)
        place = rule(self.evidence, node, axis) if rule is not None and read[0] == node.input[0] else None
        if node.op_type == "Concat":
            rank = self.evidence.rank(read[0]) or 0
            place = axis if whole(node, "axis", 0) % max(rank, 1) != axis else None
        if place is None:
            return False
        for one in node.output:
            self.axes[one] = place
        return True

    def _multiplied(self, node: NodeProto, read: list[str], axis: int) -> bool:
        if "Conv" in node.op_type:
            kernel = self.evidence.shape(node.input[1])
            if read[0] != node.input[0] or kernel is None or axis < 2 or kernel[axis] != 1:
                return False
            self.axes[node.output[0]] = axis
        else:
            ranks = [self.evidence.rank(one) for one in node.input[:2]]
            if any(rank is None for rank in ranks):
                return False
            first, second = (rank or 0 for rank in ranks)
            behind = max(first, second)
            place = next(place for place, one in enumerate(node.input[:2]) if one in self.axes)
            contracted = first - 1 if place == 0 else second - 2
            if len(set(read)) > 1 or axis == contracted or node.op_type == "Gemm":
                return False
            self.axes[node.output[0]] = axis + behind - (first, second)[place]
        self.shared = True
        return True

    def _alike(self, node: NodeProto, read: list[str]) -> bool:
        if "Normalization" in node.op_type and read[0] != node.input[0]:
            return False
        rank = self.evidence.rank(node.output[0])
        places = {(rank or 0) - (self.evidence.rank(one) or 0) + self.axes[one] for one in read}
        if rank is None or len(places) > 1:
            return False
        self.axes[node.output[0]] = places.pop()
        return True

    def _pooled(self, node: NodeProto, name: str, axis: int) -> bool:
        rank, sizes = self.evidence.rank(name), self.evidence.shape(name)
        if rank is None or sizes is None:
            return False
        made = node.output[0]
        if node.op_type in _GLOBAL:
            self.pools = self.pools or axis >= 2
            return axis >= 2
        if node.op_type in ("MaxPool", "AveragePool"):
            kernel = several(node, "kernel_shape") or []
            if axis >= 2 and kernel[axis - 2] == sizes[axis]:
                self.pools = True
                return True
            self.axes[made] = axis
            return axis >= 2 and kernel[axis - 2] == 1
        if node.op_type == "TopK":
            gone = whole(node, "axis", -1) % rank == axis
            self.pools = self.pools or gone
            return gone
        given = several(node, "axes")
        if given is None and len(node.input) > 1 and node.input[1]:
            given = self.evidence.numbers(node.input[1])
        axes = {one % rank for one in given} if given else {*range(rank)}
        if axis in axes:
            self.pools = True
        else:
            keeps = whole(node, "keepdims", 1) == 1
            self.axes[made] = axis if keeps else axis - len([one for one in axes if one < axis])
        return True


Move = Callable[[Evidence, NodeProto, int], int | None]


def _transposed(evidence: Evidence, node: NodeProto, axis: int) -> int | None:
    order = several(node, "perm") or list(range(evidence.rank(node.input[0]) or 0))[::-1]
    return order.index(axis)


def _reshaped(evidence: Evidence, node: NodeProto, axis: int) -> int | None:
    read, made = evidence.shape(node.input[0]), evidence.shape(node.output[0])
    if read is None or made is None:
        return None
    return next((two for one, two in aligned(read, made) if one == axis), None)


def _chosen(evidence: Evidence, node: NodeProto, rank: int) -> set[int] | None:
    axes = several(node, "axes")
    if axes is None and len(node.input) > 1 and node.input[1]:
        axes = evidence.numbers(node.input[1])
    return None if axes is None else {one % rank for one in axes}


def _squeezed(evidence: Evidence, node: NodeProto, axis: int) -> int | None:
    gone = _chosen(evidence, node, evidence.rank(node.input[0]) or 1)
    return None if gone is None or axis in gone else axis - len([one for one in gone if one < axis])


def _unsqueezed(evidence: Evidence, node: NodeProto, axis: int) -> int | None:
    new = _chosen(evidence, node, evidence.rank(node.output[0]) or 1)
    if new is None:
        return None
    return [one for one in range(evidence.rank(node.output[0]) or 0) if one not in new][axis]


def _parted(evidence: Evidence, node: NodeProto, axis: int) -> int | None:
    """Return the axis behind a Slice, Split or Gather along other axes; None if it cuts the points themselves."""
    rank = evidence.rank(node.input[0]) or 1
    if node.op_type != "Slice":
        cut = whole(node, "axis", 0) % rank
        if node.op_type == "Gather" and evidence.rank(node.input[1]) == 0:
            return None if cut == axis else axis - (cut < axis)
        return None if cut == axis else axis
    axes = several(node, "axes")
    if axes is None and len(node.input) > 3 and node.input[3]:
        axes = evidence.numbers(node.input[3])
    return None if axes is None or axis in {one % rank for one in axes} else axis


_MOVES: dict[str, Move] = {
    "Transpose": _transposed,
    **dict.fromkeys(("Reshape", "Flatten"), _reshaped),
    "Squeeze": _squeezed,
    "Unsqueeze": _unsqueezed,
    **dict.fromkeys(("Slice", "Split", "Gather"), _parted),
}
"""Operators that move axes: where the axis of the points is behind them."""
