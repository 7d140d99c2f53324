"""A node as the rules of receptive fields see it: its attributes, the sizes and the constants around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from onnxviz.model.tensors.positions.tracks import Track

Shape = tuple[int | None, ...] | None
"""A tensor's sizes, as far as they are known; None where not even the number of axes is."""


@dataclass(frozen=True)
class Step:
    """A node, and what is known around it.

    Attributes
    ----------
    node : NodeProto
        The node.
    version : int
        Of its operator's domain.
    shape : callable
        From a tensor's name to its sizes, as far as they are known.
    constant : callable
        From a tensor's name to its values; None where it depends on an input.
    """

    node: NodeProto
    version: int
    shape: Callable[[str], Shape]
    constant: Callable[[str], np.ndarray | None]

    def attribute(self, name: str, default: Any) -> Any:
        """Return an attribute's value; text as str."""
        for attribute in self.node.attribute:
            if attribute.name == name:
                value = helper.get_attribute_value(attribute)
                return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        return default

    def numbers(self, place: int, name: str = "") -> list[int] | None:
        """Return whole numbers that stand in an input, or in an attribute; None where they cannot be known."""
        if place < len(self.node.input) and self.node.input[place]:
            values = self.constant(self.node.input[place])
            return None if values is None else [int(value) for value in np.asarray(values).reshape(-1)]
        found = self.attribute(name, None) if name else None
        return None if found is None else [int(value) for value in found]

    def sizes(self, place: int, track: Track) -> tuple[int, ...] | None:
        """Return an operand's sizes; None if one of them is unknown."""
        shape = self.shape(self.node.input[place])
        if shape is None:
            return None
        known = [len(track.low) if axis == track.axis else size for axis, size in enumerate(shape)]
        return None if any(size is None for size in known) else tuple(size for size in known if size is not None)

    def rank(self, place: int) -> int | None:
        """Return how many axes an operand has."""
        shape = self.shape(self.node.input[place])
        return None if shape is None else len(shape)


Rule = Callable[[Step, int, int, Track], Track | None]
"""From a node, which of its operands, which of its outputs, and the operand's track, which has an axis, to the output's
track; None where every position may see all of the operand."""
