"""The tensor that a ZipMap reads: table classifiers output a map for each sample, and a map cannot be a target."""

from __future__ import annotations

from dataclasses import replace

from onnxviz.model.graph.graph import Graph
from onnxviz.target import Target


def unzipped(model: Graph, target: Target) -> Target | None:
    """Return the target in the tensor that a ZipMap turns into maps; None if the target is not a ZipMap's output.

    Parameters
    ----------
    model : Graph
        The model.
    target : Target
        The target. Its index counts classes in the order of the ZipMap's labels.
    """
    node = model.producers.get(target.tensor)
    if node is None or node.op_type != "ZipMap" or node.domain != "ai.onnx.ml":
        return None
    return replace(target, tensor=node.input[0])


def zipped_labels(model: Graph, tensor: str) -> tuple[str, ...]:
    """Return the class labels that a ZipMap gives to the columns of a tensor, in order; empty if no ZipMap reads it."""
    for node in model.nodes:
        if node.op_type == "ZipMap" and node.domain == "ai.onnx.ml" and node.input[0] == tensor:
            for attribute in node.attribute:
                if attribute.strings:
                    return tuple(text.decode("utf-8", "replace") for text in attribute.strings)
                if attribute.ints:
                    return tuple(map(str, attribute.ints))
    return ()


_SCORES_KEPT = ("Cast", "Identity", "Normalizer", "Softmax", "Sigmoid")
"""Operators that keep one score for each class, in the same order."""


def classifier_labels(model: Graph, tensor: str) -> tuple[str, ...]:
    """Return the class labels that a classifier of ``ai.onnx.ml`` holds for the scores it computes, in order; empty for others."""
    node = model.producers.get(tensor)
    while node is not None and node.op_type in _SCORES_KEPT and node.input:
        tensor = node.input[0]
        node = model.producers.get(tensor)
    if node is None or node.domain != "ai.onnx.ml" or tensor not in node.output[1:]:
        return ()
    for attribute in node.attribute:
        if attribute.name == "classlabels_strings" and attribute.strings:
            return tuple(text.decode("utf-8", "replace") for text in attribute.strings)
        if attribute.name in ("classlabels_ints", "classlabels_int64s") and attribute.ints:
            return tuple(map(str, attribute.ints))
    return ()


def class_name(model: Graph, target: Target | None) -> str:
    """Return the name of the class that a target selects; "" if there is not one name for each unit.

    Parameters
    ----------
    model : Graph
        The model.
    target : Target or None
        A tensor whose index begins with a unit, as in ``logits[281]``.
    """
    if target is None or not target.index or not isinstance(target.index[0], int):
        return ""
    labels = class_labels(model, target.tensor)
    known = bool(labels) and model.tensors[target.tensor].units == len(labels)
    return labels[target.index[0]] if known and -len(labels) <= target.index[0] < len(labels) else ""


def class_labels(model: Graph, tensor: str) -> tuple[str, ...]:
    """Return a tensor's class names: the user's, a ZipMap's, the metadata's or a classifier's; empty if they are only 0, 1, 2, …."""
    labels = model.classes or zipped_labels(model, tensor) or model.class_names or classifier_labels(model, tensor)
    return () if labels == tuple(map(str, range(len(labels)))) else labels


def output_classes(model: Graph, name: str) -> tuple[str, ...]:
    """Return the class names of an output's scores or maps; empty if it does not have one score for each name."""
    target = unzipped(model, Target(name)) or Target(name)
    labels = class_labels(model, target.tensor)
    info = model.tensors[target.tensor]
    return labels if info.is_float and info.units == len(labels) else ()
