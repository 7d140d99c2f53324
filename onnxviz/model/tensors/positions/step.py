"""A node for the rules of receptive fields: its attributes, and the sizes and constants of its tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from onnxviz.model.tensors.positions.tracks import Track

Shape = tuple[int | None, ...] | None
"""A tensor's known sizes; None if not even the number of axes is known."""


@dataclass(frozen=True)
class Step:
    """A node, with the known sizes and values of its tensors.

    Attributes
    ----------
    node : NodeProto
        The node.
    version : int
        The version of the operator's domain.
    shape : callable
        From a tensor's name to its known sizes.
    constant : callable
        From a tensor's name to its values; None if it depends on an input.
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
        """Return whole numbers from an input or from an attribute; None if they are unknown."""
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
        """Return the number of an operand's axes; None if it is unknown."""
        shape = self.shape(self.node.input[place])
        return None if shape is None else len(shape)


Rule = Callable[[Step, int, int, Track], Track | None]
"""A function from a node, the position of an operand, the position of an output, and the operand's track (with an axis)
to the output's track; None if every position may see all of the operand."""
