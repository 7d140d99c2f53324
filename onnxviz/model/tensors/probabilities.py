"""The tensor of class probabilities that belongs to a target: the target's own tensor, or the Softmax behind it."""

from __future__ import annotations

from onnxviz.model.graph.branch_logits import LOGITS
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.structure import readers

_SQUASHING = ("Softmax", "LogSoftmax", "Sigmoid")
_HANDING_ON = frozenset(
    {
        *("Identity", "Cast", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Normalizer"),
        *("ZipMap", "ArgMax", "TopK", "ReduceMax", "Gather", "ArrayFeatureExtractor"),
    }
)
"""Operators between the probabilities and the model's outputs: they hand values on, or choose among them."""

_SAME_SHAPE = ("Identity", "Cast", "Dropout")

_DEPTH = 8
"""So many operators that hand values on may lie between logits and their Softmax."""


def probability_tensor(model: Graph, tensor: str) -> str:
    """Return the tensor that may hold the probabilities of the classes whose scores a tensor holds; "" where there is none.

    Parameters
    ----------
    model : Graph
        The model.
    tensor : str
        A tensor of scores: logits, or the probabilities themselves.

    Returns
    -------
    str
        A tensor of the same shape, which reaches an output of the model. A Softmax inside a network, as in attention, does not:
        what it gives are no classes. Whether the values are probabilities, only a run shows.
    """
    reading = readers(model.nodes)
    name = own = tensor.removesuffix(LOGITS) if tensor.removesuffix(LOGITS) in model.tensors else tensor
    for _ in range(_DEPTH):
        behind = [one for one in reading.get(name, ()) if not one.domain]
        squashed = next((one for one in behind if one.op_type in _SQUASHING), None)
        if squashed is not None:
            return squashed.output[0] if _reaches_output(model, squashed.output[0]) else ""
        on = next((one for one in behind if one.op_type in _SAME_SHAPE), None)
        if on is None:
            break
        name = on.output[0]
    return own if _reaches_output(model, own) else ""


def is_sigmoid(model: Graph, tensor: str) -> bool:
    """Return whether a Sigmoid gives a tensor, maybe inside an If, so that each number is a probability of its own."""
    name = tensor
    for _ in range(_DEPTH):
        node = model.producers.get(name)
        if node is None or node.domain:
            return False
        if node.op_type == "Sigmoid" or (node.op_type == "If" and f"{name}{LOGITS}" in node.output):
            return True
        if node.op_type not in _SAME_SHAPE:
            return False
        name = node.input[0]
    return False


def _reaches_output(model: Graph, tensor: str) -> bool:
    """Return whether a tensor is handed on to an output of the model."""
    reading = readers(model.nodes)
    waiting, seen = [tensor], {tensor}
    while waiting:
        name = waiting.pop()
        if name in model.outputs:
            return True
        for node in reading.get(name, ()):
            if node.op_type in _HANDING_ON:
                new = [one for one in node.output if one and one not in seen]
                seen.update(new)
                waiting += new
    return False
