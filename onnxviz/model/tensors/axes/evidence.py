"""The evidence about axes that single operators give: roles of axes, and pairs of axes that have the same role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import NodeProto, helper

from onnxviz.errors import OnnxvizError
from onnxviz.model.graph.graph import Graph

BATCH, TIME, UNIT, HEIGHT, WIDTH, DEPTH = "batch", "time", "unit", "height", "width", "depth"
"""The roles. UNIT is the axis of channels, features or classes; TIME is any axis of steps."""

SPACE = {1: (TIME,), 2: (HEIGHT, WIDTH), 3: (DEPTH, HEIGHT, WIDTH)}
"""The roles of a convolution's last axes, by their number."""

Axis = tuple[str, int]
"""A tensor's name and the number of an axis; of a tensor whose number of axes is unknown counted from the end, below 0."""

Sizes = tuple[int | str | None, ...]

_MOST_NUMBERS = 64
"""Constants of more elements hold no axes, sizes or indices."""


@dataclass(frozen=True)
class Seed:
    """A role that an operator gives to an axis.

    Attributes
    ----------
    axis : (str, int)
        The axis.
    role : str
        The role.
    operator : str
        The type of the operator; "" if the evidence is no operator.
    words : str
        The evidence in words, if it is no operator.
    backward : bool
        Whether the operator reads the tensor. An operator that makes it tells more.
    """

    axis: Axis
    role: str
    operator: str = ""
    words: str = ""
    backward: bool = False


@dataclass(eq=False)
class Evidence:
    """The evidence of all operators of a graph.

    Attributes
    ----------
    graph : Graph
        The graph.
    seeds : list of Seed
        The roles, the first operator's first.
    links : dict of (str, int) to list of ((str, int), bool)
        For each axis the axes with the same role; true if the way there leads from an operator's output to its input.
    """

    graph: Graph
    seeds: list[Seed] = field(default_factory=list)
    links: dict[Axis, list[tuple[Axis, bool]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._shapes = {name: info.shape for name, info in self.graph.tensors.items()}

    def shape(self, name: str) -> Sizes | None:
        """Return a tensor's sizes; None if its number of axes is unknown."""
        return self._shapes.get(name)

    def rank(self, name: str) -> int | None:
        """Return a tensor's number of axes; None if it is unknown."""
        shape = self.shape(name)
        return None if shape is None else len(shape)

    def computed(self, name: str) -> bool:
        """Return whether a tensor exists and is not constant."""
        maker = self.graph.producers.get(name)
        constant = name in self.graph.constants or (maker is not None and maker.op_type == "Constant")
        return name in self._shapes and not constant

    def at(self, name: str, axis: int) -> Axis | None:
        """Return an axis in the form of `Axis`; None if the tensor has no such axis or is constant."""
        if not self.computed(name):
            return None
        rank = self.rank(name)
        if rank is None:
            return name, axis
        place = axis + rank if axis < 0 else axis
        return (name, place) if 0 <= place < rank else None

    def give(self, node: NodeProto, name: str, axis: int, role: str) -> None:
        """Note that an operator gives a role to an axis."""
        place = self.at(name, axis)
        if place is not None:
            self.seeds.append(Seed(place, role, node.op_type, backward=name in node.input))

    def link(self, read: str, axis: int, made: str, other: int) -> None:
        """Note that an axis of an operator's input and an axis of its output have the same role."""
        first, second = self.at(read, axis), self.at(made, other)
        if first is not None and second is not None:
            self.links.setdefault(first, []).append((second, False))
            self.links.setdefault(second, []).append((first, True))

    def tie(self, first: str, axis: int, second: str, other: int) -> None:
        """Note that axes of two inputs of an operator have the same role."""
        one, two = self.at(first, axis), self.at(second, other)
        if one is not None and two is not None:
            self.links.setdefault(one, []).append((two, True))
            self.links.setdefault(two, []).append((one, True))

    def link_alike(self, read: str, made: str) -> None:
        """Link all axes of two tensors, aligned at the last axis. Axes of different sizes are left out."""
        one, two = self.shape(read), self.shape(made)
        if one is None or two is None:
            rank = min(len(one if one is not None else two or ()) or 4, 4)
            for axis in range(-rank, 0):
                self.link(read, axis, made, axis)
            return
        for axis in range(-min(len(one), len(two)), 0):
            if one[axis] == two[axis] or not (isinstance(one[axis], int) and isinstance(two[axis], int)):
                self.link(read, axis, made, axis)

    def numbers(self, name: str) -> list[int] | None:
        """Return the whole numbers in a small constant; None if the tensor is no such constant."""
        maker = self.graph.producers.get(name)
        if maker is not None and maker.op_type == "Constant" and name not in self.graph.constants:
            single = attribute(maker, "value_int")
            return [single] if isinstance(single, int) else several(maker, "value_ints")
        shape = self.shape(name) if name in self.graph.constants else None
        if (
            shape is None
            or len(shape) > 1
            or not all(isinstance(size, int) and size <= _MOST_NUMBERS for size in shape)
        ):
            return None
        try:
            array = np.asarray(self.graph.weight(name))
        except (OnnxvizError, ValueError, TypeError):
            return None
        return [int(one) for one in array.reshape(-1)] if array.dtype.kind in "iu" else None


def attribute(node: NodeProto, name: str, default: object = None) -> object:
    """Return the value of a node's attribute."""
    return next((helper.get_attribute_value(one) for one in node.attribute if one.name == name), default)


def whole(node: NodeProto, name: str, default: int) -> int:
    """Return the value of a node's attribute if it is a whole number, else the default."""
    found = attribute(node, name, default)
    return found if isinstance(found, int) else default


def several(node: NodeProto, name: str) -> list[int] | None:
    """Return the value of a node's attribute if it is a list of whole numbers."""
    found = attribute(node, name)
    if isinstance(found, Sequence) and not isinstance(found, str | bytes):
        return [int(one) for one in found]
    return None
