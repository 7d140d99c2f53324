"""The rows of a detector's head: the axis of a tensor along which places of feature maps, or anchors at them, are listed."""

from __future__ import annotations

from collections import deque
from weakref import WeakKeyDictionary

from onnx import NodeProto

from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.structure import readers
from onnxviz.model.tensors.axes.evidence import HEIGHT, UNIT, WIDTH
from onnxviz.model.tensors.axes.graph_axes import graph_axes

_CONVOLUTIONS = {"Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "FusedConv", "NhwcConv", "DeformConv"}
_FOLDING = {"Reshape", "Flatten"}
_KEEPING = {
    *("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Where", "Clip", "Neg", "Abs", "Sqrt", "Exp", "Log", "Floor"),
    *("Sigmoid", "HardSigmoid", "Softmax", "LogSoftmax", "Tanh", "Relu", "Softplus", "BatchNormalization", "Greater"),
    *("Identity", "Cast", "Dropout", "QuantizeLinear", "DequantizeLinear", "Transpose", "Squeeze", "Unsqueeze"),
    *("Concat", "Slice", "Split", "Gather", "Expand", "QLinearConcat", "QLinearSigmoid", "QLinearMul", "QLinearAdd"),
}
"""Operators between the maps of a head and its rows. They mix nothing but columns of one row."""
_CHOOSING = {"NonMaxSuppression", "TopK"}
"""Operators that choose among rows."""
_BOX = 4
"""A box has so many columns."""
_FEW = 64
"""A tensor of two axes whose last axis is longer holds rows along it; a shorter axis holds the columns of one row."""


def row_axes(graph: Graph, name: str) -> tuple[int, ...]:
    """Return the axes of a tensor that list the rows of a detector's head; none if it is no such tensor.

    A head turns feature maps into a table: a Reshape puts all positions of a convolution's map on one axis. A table of one map
    may also be a segmenter's, so one more sign is needed: several maps stand in the table one after another, or the columns
    come from several convolutions; another output of as many rows holds boxes; or an operator chooses among the rows. Between
    the tensor and the end of the graph the rows stay rows.

    Parameters
    ----------
    graph : Graph
        The graph.
    name : str
        A tensor.

    Returns
    -------
    tuple of int
        Axes in the file's order. Axis 0 where the file's first axis lists rows in place of samples.
    """
    if graph not in _KNOWN:
        _KNOWN[graph] = _Heads(graph)
    return _KNOWN[graph].rows(name)


class _Heads:
    """What the end of a graph tells of its tensors."""

    def __init__(self, graph: Graph) -> None:
        self._graph, self._axes, self._readers = graph, graph_axes(graph), readers(graph.nodes)
        self._rows: dict[str, tuple[int, ...]] = {}
        self._maps: dict[tuple[str, bool], frozenset[str]] = {}

    def rows(self, name: str) -> tuple[int, ...]:
        """Return the axes of a tensor that list rows."""
        if name not in self._rows:
            self._rows[name] = self._found(name)
        return self._rows[name]

    def _found(self, name: str) -> tuple[int, ...]:
        info = self._graph.tensors.get(name)
        shape = None if info is None else info.shape
        if shape is None or len(shape) not in (2, 3, 5) or not self._convolutions(name, False):
            return ()
        if len(shape) != 5 and {HEIGHT, WIDTH} & {*self._axes.roles(name)}:
            return ()
        ended, chosen = self._ends(name)
        joined = self._join(name)
        if not (chosen or (ended and (joined is not None or len(shape) == 5 or self._has_boxes(name, shape)))):
            return ()
        if len(shape) == 5:
            return (1, 2, 3)  # anchors, height and width before the columns, as Yolo's heads have them
        if len(shape) == 2:
            last = shape[1]
            return (0,) if isinstance(last, int) and last <= _FEW else (1,)
        return (self._among(name, shape, joined),)

    def _among(self, name: str, shape: tuple[int | str | None, ...], joined: tuple[NodeProto, int] | None) -> int:
        """Return which of the two axes after the batch lists rows."""
        units = self._axes.place(name, UNIT)
        if units in (1, 2):
            return 3 - units
        if joined is not None and joined[1] in (1, 2):
            return joined[1]
        first, second = (size if isinstance(size, int) else 1 << 30 for size in shape[1:])
        return 1 if first >= second else 2

    def _convolutions(self, name: str, folded: bool) -> frozenset[str]:
        """Return the maps of convolutions that a tensor lists: a Reshape is on the way, and nothing that mixes rows."""
        key = name, folded
        if key in self._maps:
            return self._maps[key]
        self._maps[key] = frozenset()
        node = self._graph.producers.get(name)
        found: frozenset[str] = frozenset()
        if node is None:
            return found
        if node.op_type in _CONVOLUTIONS:
            found = frozenset((name,)) if folded and self._is_map(name) else frozenset()
        elif node.op_type in _FOLDING:
            found = self._convolutions(node.input[0], True)
        elif node.op_type in _KEEPING:
            read = [one for one in node.input if one and one not in self._graph.constants]
            read = read[:1] if node.op_type in ("Slice", "Split", "Gather", "Expand", "Clip", "Unsqueeze") else read
            found = frozenset().union(*(self._convolutions(one, folded) for one in read))
        self._maps[key] = found
        return found

    def _is_map(self, name: str) -> bool:
        """Return whether a convolution's output has two axes of space, of more than one place as far as the file tells."""
        info = self._graph.tensors[name]
        places = [self._axes.place(name, role, 4) for role in (HEIGHT, WIDTH)]
        if None in places:
            return False
        sizes = [None if info.shape is None or place is None else info.shape[place] for place in places]
        return sizes != [1, 1]

    def _join(self, name: str) -> tuple[NodeProto, int] | None:
        """Return the nearest Concat before a tensor that joins several convolutions, and its axis; None if there is none."""
        waiting, seen = deque([(name, False)]), {name}
        while waiting:
            one, folded = waiting.popleft()
            node = self._graph.producers.get(one)
            if node is None or not self._convolutions(one, folded):
                continue
            if node.op_type in ("Concat", "QLinearConcat"):
                parts = [self._convolutions(part, folded) for part in dict.fromkeys(node.input)]
                if len({part for part in parts if part}) > 1:
                    axis = next((each.i for each in node.attribute if each.name == "axis"), 0)
                    rank = len(self._graph.tensors[name].shape or ())
                    return node, (-1 if folded else axis % rank)
            folded = folded or node.op_type in _FOLDING
            for part in node.input:
                if part and part not in seen:
                    seen.add(part)
                    waiting.append((part, folded))
        return None

    def _ends(self, name: str) -> tuple[bool, bool]:
        """Return whether the rows reach an output of the graph as rows, and whether an operator chooses among them."""
        waiting, seen, ended = deque([name]), {name}, False
        while waiting:
            one = waiting.popleft()
            ended = ended or one in self._graph.outputs
            for node in self._readers.get(one, ()):
                if node.op_type in _CHOOSING:
                    return ended, True
                if node.op_type in _KEEPING or node.op_type in _FOLDING:
                    fresh = [made for made in node.output if made and made not in seen]
                    seen.update(fresh)
                    waiting.extend(fresh)
        return ended, False

    def _has_boxes(self, name: str, shape: tuple[int | str | None, ...]) -> bool:
        """Return whether an output beside the tensor holds as many boxes as the tensor has rows."""
        for other, info in self._graph.outputs.items():
            sizes = info.shape
            if other == name or sizes is None or len(sizes) != len(shape) or sizes[-1] != _BOX:
                continue
            if sizes[:-1] == shape[:-1] and self._convolutions(other, False):
                return True
        return False


_KNOWN: WeakKeyDictionary[Graph, _Heads] = WeakKeyDictionary()
