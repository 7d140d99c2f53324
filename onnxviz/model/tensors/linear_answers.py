"""Linear answers: tensors between a convolution and the rectifier that reads it, whose mean answers flat color only."""

from __future__ import annotations

from collections import deque
from enum import Enum
from weakref import WeakKeyDictionary

from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.structure import dependents, readers

_CONVOLUTIONS = {"Conv", "ConvTranspose", "NhwcConv", "DeformConv"}
_LINE = {
    *("BatchNormalization", "InstanceNormalization", "GroupNormalization", "Identity", "Cast", "Dropout"),
    *("QuantizeLinear", "DequantizeLinear", "Add", "Sub", "Mul", "Div", "Neg", "ImageScaler"),
}
"""Operators that keep a line a line where all operands but one are constant; a normalization over a map shifts and scales it."""
_LAYING = {
    *("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Concat", "Slice", "Split", "Gather", "Pad"),
    *("Resize", "Upsample", "Expand", "Sum"),
}
"""Further linear operators between an input and the first convolution."""
_POOLS = {"MaxPool"}
_RECTIFIERS = {
    *("Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Softplus", "Gelu", "FastGelu"),
    *("BiasGelu", "QuickGelu", "HardSwish", "Mish", "Swish", "Silu", "Sigmoid", "HardSigmoid", "Tanh", "Erf", "Max"),
}
"""Operators that let high answers pass and stop low ones. A Sigmoid and an Erf are parts of Swish and Gelu."""
_ALONE = {"Sigmoid", "HardSigmoid", "Tanh", "Erf", "Clip", "Max"}
"""Rectifiers that are also used otherwise: at an output of the graph they squash the answer or limit it."""


class Linear(Enum):
    """Which linear answer a tensor is."""

    FIRST = "first"
    """A linear function of the model's input: a kernel that slides over it."""
    DEEP = "deep"
    """A convolution of what earlier layers found."""


def linear_answer(graph: Graph, name: str) -> Linear | None:
    """Return which linear answer of a convolution a tensor is, before its rectifier; None if it is no such tensor.

    Parameters
    ----------
    graph : Graph
        The graph.
    name : str
        A tensor.
    """
    if graph not in _KNOWN:
        _KNOWN[graph] = _Answers(graph)
    return _KNOWN[graph].answer(name)


def first_convolution(graph: Graph, name: str) -> str | None:
    """Return the answer of the convolution that reads the model's input and makes a tensor, scaled and shifted at most.

    Parameters
    ----------
    graph : Graph
        The graph.
    name : str
        A tensor.

    Returns
    -------
    str or None
        The output of the convolution; None if the tensor is no linear function of the input.
    """
    return _KNOWN[graph].convolution(name) if linear_answer(graph, name) is Linear.FIRST else None


class _Answers:
    """The linear answers of a graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._readers = readers(graph.nodes)
        self._varying = dependents(graph.nodes, graph.inputs)
        self._found: dict[str, Linear | None] = {}

    def answer(self, name: str) -> Linear | None:
        """Return which linear answer a tensor is."""
        if name not in self._found:
            self._found[name] = self._answer(name)
        return self._found[name]

    def _answer(self, name: str) -> Linear | None:
        made = self.convolution(name)
        if made is None:
            return None
        first = self._is_linear(str(self._graph.producers[made].input[0]))
        # The end of the graph is an answer in its own right, whatever its sign; so is what is added to other paths.
        if self._is_rectified(name) or (first and name not in self._graph.outputs and name in self._readers):
            return Linear.FIRST if first else Linear.DEEP
        return None

    def convolution(self, name: str) -> str | None:
        """Return the output of the convolution whose answer, scaled and shifted at most, a tensor is."""
        for _ in range(16):
            node = self._graph.producers.get(name)
            if node is None:
                return None
            if node.op_type in _CONVOLUTIONS:
                return name
            varying = [one for one in node.input if one in self._varying]
            if (
                node.op_type not in _LINE
                or len(varying) != 1
                or (node.op_type == "Div" and varying[0] != node.input[0])
            ):
                return None
            name = varying[0]
        return None

    def _is_linear(self, name: str) -> bool:
        """Return whether a tensor is a linear function of the graph's inputs."""
        waiting, seen = [name], {name}
        while waiting:
            one = waiting.pop()
            node = self._graph.producers.get(one)
            if node is None:
                continue
            varying = [read for read in dict.fromkeys(node.input) if read in self._varying]
            joins = node.op_type in ("Concat", "Sum", "Add", "Sub")
            if node.op_type not in _LINE | _LAYING or (len(varying) > 1 and not joins):
                # Sizes that are computed from the input's own sizes do not bend the line.
                if node.op_type not in _LAYING or node.input[0] not in varying:
                    return False
                varying = varying[:1]
            fresh = [read for read in varying if read not in seen]
            seen.update(fresh)
            waiting.extend(fresh)
        return True

    def _is_rectified(self, name: str) -> bool:
        """Return whether a rectifier reads a tensor, scaled and shifted at most, or its largest values."""
        waiting, seen = deque([name]), {name}
        while waiting:
            one = waiting.popleft()
            for node in self._readers.get(one, ()):
                if node.op_type in _RECTIFIERS:
                    ends = node.op_type in _ALONE and node.output[0] in self._graph.outputs
                    if not ends:
                        return True
                    continue
                alone = sum(read in self._varying for read in dict.fromkeys(node.input)) == 1
                if (node.op_type in _LINE and alone) or node.op_type in _POOLS:
                    fresh = [made for made in node.output[:1] if made not in seen]
                    seen.update(fresh)
                    waiting.extend(fresh)
        return False


_KNOWN: WeakKeyDictionary[Graph, _Answers] = WeakKeyDictionary()
