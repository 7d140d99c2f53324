"""Missing values: which inputs may hold NaN because trees or an Imputer take it."""

from __future__ import annotations

from onnx import NodeProto

from onnxviz.model.graph.graph import Graph

_DOMAIN = "ai.onnx.ml"
_KEPT_APART = {
    *("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Concat", "Split", "Gather", "Slice"),
    *("FeatureVectorizer", "ArrayFeatureExtractor", "Scaler", "Add", "Sub", "Mul", "Div"),
}
"""Operators after which a missing feature is NaN and all other features are numbers."""


def takes_missing_values(model: Graph, name: str) -> bool:
    """Return whether every reader of an input, past operators that keep features apart, takes NaN for a missing value.

    Tree ensembles do, which send NaN down one branch of each split. So do an Imputer that replaces NaN, and a Where
    whose condition is the IsNaN of its input.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        An input of floating-point numbers.
    """
    info = model.require(name)
    if not info.is_float or len(info.shape or (0, 0)) > 2:
        return False
    reached, asked = {name}, set[str]()
    taken = False
    for node in model.nodes:
        if reached.isdisjoint(node.input):
            continue
        if node.op_type == "IsNaN":
            asked.update(node.output)
        elif _takes(node) or (node.op_type == "Where" and node.input[0] in asked):
            taken = True
        elif node.op_type in _KEPT_APART:
            reached.update(node.output)
        elif node.op_type not in ("Shape", "Size"):
            return False
    return taken and not any(one in reached for one in model.outputs)


def _takes(node: NodeProto) -> bool:
    if node.domain != _DOMAIN:
        return False
    if node.op_type == "Imputer":
        replaced = next((one.f for one in node.attribute if one.name == "replaced_value_float"), 0.0)
        return replaced != replaced  # only NaN differs from itself
    return node.op_type.startswith("TreeEnsemble")
