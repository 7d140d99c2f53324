"""The range of values that a tensor's operator can give. A score at the end of this range cannot rise further."""

from __future__ import annotations

import math

from onnx import NodeProto, helper

from onnxviz.errors import OnnxvizError
from onnxviz.model.graph.graph import Graph

Range = tuple[float, float]

_RANGES: dict[str, Range] = {
    **dict.fromkeys(("Sigmoid", "HardSigmoid", "Softmax", "Hardmax"), (0.0, 1.0)),
    **dict.fromkeys(("Tanh", "Softsign", "Erf", "Sin", "Cos"), (-1.0, 1.0)),
    **dict.fromkeys(("Relu", "ThresholdedRelu", "Softplus", "Abs", "Exp", "Sqrt"), (0.0, math.inf)),
    "LogSoftmax": (-math.inf, 0.0),
}
_HANDED_ON = {
    *("Identity", "Cast", "Dropout", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze"),
    *("MaxPool", "GlobalMaxPool", "GlobalAveragePool"),
}
"""Operators whose outputs are within the range of their first input."""


def output_range(model: Graph, tensor: str) -> tuple[float, float, str]:
    """Return the least and the greatest value that a tensor can hold, and the operator that limits them.

    Parameters
    ----------
    model : Graph
        The model.
    tensor : str
        Any tensor of the graph.

    Returns
    -------
    low, high : float
        Infinite if unknown.
    operator : str
        Type of the operator; "" if unknown.
    """
    name = tensor
    for _ in range(16):
        node = model.producers.get(name)
        if node is None or node.domain or not node.input:
            break
        if node.op_type in _RANGES:
            return (*_RANGES[node.op_type], node.op_type)
        if node.op_type == "Clip":
            return (*_clip(model, node), "Clip")
        if node.op_type not in _HANDED_ON or name != node.output[0]:
            break
        name = node.input[0]
    return -math.inf, math.inf, ""


def _clip(model: Graph, node: NodeProto) -> Range:
    """Return a Clip's bounds; infinite if they are missing or computed."""
    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    bounds = [float(given.get("min", -math.inf)), float(given.get("max", math.inf))]
    for place, name in enumerate(node.input[1:3]):
        if not name:
            continue
        try:
            bounds[place] = float(model.weight(name).reshape(()))
        except OnnxvizError:
            continue
    return bounds[0], bounds[1]
