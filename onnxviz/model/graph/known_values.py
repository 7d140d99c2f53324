"""Known values: small tensors from which a graph computes sizes. Folding computes them by numpy, without a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto

from onnxviz.model.graph.size_operators import MOST_ELEMENTS, RULES, Call, attributes_of

ANY = "?"
"""Stands for an unknown number that has no name."""

_EXACT = (np.int64, np.int32, np.float64, np.float32)
"""Types that hold a size exactly. Float32 does so only below 16 million, but no tensor has so many rows."""


@dataclass(frozen=True)
class Known:
    """A tensor's value; some of its elements may be open.

    Attributes
    ----------
    array : ndarray
        In the model's own type; 1 where an element is open.
    open : ndarray of object, or None
        For each element the name of a size, `ANY`, or None where the element is known; None where all elements are.
    """

    array: np.ndarray
    open: np.ndarray | None = None

    @property
    def entries(self) -> list[int | str]:
        """The elements of a list of whole numbers: numbers, names of sizes, and `ANY`."""
        numbers: list[int | str] = self.array.reshape(-1).tolist()
        if self.open is None:
            return numbers
        names = self.open.reshape(-1).tolist()
        return [number if name is None else name for number, name in zip(numbers, names, strict=True)]

    @classmethod
    def of(cls, entries: Sequence[int | str | None]) -> Known:
        """Return the value of a list of sizes; None stands for an unknown size."""
        names = np.empty(len(entries), object)
        names[:] = [None if isinstance(one, int) else one or ANY for one in entries]
        return cls(np.array([one if isinstance(one, int) else 1 for one in entries], np.int64), _some(names))


def sizes_of(node: NodeProto, version: int, shape: Sequence[int | str | None]) -> Known | None:
    """Return the output of Shape or Size for a tensor of some shape; None if it is not known."""
    if node.op_type == "Shape":
        given = attributes_of(node) if version >= 15 else {}
        return Known.of(list(shape)[slice(given.get("start", 0), given.get("end"))])
    numbers = [size for size in shape if isinstance(size, int)]
    return Known(np.array(math.prod(numbers), np.int64)) if len(numbers) == len(shape) else None


def computable(node: NodeProto, version: int) -> bool:
    """Return whether `compute` supports an operator at an opset version."""
    rule = None if node.domain else RULES.get(node.op_type)
    return rule is not None and version >= rule.since


def compute(node: NodeProto, version: int, values: Sequence[Known | None]) -> tuple[Known, ...] | None:
    """Return the outputs of a node whose inputs are known.

    Parameters
    ----------
    node : NodeProto
        A `computable` node.
    version : int
        The opset version.
    values : sequence of Known or None
        The node's inputs; None for an input that is left out.

    Returns
    -------
    tuple of Known, or None
        None if the operator refuses the values, if too many elements are open, or if the outputs would be too large.
    """
    rule = RULES[node.op_type]
    call = Call(attributes_of(node), version, len(node.output))
    arrays = [None if value is None else value.array for value in values]
    names = [None if value is None else value.open for value in values]
    try:
        with np.errstate(all="ignore"):
            made = _listed(rule.function(call, *arrays))
        if any(array.size > MOST_ELEMENTS or array.dtype.kind not in "biuf" for array in made):
            return None
        if all(one is None for one in names):
            return tuple(Known(array) for array in made)
        opened = _opened(node.op_type, call, arrays, names, made[0])
        if opened is None:
            return None
        return tuple(Known(array, _some(one)) for array, one in zip(made, opened, strict=True))
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError, KeyError, AttributeError, MemoryError):
        return None  # the file is untrusted: a value that makes no sense is not known


def _listed(made: Any) -> list[np.ndarray]:
    return [np.asarray(one) for one in made] if isinstance(made, (list, tuple)) else [np.asarray(made)]


def _some(names: np.ndarray) -> np.ndarray | None:
    return names if any(name is not None for name in names.reshape(-1).tolist()) else None


def _names(array: np.ndarray, names: np.ndarray | None) -> np.ndarray:
    return np.full(array.shape, None, object) if names is None else names


def _opened(
    operator: str,
    call: Call,
    arrays: Sequence[np.ndarray | None],
    names: Sequence[np.ndarray | None],
    made: np.ndarray,
) -> list[np.ndarray] | None:
    """Return which elements of the outputs are open; None if that is not known."""
    rule = RULES[operator]
    if rule.moved is not None:
        if any(one is not None and place not in rule.moved for place, one in enumerate(names)):
            return None
        moved = [
            array if array is None or place not in rule.moved else _names(array, name)
            for place, (array, name) in enumerate(zip(arrays, names, strict=True))
        ]
        made = rule.function(call, *moved)
        return [np.asarray(one, object) for one in (made if isinstance(made, (list, tuple)) else [made])]
    if operator == "Cast" and made.dtype in _EXACT:
        return [one for one in names if one is not None]
    if not rule.by_element and operator != "Cast":
        return None
    unknown = np.zeros(made.shape, bool)
    for one in names:
        if one is not None:
            unknown |= np.broadcast_to(one != np.array(None), made.shape)
    if operator == "Equal":
        for name, array in zip(names, reversed(arrays), strict=True):
            if name is not None and array is not None and any(one is None for one in names):
                # No size is less than 0: exporters compare sizes with -1.
                named = (name != np.array(None)) & (name != np.array(ANY))
                unknown &= ~np.broadcast_to(named & (array < 0), made.shape)
    return [np.where(unknown, np.array(ANY, object), np.array(None, object))]
