"""The first convolution or matrix after an input, and its kernels as stored in the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import AttributeProto, NodeProto

from onnxviz.errors import ModelError, TargetError, UsageError
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.structure import dependents

_CONVOLUTIONS = {
    "Conv": 1,
    "ConvTranspose": 1,
    "ConvInteger": 1,
    "QLinearConv": 3,
    "FusedConv": 1,
    "NhwcFusedConv": 1,
    "CausalConvWithState": 1,
}
"""Operators that slide kernels -> the position of the input that holds the kernels."""

_MATRICES = {
    "MatMul": 1,
    "Gemm": 1,
    "FusedGemm": 1,
    "FusedMatMul": 1,
    "MatMulInteger": 1,
    "QLinearMatMul": 3,
    "QGemm": 3,
    "RNN": 1,
    "GRU": 1,
    "LSTM": 1,
}
"""Operators that multiply by a matrix -> the position of the input that holds the matrix."""

_COEFFICIENTS = ("LinearClassifier", "LinearRegressor")
"""Operators whose matrix is an attribute."""


@dataclass(frozen=True)
class FirstLayer:
    """A layer's kernels.

    Attributes
    ----------
    layer : str
        The layer's output.
    operator : str
        The layer's operator.
    weight : str
        The tensor that holds the kernels.
    kernels : (filter, channel, *spatial) ndarray
        Kernels in floating point, dequantized. A matrix has no spatial axes, unless it reads a whole picture.
    path : tuple of str
        The operators between the file's bytes and the kernels, the bytes' own kind first: "Initializer",
        "DequantizeLinear".
    groups : int
        Number of groups of the input's channels; the number of channels in a depthwise convolution.
    """

    layer: str
    operator: str
    weight: str
    kernels: np.ndarray
    path: tuple[str, ...]
    groups: int = 1


def first_layer(model: Graph, input_name: str | None = None, weight: str | None = None) -> FirstLayer:
    """Return a layer and its kernels.

    Parameters
    ----------
    model : Graph
        The model.
    input_name : str, optional
        Input to start from. Default: all inputs.
    weight : str, optional
        Tensor to take instead: a weight, or a layer's output.

    Raises
    ------
    TargetError
        If there is no such tensor, or it belongs to no layer.
    UsageError
        If no layer with constant weights comes after the input.
    """
    if weight is not None:
        return _named_layer(model, weight)
    if input_name is not None and input_name not in model.inputs:
        raise UsageError(f"{input_name} is no input of {model.name}; its inputs are {', '.join(model.inputs)}")
    start = [input_name] if input_name is not None else list(model.inputs)
    reached = set(start)
    fed = dependents(model.nodes, model.inputs)
    matrices: list[tuple[NodeProto, int]] = []
    flat = all(model.inputs[name].shape is not None and len(model.inputs[name].shape or ()) <= 2 for name in start)
    for node in model.nodes:
        if not any(name in reached for name in node.input):
            continue
        reached.update(node.output)
        place = weight_place(model, node, fed)
        if place is None:
            continue
        if node.op_type in _CONVOLUTIONS:
            return _layer(model, node, place)
        matrices.append((node, place))
        if flat and node.op_type not in ("RNN", "GRU", "LSTM"):
            break
    if matrices:
        return _as_pictures(model, _layer(model, *matrices[0]), start)
    kinds = ", ".join(dict.fromkeys(node.op_type for node in model.nodes[:6]))
    raise UsageError(
        f"{model.name}: no convolution or matrix with constant weights comes after {', '.join(start)} (the graph begins with {kinds}); "
        "name a weight or a layer"
    )


def weight_place(model: Graph, node: NodeProto, fed: set[str]) -> int | None:
    """Return which input of a layer holds its constant weights: -1 for an attribute, None if the node is no such layer.

    Parameters
    ----------
    model : Graph
        The model.
    node : NodeProto
        A node of the model.
    fed : set of str
        Tensors that depend on an input: they are not weights.
    """
    if node.op_type in _COEFFICIENTS and node.domain == "ai.onnx.ml":
        return -1
    place = _CONVOLUTIONS.get(node.op_type, _MATRICES.get(node.op_type))
    if place is None or place >= len(node.input):
        return None
    if (
        node.op_type == "MatMul"
        and node.input[1] in fed
        and node.input[0] not in fed
        and _rank(model, node.input[0]) == 2
    ):
        return 0
    if node.input[place] in fed or (node.op_type in _MATRICES and (_rank(model, node.input[place]) or 0) < 2):
        return None
    return place


def origin(model: Graph, name: str) -> tuple[str, ...]:
    """Return the operators between the file's bytes and a constant tensor, the bytes' own kind first."""
    path: list[str] = []
    while name not in model.constants:
        node = model.producers.get(name)
        if node is None:
            raise TargetError(f"{name} is no weight: it is an input of {model.name}")
        path.append(node.op_type)
        following = next((one for one in node.input if one), None)
        if following is None:
            return tuple(reversed(path))
        name = following
    path.append(model.tensors[name].operator + (" (external data)" if _external(model, name) else ""))
    return tuple(reversed(path))


def _named_layer(model: Graph, name: str) -> FirstLayer:
    model.require(name)
    producer = model.producers.get(name)
    fed = dependents(model.nodes, model.inputs)
    if producer is not None and name in fed:
        place = weight_place(model, producer, fed)
        if place is None:
            raise TargetError(
                f"{name} is made by {producer.op_type}, which has no kernels; name a weight, or the output of a convolution or matrix"
            )
        return _layer(model, producer, place)
    for node in model.nodes:
        place = weight_place(model, node, fed)
        if place is not None and place >= 0 and node.input[place] == name:
            return _layer(model, node, place)
    values = np.asarray(model.weight(name))
    if values.ndim < 2:
        raise TargetError(f"{name} has the shape {list(values.shape)}; a layer's kernels have two axes or more")
    return FirstLayer(name, model.tensors[name].operator, name, values.astype(np.float64), origin(model, name))


def _external(model: Graph, name: str) -> bool:
    weight = model.constants[name]
    return bool(getattr(weight, "external_data", ()))


def _rank(model: Graph, name: str) -> int | None:
    shape = model.tensors[name].shape
    return None if shape is None else len(shape)


def _layer(model: Graph, node: NodeProto, place: int) -> FirstLayer:
    attributes: dict[str, Any] = dict(_attributes(node))
    layer = node.output[0]
    if place < 0:
        coefficients = np.asarray(attributes["coefficients"], np.float64)
        # A classifier of two classes may hold one row for each or one for both: the number of intercepts tells.
        rows = int(attributes.get("targets", 1))
        if node.op_type == "LinearClassifier":
            classes = len(attributes.get("classlabels_ints", ())) or len(attributes.get("classlabels_strings", ()))
            rows = len(attributes.get("intercepts", ())) or classes
        if rows < 1 or coefficients.size % rows:
            rows = 1
        return FirstLayer(layer, node.op_type, f"{layer}: coefficients", coefficients.reshape(rows, -1), ("Attribute",))
    weight = node.input[place]
    path = origin(model, weight)
    held = np.asarray(model.weight(weight))
    groups = int(attributes.get("group", 1))
    _check(layer, node.op_type, weight, held, groups)
    values = held.astype(np.float64)
    if node.op_type in ("QLinearConv", "QLinearMatMul", "QGemm"):
        by_rows = node.op_type == "QLinearConv" or bool(attributes.get("transB", 0))
        axis = 0 if by_rows else values.ndim - 1
        values = _dequantize(model, values, node.input[place + 1], node.input[place + 2], axis)
        path = (*path, node.op_type)
    elif node.op_type in ("ConvInteger", "MatMulInteger"):
        axis = 0 if node.op_type == "ConvInteger" else values.ndim - 1
        values = _dequantize(model, values, "", node.input[3] if len(node.input) > 3 else "", axis)
    if node.op_type == "ConvTranspose":
        values = _turned(values, groups)
    elif node.op_type in ("RNN", "GRU", "LSTM"):
        values = values.reshape(-1, values.shape[-1])
    elif node.op_type in _MATRICES:
        if values.ndim > 2:
            values = values.reshape(-1, *values.shape[-2:])[0]
        rows_first = place == 0 or bool(attributes.get("transB", 0))
        values = values if rows_first else values.T
    if node.op_type in _CONVOLUTIONS and values.ndim > 3:
        # A 1-D convolution written as a 2-D convolution: the axis of size 1 shows nothing.
        kept = [size for size in values.shape[2:] if size > 1] or [1]
        values = values.reshape(*values.shape[:2], *(kept if len(kept) < values.ndim - 2 else values.shape[2:]))
    return FirstLayer(layer, node.op_type, weight, np.ascontiguousarray(values), path, groups)


def _check(layer: str, operator: str, weight: str, values: np.ndarray, groups: int) -> None:
    """Refuse a weight that cannot be kernels."""
    if values.dtype == object:
        raise ModelError(f"{layer}: its weight '{weight}' holds text; {operator} takes numbers")
    least = 3 if operator in _CONVOLUTIONS else 1
    if values.ndim < least or values.size == 0:
        shape = "x".join(map(str, values.shape)) or "no axes"
        raise ModelError(f"{layer}: its weight '{weight}' has the shape {shape}; {operator} needs {least} axes or more")
    if groups < 1 or (operator in _CONVOLUTIONS and values.shape[0] % groups):
        raise ModelError(f"{layer}: its {values.shape[0]} channels cannot be divided into {groups} groups")


def _turned(values: np.ndarray, groups: int) -> np.ndarray:
    """Return a transposed convolution's (in, out / groups, ...) weights in the order (out, in / groups, ...)."""
    channels, filters, *spatial = values.shape
    parts = values.reshape(groups, channels // groups, filters, *spatial)
    return np.moveaxis(parts, 2, 1).reshape(groups * filters, channels // groups, *spatial)


def _dequantize(model: Graph, values: np.ndarray, scale: str, zero_point: str, axis: int) -> np.ndarray:
    def along(name: str, default: float) -> np.ndarray:
        if not name:
            return np.full(1, default)
        constant = np.asarray(model.weight(name)).astype(np.float64)
        if constant.ndim == 1 and constant.size > 1:
            shape = [1] * values.ndim
            shape[axis] = constant.size
            return constant.reshape(shape)
        return constant if constant.size > 1 else constant.reshape(-1)

    whole: np.ndarray = (values - along(zero_point, 0.0)) * along(scale, 1.0)
    return whole


def _as_pictures(model: Graph, found: FirstLayer, inputs: list[str]) -> FirstLayer:
    """Return the layer; a matrix that reads a whole picture gets the picture's axes."""
    for name in inputs:
        shape = model.inputs[name].shape
        sizes = tuple(size for size in (shape or ())[1:] if isinstance(size, int))
        if (
            shape is not None
            and len(sizes) == len(shape) - 1
            and int(np.prod(sizes)) == found.kernels.shape[-1]
            and sum(size > 2 for size in sizes) > 1
        ):
            kernels = found.kernels.reshape(-1, *sizes)
            if len(sizes) == 2:
                kernels = kernels[:, None]
            return FirstLayer(found.layer, found.operator, found.weight, kernels, found.path, found.groups)
    return found


def _attributes(node: NodeProto) -> Iterator[tuple[str, object]]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.INT:
            yield attribute.name, attribute.i
        elif attribute.type == AttributeProto.INTS:
            yield attribute.name, tuple(attribute.ints)
        elif attribute.type == AttributeProto.FLOATS:
            yield attribute.name, tuple(attribute.floats)
        elif attribute.type == AttributeProto.STRINGS:
            yield attribute.name, tuple(attribute.strings)
