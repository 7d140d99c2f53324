"""Joined inputs, moved as one vector: table models are often exported with an input for each column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onnxviz.errors import UsageError
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.tensor_info import TensorInfo


@dataclass(frozen=True, slots=True)
class JoinedInputs:
    """Inputs side by side as one vector.

    Attributes
    ----------
    inputs : tuple of str
        Names, in the vector's order.
    shapes : tuple of tuple of int
        Shape of each input, without the batch: () or (width,).
    """

    inputs: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, model: Graph, names: Sequence[str]) -> JoinedInputs:
        """Return some inputs joined.

        Raises
        ------
        UsageError
            If one is not a float input of shape (batch, width) or (batch,) with a known width.
        """
        shapes = []
        for name in names:
            shape = _row(model.inputs[name]) if name in model.inputs else None
            if shape is None:
                raise UsageError(
                    f"{name} is no floating-point input of shape (batch, width); only such inputs can move together; "
                    f"name one tensor"
                )
            shapes.append(shape)
        return cls(tuple(names), tuple(shapes))

    @classmethod
    def columns(cls, model: Graph) -> JoinedInputs | None:
        """Return all float inputs joined, if there are several and each has one number per sample; else None."""
        floats = [info for info in model.inputs.values() if info.is_float]
        if len(floats) < 2 or any(_row(info) not in ((), (1,)) for info in floats):
            return None
        return cls.of(model, [info.name for info in floats])

    @property
    def name(self) -> str:
        """Name of the vector; no tensor has this name."""
        few = self.inputs if len(self.inputs) <= 4 else (*self.inputs[:3], f"{len(self.inputs) - 3} more")
        return " + ".join(few)

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of the vector's elements that each input has."""
        return tuple(shape[0] if shape else 1 for shape in self.shapes)

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each of the vector's elements."""
        return tuple(
            name if width == 1 else f"{name}[{place}]"
            for name, width in zip(self.inputs, self.widths, strict=True)
            for place in range(width)
        )

    def split(self, vectors: Any) -> dict[str, Any]:
        """Return each input's part of (batch, feature) vectors, of numpy or of torch."""
        parts, first = {}, 0
        for name, shape, width in zip(self.inputs, self.shapes, self.widths, strict=True):
            parts[name] = vectors[:, first : first + width].reshape(len(vectors), *shape)
            first += width
        return parts


def _row(info: TensorInfo) -> tuple[int, ...] | None:
    """Return the shape of one sample of a float input, () or (width,); None for other inputs."""
    shape = info.shape
    if not info.is_float or shape is None or len(shape) not in (1, 2):
        return None
    if isinstance(shape[0], int) and shape[0] != 1:
        return None
    sizes = shape[1:]
    return (sizes[0],) if sizes and isinstance(sizes[0], int) and sizes[0] > 0 else () if not sizes else None
