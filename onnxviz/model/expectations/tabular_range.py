"""Ranges of the features of classical models: from the thresholds of trees, and from support vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, helper, numpy_helper

from onnxviz.contract import InputContract
from onnxviz.errors import OnnxvizError
from onnxviz.model.graph.graph import Graph

_DOMAIN = "ai.onnx.ml"
_HANDED_ON = {"Cast", "Identity", "Imputer", "FeatureVectorizer"}
_COMPARISONS = ("Less", "LessOrEqual", "Greater", "GreaterOrEqual")
_ARRANGED = ("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "ReduceSum")
_UNBOUNDED = 1e30
"""A larger threshold stands for no threshold, as in padded trees."""

_MEMBER = 6
"""The number of BRANCH_MEMBER in TreeEnsemble-5, which compares with a set instead of a threshold."""


def from_trees(model: Graph, found: InputContract) -> InputContract:
    """Return the range of the thresholds of all trees that read an input; outside of it nothing changes.

    A quarter of the distance between a feature's outermost thresholds is added at both ends, so that the range includes
    both sides of each threshold. A feature that no tree reads stays at 0.
    """
    pairs = [pair for node in _readers(model, found.name) for pair in _thresholds(node)]
    return _within_thresholds(found, pairs, "outermost thresholds of its trees plus a margin")


def from_comparisons(model: Graph, found: InputContract) -> InputContract:
    """Return the range of the constants with which a graph compares single features, as in trees written as tensors.

    A feature may be picked by Gather, GatherElements, a OneHot mask or a one-hot matrix. A threshold may be constant or
    gathered from constants. If both are gathered, the entries of the two tables belong together in order. Tables of
    trees of different depths are filled up with comparisons of feature 0 with 0, which split nothing.
    """
    comparisons = [node for node in model.nodes if node.op_type in _COMPARISONS and not node.domain]
    if not comparisons or not _features(found):
        return found
    given = {name for name in model.tensors if name == found.name}
    for node in model.nodes:
        if node.op_type in ("Cast", "Identity", "Unsqueeze") and node.input[0] in given:
            given.update(node.output)
    pairs: list[tuple[int, float]] = []
    fillings: list[tuple[int, float]] = []
    for node in comparisons:
        for value, bound in (node.input, node.input[::-1]):
            features, thresholds = _picked(model, value, given), _table(model, bound)
            if features is not None and thresholds is not None and features.size == thresholds.size:
                usable = np.isfinite(thresholds) & (np.abs(thresholds) < _UNBOUNDED)
                filling = (features == 0) & (thresholds == 0)
                if filling.sum() > 1:
                    fillings = [(0, 0.0)]
                    usable &= ~filling
                pairs += zip(features[usable].astype(int).tolist(), thresholds[usable].tolist(), strict=True)
    if all(feature for feature, _ in pairs):  # then the fillings may be real comparisons
        pairs += fillings
    return _within_thresholds(found, pairs, "outermost numbers that the graph compares features with, plus a margin")


def _within_thresholds(found: InputContract, pairs: list[tuple[int, float]], words: str) -> InputContract:
    """Return the range of each feature's thresholds, widened by a quarter at both ends."""
    count = _features(found)
    if not count or not pairs or max(feature for feature, _ in pairs) >= count:
        return found
    low, high, mean = np.zeros(count), np.zeros(count), np.zeros(count)
    for place in {feature for feature, _ in pairs}:
        values = np.unique([value for feature, value in pairs if feature == place])
        margin = (values[-1] - values[0]) / 4 or max(1.0, abs(values[0]) / 2)
        low[place], high[place], mean[place] = values[0] - margin, values[-1] + margin, np.median(values)
    unused = int((low == high).sum())
    outermost = f"{low.min():.4g} to {high.max():.4g}"
    note = f"{words}, {outermost}"
    if unused:
        note += f"; {unused} of {count} features are never compared and stay at 0"
    return found.with_note(note, low=tuple(low.tolist()), high=tuple(high.tolist()), mean=tuple(mean.tolist()))


def from_support_vectors(model: Graph, found: InputContract) -> InputContract:
    """Return the range of a kernel machine's support vectors, which are training samples."""
    count = _features(found)
    for node in _readers(model, found.name):
        if node.domain != _DOMAIN or node.op_type not in ("SVMClassifier", "SVMRegressor"):
            continue
        vectors = np.asarray(_attributes(node).get("support_vectors", ()), np.float64)
        if not count or not vectors.size or vectors.size % count:
            continue
        table = vectors.reshape(-1, count)
        low, high = table.min(0), table.max(0)
        if len(table) < 2 or not (low < high).any():
            continue
        note = f"its {len(table)} support vectors have values from {low.min():.4g} to {high.max():.4g}"
        spread = tuple(table.std(0).tolist())
        return found.with_note(
            note, low=tuple(low.tolist()), high=tuple(high.tolist()), mean=tuple(table.mean(0).tolist()), scale=spread
        )
    return found


def _features(found: InputContract) -> int:
    """Return the number of features of a vector; 0 for other kinds of input."""
    size = found.shape[1] if found.kind == "vector" and len(found.shape) == 2 else 0
    return size if isinstance(size, int) else 0


def _readers(model: Graph, name: str) -> list[NodeProto]:
    """Return the nodes that read an input, directly or through operators that pass its numbers on."""
    reached, found = {name}, []
    for node in model.nodes:
        if node.input and node.input[0] in reached:
            if node.op_type in _HANDED_ON and len(node.input) == 1:
                reached.update(node.output)
            else:
                found.append(node)
    return found


def _thresholds(node: NodeProto) -> list[tuple[int, float]]:
    """Return (feature, threshold) of every split of a tree ensemble; an empty list for other nodes."""
    if node.domain != _DOMAIN or not node.op_type.startswith("TreeEnsemble"):
        return []
    given = _attributes(node)
    values = given.get("nodes_values", given.get("nodes_values_as_tensor", given.get("nodes_splits", ())))
    features, modes = given.get("nodes_featureids", ()), given.get("nodes_modes", ())
    if len(values) != len(features) or len(modes) != len(features):
        return []
    return [
        (int(feature), float(value))
        for feature, value, mode in zip(features, values, modes, strict=True)
        if mode not in (b"LEAF", _MEMBER) and np.isfinite(value) and feature >= 0
    ]


def _attributes(node: NodeProto) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        found[attribute.name] = numpy_helper.to_array(value) if attribute.type == attribute.TENSOR else value
    return found


def _made_by(model: Graph, name: str) -> NodeProto | None:
    """Return the node that computes a tensor's numbers, past those that only arrange them."""
    node = model.producers.get(name)
    while node is not None and node.op_type in _ARRANGED and node.input:
        name = node.input[0]
        node = model.producers.get(name)
    return node


def _table(model: Graph, name: str) -> np.ndarray | None:
    """Return the constants of a tensor or of the table that it is gathered from, (n,); None if there are none."""
    node = _made_by(model, name)
    try:
        if node is not None and node.op_type == "Gather":
            name = node.input[0]
        numbers: np.ndarray = np.asarray(model.weight(name), np.float64).reshape(-1)
    except (OnnxvizError, ValueError):  # computed from the input, or no numbers
        return None
    return numbers


def _picked(model: Graph, name: str, given: set[str]) -> np.ndarray | None:
    """Return which features of the input a tensor holds, (n,); None if it is not a selection of features."""
    node = _made_by(model, name)
    if node is None or len(node.input) < 2:
        return None
    data, other = node.input[0], node.input[1]
    if node.op_type in ("Gather", "GatherElements") and data in given:
        axis = next((one.i for one in node.attribute if one.name == "axis"), 0)
        return _table(model, other) if axis in (1, -1) else None
    if node.op_type == "Mul" and (data in given or other in given):
        mask = _made_by(model, other if data in given else data)
        return _table(model, mask.input[0]) if mask is not None and mask.op_type == "OneHot" else None
    if node.op_type in ("MatMul", "Gemm") and data in given:
        try:
            matrix = np.asarray(model.weight(other), np.float64)
        except OnnxvizError:  # computed from the input
            return None
        turned = any(one.name == "transB" and one.i for one in node.attribute)
        matrix = matrix.T if turned else matrix
        if matrix.ndim != 2 or not ((matrix == 1).sum(0) == 1).all() or np.abs(matrix).sum() != matrix.shape[1]:
            return None
        chosen: np.ndarray = np.argmax(matrix, 0).astype(np.float64)
        return chosen
    return None
