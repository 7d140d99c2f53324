"""Seeded sample inputs for a model, in the range that the model expects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import TensorProto

from onnxviz.errors import AllocationError, UsageError
from onnxviz.model.expectations.compared import compared_number
from onnxviz.model.expectations.contract_reading import contract, settle
from onnxviz.model.expectations.integer_inputs import holds_numbers, rounded
from onnxviz.model.expectations.whole_numbers import holds_whole_numbers
from onnxviz.model.graph.graph import Graph

_MOST_ELEMENTS = 1 << 28
"""Most elements of an input: 1 GiB in float32, as for outputs of operators."""

_INTEGERS: dict[int, type[np.integer[Any]]] = {
    TensorProto.INT64: np.int64,
    TensorProto.INT32: np.int32,
    TensorProto.INT16: np.int16,
    TensorProto.INT8: np.int8,
    TensorProto.UINT8: np.uint8,
    TensorProto.UINT16: np.uint16,
    TensorProto.UINT32: np.uint32,
    TensorProto.UINT64: np.uint64,
}
_FLOATS: dict[int, type[np.floating[Any]]] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
    TensorProto.FLOAT16: np.float16,
}


def random_input(model: Graph, name: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return seeded values for one input: uniform over its range, or standard normal if it has none.

    An input of whole numbers that the graph compares with a constant gets that constant.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        Name of an input, or of any tensor that is fed.
    shape : tuple of int
        Shape with the batch.
    seed : int
        Seed of the random numbers.

    Raises
    ------
    UsageError
        If the input holds strings or another type without numbers.
    """
    info = model.require(name)
    generator = np.random.default_rng([seed, *name.encode()])
    kind = info.element_type
    if kind == TensorProto.BOOL:
        return np.ones(shape, np.bool_)
    if kind in _INTEGERS:
        compared = compared_number(model, name)
        if compared is not None:
            return np.full(shape, compared, _INTEGERS[kind])
        # The range of numbers is the contract's. Other integers index a table, or are masks.
        numbers = contract(model, name) if holds_numbers(model, info) else None
        if numbers is not None and numbers.bounded:
            span = max(numbers.high) - min(numbers.low)
            return rounded(min(numbers.low) + span * generator.random(shape), info.dtype)
        top = 256 if kind == TensorProto.UINT8 else _bound(model, name)
        return generator.integers(0, top, shape).astype(_INTEGERS[kind])
    if kind and kind not in _FLOATS and kind != TensorProto.BFLOAT16:
        raise UsageError(f"{name} holds {info.dtype}; give its values with `held` {name}=FILE.npy")
    if holds_whole_numbers(model, name):
        return generator.integers(0, _bound(model, name), shape).astype(_FLOATS.get(kind, np.float32))
    expected = contract(model, name)
    if expected.bounded:
        low, high = (np.asarray(edge, np.float64) for edge in (expected.low, expected.high))
        if low.size > 1 and "channel" in expected.axes:
            view = [1] * len(shape)
            view[1 + expected.axes.index("channel")] = -1
            low, high = low.reshape(view), high.reshape(view)
        values = low + (high - low) * generator.random(shape)
    else:
        values = generator.standard_normal(shape)
        if expected.mean and expected.scale and len(shape) == 2 and len(expected.mean) in (1, shape[1]):
            values = np.asarray(expected.mean) + values * np.asarray(expected.scale)
    return values.astype(_FLOATS.get(kind, np.float32))


def settled_shape(
    model: Graph, name: str, dims: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[int, ...]:
    """Return an input's shape with every size settled.

    Raises
    ------
    UsageError
        If a given shape contradicts the file's.
    AllocationError
        If the input would have more than `_MOST_ELEMENTS` elements.
    """
    info = model.require(name)
    shape = settle(info.shape or (), dict(dims), contract(model, name).kind, shapes.get(name))
    if math.prod(shape) > _MOST_ELEMENTS:
        raise AllocationError(
            f"the input '{name}' has the shape {'x'.join(map(str, shape))}, {math.prod(shape):,} elements; "
            f"at most {_MOST_ELEMENTS:,} are allowed"
        )
    return shape


def _bound(model: Graph, name: str) -> int:
    """Return the number of values of an integer input: rows of an embedding's Gather, depth of a OneHot, or 2."""
    reached = {name}
    for node in model.nodes:
        if not any(one in reached for one in node.input):
            continue
        if (
            node.op_type == "Gather"
            and len(node.input) > 1
            and node.input[1] in reached
            and node.input[0] in model.tensors
        ):
            shape = model.tensors[node.input[0]].shape
            if shape and isinstance(shape[0], int):
                return max(1, shape[0])
        if node.op_type == "OneHot" and node.input[0] in reached and node.input[1] in model.constants:
            return max(1, int(np.asarray(model.weight(node.input[1])).reshape(-1)[0]))
        if node.op_type in ("Cast", "Identity", "Reshape", "Unsqueeze", "Squeeze", "Where", "Clip"):
            reached.update(node.output)
    return 2


def feed(
    model: Graph,
    held: Mapping[str, np.ndarray],
    dims: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Return values for all inputs of a model: the given values, and seeded values for the others.

    Parameters
    ----------
    model : Graph
        The model.
    held : mapping of str to ndarray
        Values that the user gave.
    dims, shapes : mapping
        Sizes that the user gave for names, and for whole inputs.
    seed : int
        Seed of the random numbers.

    Raises
    ------
    UsageError
        If a given name is not a tensor of the model.
    """
    for name in held:
        if name not in model.inputs and name not in model.tensors:
            raise UsageError(f"`held` {name}: {model.name} has no such input; its inputs are {', '.join(model.inputs)}")
    values = dict(held)
    for name in model.inputs:
        if name not in values:
            values[name] = random_input(model, name, settled_shape(model, name, dims, shapes), seed)
    return values
