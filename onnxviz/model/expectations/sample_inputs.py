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
from onnxviz.model.expectations.input_roles import input_roles
from onnxviz.model.expectations.integer_inputs import holds_numbers, rounded
from onnxviz.model.expectations.known_texts import known_texts
from onnxviz.model.expectations.lengths import counted_input
from onnxviz.model.expectations.open_sizes import completed_shape, sequence_length
from onnxviz.model.expectations.whole_numbers import holds_whole_numbers
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.tensor_info import TensorInfo

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


def number_type(info: TensorInfo) -> np.dtype[Any] | None:
    """Return the numpy type of a tensor of numbers or booleans; None for other tensors."""
    if info.element_type == TensorProto.BOOL:
        return np.dtype(np.bool_)
    found = _INTEGERS.get(info.element_type) or _FLOATS.get(info.element_type)
    return None if found is None else np.dtype(found)


def told_values(
    model: Graph,
    name: str,
    shape: tuple[int, ...],
    dims: Mapping[str, int] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> np.ndarray | None:
    """Return the values of an input whose use leaves no choice; None for other inputs.

    Conditions are true, masks leave everything on, and lengths are the length of the sequence that they count (1, where
    they are a share of it). A whole number that the graph compares with a constant, such as a rate, is that constant.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        The input.
    shape : tuple of int
        Shape with the batch.
    dims, shapes : mapping, optional
        Sizes that are known for names, and for whole inputs: they tell the lengths.
    """
    info = model.require(name)
    role = input_roles(model).get(name)
    if info.dtype == "bool":
        return np.full(shape, role is None or role.name != "mask" or bool(role.value), np.bool_)
    kind = number_type(info) or np.dtype(np.float32 if info.is_float else np.int64)
    if role is not None and role.name == "mask":
        return np.full(shape, role.value, kind)
    if role is not None and role.name == "length":
        counted = counted_input(model, name, input_roles(model))
        known = {one: size for one, size in (shapes or {}).items() if one != name}
        length = 1 if info.is_float or counted is None else sequence_length(model, counted, dims or {}, known)
        return np.full(shape, length + int(role.value), kind)
    compared = None if info.is_float else compared_number(model, name)
    return None if compared is None else np.full(shape, compared, kind)


def random_input(
    model: Graph,
    name: str,
    shape: tuple[int, ...],
    seed: int = 0,
    dims: Mapping[str, int] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> np.ndarray:
    """Return seeded values for one input: uniform over its range, or standard normal if it has none.

    Inputs whose use leaves no choice have their `told_values`.

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
    dims, shapes : mapping, optional
        Sizes that are known for names, and for whole inputs, as in `told_values`.

    Raises
    ------
    UsageError
        If the input holds neither numbers nor texts.
    """
    info = model.require(name)
    generator = np.random.default_rng([seed, *name.encode()])
    kind = info.element_type
    if kind == TensorProto.STRING:
        return sample_texts(model, name, shape)
    if name in model.inputs and (told := told_values(model, name, shape, dims, shapes)) is not None:
        return told
    if kind == TensorProto.BOOL:
        return np.ones(shape, np.bool_)
    if kind in _INTEGERS:
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


def sample_texts(model: Graph, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the first text that the graph knows for each column of an input; the empty text where it knows none.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        Name of the input.
    shape : tuple of int
        Shape with the batch.

    Returns
    -------
    (*shape) ndarray of object
    """
    first = [(column.texts or ("",))[0] for column in known_texts(model, name)]
    values = np.empty(math.prod(shape), object)
    values[:] = [first[place % len(first)] for place in range(values.size)]
    return values.reshape(shape)


def settled_shape(
    model: Graph, name: str, dims: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[int, ...]:
    """Return an input's shape with every size settled; see `completed_shape` for sizes that nothing gives.

    Raises
    ------
    UsageError
        If a given shape contradicts the file's.
    AllocationError
        If the input would have more than `_MOST_ELEMENTS` elements.
    """
    info = model.require(name)
    given = shapes.get(name)
    shape = completed_shape(model, name, dims, shapes) if given is None else settle(info.shape or (), {}, "", given)
    if math.prod(shape) > _MOST_ELEMENTS:
        raise AllocationError(
            f"the input '{name}' has the shape {'x'.join(map(str, shape))}, {math.prod(shape):,} elements; "
            f"at most {_MOST_ELEMENTS:,} are allowed"
        )
    return shape


def filled(
    model: Graph,
    held: Mapping[str, np.ndarray],
    dims: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
) -> dict[str, np.ndarray]:
    """Return held values in which every array without axes fills the shape of its tensor.

    Raises
    ------
    UsageError, AllocationError
        As `settled_shape` does.
    """
    return {
        name: value
        if np.ndim(value)
        else np.full(settled_shape(model, name, dims, shapes), np.asarray(value)[()], np.asarray(value).dtype)
        for name, value in held.items()
    }


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
        Values that the user gave; an array without axes fills its input.
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
    values = filled(model, held, dims, shapes)
    for name in model.inputs:
        if name not in values:
            values[name] = random_input(model, name, settled_shape(model, name, dims, shapes), seed, dims, shapes)
    return values
