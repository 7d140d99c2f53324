"""The operators that graphs compute sizes with, by numpy: what ONNX says of each, for values of a few numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto

from onnxviz.model.graph.external_data import is_external

MOST_ELEMENTS = 1 << 16
"""Elements that a value may have."""

Array = Any
"""An ndarray: of numbers, or of names where elements are only moved."""


@dataclass(frozen=True)
class Call:
    """What an operator's function may know of its node."""

    attributes: Mapping[str, Any]
    version: int
    outputs: int

    def given(self, name: str, default: Any = None) -> Any:
        """Return an attribute."""
        return self.attributes.get(name, default)

    def axes(self, written: Any, since: int) -> tuple[int, ...] | None:
        """Return axes that are an input from a version on and an attribute before; None where neither is given."""
        listed = self.given("axes") if self.version < since else written
        return None if listed is None else tuple(np.asarray(listed).reshape(-1).tolist())


@dataclass(frozen=True)
class Rule:
    """How an operator computes.

    Attributes
    ----------
    function : callable
        Takes the call and the inputs as arrays.
    since : int
        The first version that it holds for.
    moved : tuple of int, or None
        The inputs whose elements are handed on as they are, `_ALL` for every one; None for an operator that calculates.
    by_element : bool
        Whether each element of the output is made of the elements at its place alone.
    """

    function: Callable[..., Any]
    since: int = 1
    moved: Sequence[int] | None = None
    by_element: bool = False


_ALL = range(1 << 31)


def attributes_of(node: NodeProto) -> dict[str, Any]:
    """Return a node's numbers and tensors, by attribute."""
    kinds = (
        AttributeProto.INT,
        AttributeProto.INTS,
        AttributeProto.FLOAT,
        AttributeProto.FLOATS,
        AttributeProto.TENSOR,
    )
    return {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute if one.type in kinds}


def _fits(shape: Sequence[int]) -> tuple[int, ...]:
    """Return a shape that a value may have.

    Raises
    ------
    ValueError
        If it would have too many elements.
    """
    if min(shape, default=0) < 0 or math.prod(shape) > MOST_ELEMENTS:
        raise ValueError(shape)
    return tuple(map(int, shape))


def _cast(call: Call, x: Array) -> Array:
    kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(call.given("to")))
    if kind.kind in "iu" and x.dtype.kind == "f" and not (abs(x) < 2.0**31).all():
        raise ValueError("what becomes of it depends on the machine")
    return x.astype(kind)


def _gather(call: Call, data: Array, indices: Array) -> Any:
    axis = call.given("axis", 0) % data.ndim
    _fits((*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :]))
    return np.take(data, indices, axis=axis)


def _gather_nd(call: Call, data: Array, indices: Array) -> Any:
    if call.given("batch_dims", 0):
        raise ValueError("batches are not known here")
    _fits((*indices.shape[:-1], *data.shape[indices.shape[-1] :]))
    return data[tuple(np.moveaxis(indices, -1, 0))]


def _scatter_nd(call: Call, data: Array, indices: Array, updates: Array) -> Array:
    if "reduction" in call.attributes:
        raise ValueError("reductions are not known here")
    made = data.copy()
    made[tuple(np.moveaxis(indices, -1, 0))] = updates
    return made


def _gather_elements(call: Call, data: Array, indices: Array) -> Array:
    return np.take_along_axis(data, indices, call.given("axis", 0))


def _slice(call: Call, data: Array, *written: Array) -> Array:
    if call.version < 10:
        starts, ends, axes = (call.given(name) for name in ("starts", "ends", "axes"))
        steps = None
    else:
        starts, ends, axes, steps = (
            None if one is None else one.tolist() for one in (*written, *([None] * (4 - len(written))))
        )
    places = [slice(None)] * data.ndim
    axes = range(len(starts)) if axes is None else axes
    for axis, start, end, step in zip(axes, starts, ends, steps or [1] * len(starts), strict=True):
        places[axis] = slice(start, end, step)
    return data[tuple(places)]


def _concat(call: Call, *parts: Array) -> Array:
    _fits([sum(part.size for part in parts)])
    return np.concatenate(parts, axis=call.given("axis"))


def _split(call: Call, data: Array, written: Array = None) -> list[Array]:
    axis = call.given("axis", 0)
    sizes = call.given("split") if call.version < 13 else None if written is None else written.tolist()
    if sizes is None:
        part = -(-data.shape[axis] // call.outputs)
        sizes = [part] * (call.outputs - 1) + [data.shape[axis] - part * (call.outputs - 1)]
    if sum(sizes) != data.shape[axis] or min(sizes) < 0:
        raise ValueError("the parts are not the whole")
    return np.split(data, np.cumsum(sizes)[:-1], axis)


def _squeeze(call: Call, data: Array, written: Array = None) -> Array:
    return np.squeeze(data, call.axes(written, 13))


def _unsqueeze(call: Call, data: Array, written: Array = None) -> Array:
    axes = call.axes(written, 13)
    if axes is None:
        raise ValueError("no axes")
    return np.expand_dims(data, axes)


def _reshape(call: Call, data: Array, shape: Array) -> Array:
    sizes = shape.tolist()
    if not call.given("allowzero", 0):
        sizes = [size or data.shape[place] for place, size in enumerate(sizes)]
    return data.reshape(sizes)


def _flatten(call: Call, data: Array) -> Array:
    axis = call.given("axis", 1)
    return data.reshape(math.prod(data.shape[: axis + data.ndim if axis < 0 else axis]), -1)


def _transpose(call: Call, data: Array) -> Array:
    return np.transpose(data, call.given("perm"))


def _expand(_: Call, data: Array, shape: Array) -> Array:
    return np.broadcast_to(data, _fits(np.broadcast_shapes(data.shape, tuple(shape.tolist())))).copy()


def _tile(_: Call, data: Array, repeats: Array) -> Array:
    _fits([size * count for size, count in zip(data.shape, repeats.tolist(), strict=True)])
    return np.tile(data, repeats)


def _constant(call: Call) -> Array:
    for name, kind in (("value_int", np.int64), ("value_ints", np.int64), ("value_float", np.float32)):
        if name in call.attributes:
            return np.array(call.given(name), kind)
    return np.array(call.given("value_floats"), np.float32)


def _constant_of_shape(call: Call, shape: Array) -> Array:
    value = call.given("value")
    if value is not None and is_external(value):
        raise ValueError("it is not read from another file")
    filler = np.zeros(1, np.float32) if value is None else onnx.numpy_helper.to_array(value)
    return np.full(_fits(shape.tolist()), filler.reshape(-1)[0], filler.dtype)


def _range(_: Call, start: Array, limit: Array, delta: Array) -> Array:
    count = max(0, math.ceil((float(limit) - float(start)) / float(delta)))
    _fits([count])
    return (np.arange(count).astype(start.dtype) * delta + start).astype(start.dtype)


def _calculated(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return an operator that calculates element by element, and broadcasts two operands."""

    def calculate(_: Call, *operands: Array) -> Any:
        _fits(np.broadcast_shapes(*(one.shape for one in operands)))
        return function(*operands)

    return calculate


def _over_all(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return an operator that puts any number of operands together, two at a time."""

    def calculate(call: Call, first: Array, *others: Array) -> Any:
        for other in others:
            first = _calculated(function)(call, first, other)
        return first

    return calculate


def _divided(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return a / b
    if not b.all():
        raise ZeroDivisionError
    quotient = a // b  # rounds down, and ONNX's division rounds towards 0
    return quotient + ((quotient < 0) & (quotient * b != a)).astype(a.dtype)


def _power(call: Call, base: Array, exponent: Array) -> Array:
    made: Array = _calculated(np.power)(call, base, exponent)
    return made.astype(base.dtype)


def _mod(call: Call, a: Array, b: Array) -> Any:
    if a.dtype.kind != "f" and not b.all():
        raise ZeroDivisionError
    return _calculated(np.fmod if call.given("fmod", 0) else np.mod)(call, a, b)


def _clip(call: Call, x: Array, low: Array = None, high: Array = None) -> Array:
    if call.version < 11:
        low, high = (None if one is None else np.array(one, x.dtype) for one in (call.given("min"), call.given("max")))
    x = x if low is None else _calculated(np.maximum)(call, x, low)
    return x if high is None else _calculated(np.minimum)(call, x, high)


def _reduced(function: Callable[..., Any], since: int) -> Callable[..., Any]:
    """Return a reduction whose axes are an input from a version on."""

    def calculate(call: Call, data: Array, written: Array = None) -> Any:
        axes = call.axes(written, since)
        if not axes and call.given("noop_with_empty_axes", 0):
            return data
        made = function(data, axis=axes or None, keepdims=bool(call.given("keepdims", 1)))
        return np.asarray(made).astype(data.dtype)

    return calculate


def _cumulated(call: Call, x: Array, axis: Array) -> Array:
    if call.given("exclusive", 0) or call.given("reverse", 0):
        raise ValueError("the plain sum alone is known here")
    return np.cumsum(x, int(axis), dtype=x.dtype)


RULES: dict[str, Rule] = {
    "Cast": Rule(_cast, 6),
    "Concat": Rule(_concat, 4, moved=_ALL),
    "Constant": Rule(_constant, 12),
    "ConstantOfShape": Rule(_constant_of_shape, 9),
    "CumSum": Rule(_cumulated, 11),
    "Expand": Rule(_expand, 8, moved=(0,)),
    "Flatten": Rule(_flatten, moved=(0,)),
    "Gather": Rule(_gather, moved=(0,)),
    "GatherElements": Rule(_gather_elements, 11, moved=(0,)),
    "GatherND": Rule(_gather_nd, 11, moved=(0,)),
    "Identity": Rule(lambda _, x: x, moved=(0,)),
    "NonZero": Rule(lambda _, x: np.array(np.nonzero(x), np.int64), 9),
    "Range": Rule(_range, 11),
    "Reshape": Rule(_reshape, 5, moved=(0,)),
    "ScatterND": Rule(_scatter_nd, 11, moved=(0, 2)),
    "Slice": Rule(_slice, moved=(0,)),
    "Split": Rule(_split, 2, moved=(0,)),
    "Squeeze": Rule(_squeeze, moved=(0,)),
    "Tile": Rule(_tile, 6, moved=(0,)),
    "Transpose": Rule(_transpose, moved=(0,)),
    "Unsqueeze": Rule(_unsqueeze, moved=(0,)),
    "Where": Rule(_calculated(np.where), 9, moved=(1, 2)),
    "ReduceMax": Rule(_reduced(np.max, 18)),
    "ReduceMin": Rule(_reduced(np.min, 18)),
    "ReduceProd": Rule(_reduced(np.prod, 18)),
    "ReduceSum": Rule(_reduced(np.sum, 13)),
    "Clip": Rule(_clip, 6, by_element=True),
    "Equal": Rule(_calculated(np.equal), 7, by_element=True),
    "Max": Rule(_over_all(np.maximum), 8, by_element=True),
    "Min": Rule(_over_all(np.minimum), 8, by_element=True),
    "Mod": Rule(_mod, 10, by_element=True),
    "Pow": Rule(_power, 7, by_element=True),
    "Sum": Rule(_over_all(np.add), 8, by_element=True),
    "Abs": Rule(_calculated(np.abs), 6, by_element=True),
    "Add": Rule(_calculated(np.add), 7, by_element=True),
    "And": Rule(_calculated(np.logical_and), 7, by_element=True),
    "Ceil": Rule(_calculated(np.ceil), 6, by_element=True),
    "Div": Rule(_calculated(_divided), 7, by_element=True),
    "Floor": Rule(_calculated(np.floor), 6, by_element=True),
    "Greater": Rule(_calculated(np.greater), 7, by_element=True),
    "GreaterOrEqual": Rule(_calculated(np.greater_equal), 12, by_element=True),
    "Less": Rule(_calculated(np.less), 7, by_element=True),
    "LessOrEqual": Rule(_calculated(np.less_equal), 12, by_element=True),
    "Mul": Rule(_calculated(np.multiply), 7, by_element=True),
    "Neg": Rule(_calculated(np.negative), 6, by_element=True),
    "Not": Rule(_calculated(np.logical_not), by_element=True),
    "Or": Rule(_calculated(np.logical_or), 7, by_element=True),
    "Reciprocal": Rule(_calculated(np.reciprocal), 6, by_element=True),
    "Round": Rule(_calculated(np.rint), 11, by_element=True),
    "Sign": Rule(_calculated(np.sign), 9, by_element=True),
    "Sqrt": Rule(_calculated(np.sqrt), 6, by_element=True),
    "Sub": Rule(_calculated(np.subtract), 7, by_element=True),
    "Xor": Rule(_calculated(np.logical_xor), 7, by_element=True),
}
"""By operator of the ONNX domain."""
