"""Joined inputs, moved and explained as one vector: table models are often exported with an input for each column."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from onnxviz.contract import InputContract
from onnxviz.errors import UsageError
from onnxviz.model.expectations.embedding import find_embedding
from onnxviz.model.expectations.known_texts import known_texts
from onnxviz.model.expectations.missing_values import takes_missing_values
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.tensor_info import TensorInfo

_ASSUMED = 3.0
"""Beside texts, a number without a range moves this far from 0, as standardized numbers do."""


@dataclass(frozen=True, slots=True)
class JoinedInputs:
    """Inputs side by side as one vector of numbers.

    A text is represented by its code: its place among the texts that the graph knows.

    Attributes
    ----------
    inputs : tuple of str
        Names, in the vector's order.
    shapes : tuple of tuple of int
        Shape of each input, without the batch: () or (width,).
    dtypes : tuple of str
        Element type of each input, as numpy names it; "string" for texts.
    texts : tuple of tuple of str
        For each of the vector's elements the texts that its codes stand for; () for numbers.
    gaps : tuple of bool
        For each input whether it takes NaN for a missing value; () where none does.
    """

    inputs: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    gaps: tuple[bool, ...] = ()

    @classmethod
    def of(cls, model: Graph, names: Sequence[str]) -> JoinedInputs:
        """Return some inputs joined.

        Raises
        ------
        UsageError
            If one is not an input of shape (batch, width) or (batch,) with a known width, or indexes an embedding.
        """
        shapes, texts = [], []
        for name in names:
            shape = _row(model, model.inputs[name]) if name in model.inputs else None
            if shape is None:
                raise UsageError(f"{name} has no row of numbers or texts for each sample, (batch, width)")
            shapes.append(shape)
            known = known_texts(model, name) if model.inputs[name].dtype == "string" else ()
            # Without an encoder that names texts, the empty text alone is known.
            texts += [one.texts or ("",) for one in known] or [()] * (shape[0] if shape else 1)
        dtypes = tuple(model.inputs[name].dtype for name in names)
        gaps = tuple(takes_missing_values(model, name) for name in names)
        return cls(tuple(names), tuple(shapes), dtypes, tuple(texts), gaps if any(gaps) else ())

    @classmethod
    def columns(cls, model: Graph, held: Collection[str] = ()) -> JoinedInputs | None:
        """Return the inputs of a table joined, without those that are held; None for other models.

        A table has several inputs, each with one number or text per sample; or an input of texts, beside inputs of
        any width. Integers and texts that no operator reads are left out.
        """
        read = {name for node in model.nodes for name in node.input} | {*model.outputs}
        free = [info for name, info in model.inputs.items() if name not in held and (info.is_float or name in read)]
        rows = [_row(model, info) for info in free]
        text = any(info.dtype == "string" for info in free)
        if free and all(row is not None for row in rows) and (text or (len(free) > 1 and set(rows) <= {(), (1,)})):
            return cls.of(model, [info.name for info in free])
        floats = [info for info in free if info.is_float]
        if len(floats) < 2 or any(_row(model, info) not in ((), (1,)) for info in floats):
            return None
        return cls.of(model, [info.name for info in floats])

    @property
    def name(self) -> str:
        """Name of the vector; no tensor has this name, unless it is the only input."""
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

    @property
    def whole(self) -> tuple[bool, ...]:
        """Whether each of the vector's elements is a whole number: the code of a text, an integer or a truth value."""
        return tuple(
            not dtype.startswith(("float", "bfloat", "unknown"))
            for dtype, width in zip(self.dtypes, self.widths, strict=True)
            for _ in range(width)
        )

    @property
    def smooth(self) -> bool:
        """Whether all inputs are floating-point numbers, so that gradients may reach all of them."""
        return not any(self.whole)

    @property
    def discrete(self) -> str:
        """Names of the inputs that hold no floating-point numbers."""
        return ", ".join(
            name
            for name, dtype in zip(self.inputs, self.dtypes, strict=True)
            if not dtype.startswith(("float", "bfloat", "unknown"))
        )

    def contract(self, parts: Mapping[str, InputContract], *, moves: bool = True) -> InputContract:
        """Return the contract of the vector, from the contracts of its inputs.

        Numbers are bounded if all of them have a range. Codes of texts always have one. If the vector moves, -3 to 3 is
        assumed beside them for a number without a range.

        Parameters
        ----------
        parts : mapping of str to InputContract
            The contract of each input.
        moves : bool
            Whether the vector is searched, or a given one is explained.
        """
        count = sum(self.widths)
        low, high, assumed = np.zeros(count), np.zeros(count), list[str]()
        first = 0
        for name, width in zip(self.inputs, self.widths, strict=True):
            place, found = slice(first, first + width), parts[name]
            if any(self.texts[place]):
                high[place] = [len(texts) - 1 for texts in self.texts[place]]
            elif len(found.low) in (1, width):
                low[place], high[place] = found.low, found.high
            else:
                low[place], high[place] = -_ASSUMED, _ASSUMED
                assumed.append(name)
            first += width
        several = len(self.inputs) > 1
        what = "move" if moves else "are explained"
        notes = [f"{len(self.inputs)} inputs {what} together, as one vector of {count}"] if several else []
        notes += [f"{name}: {note}" for name, part in parts.items() if part.kind == "text" for note in part.evidence]
        bounded = not assumed or (moves and not self.smooth)
        if bounded and assumed:
            few = ", ".join(assumed[:4]) + (f" and {len(assumed) - 4} more" if len(assumed) > 4 else "")
            span = f"{-_ASSUMED:g} to {_ASSUMED:g}"
            notes.append(f"{few}: no range is known, {span} is assumed; `data` or `bounds` sets it")
        taking = [name for name, part in parts.items() if part.missing]
        numbers = sum(part.kind != "text" for part in parts.values())
        said = [note for name in taking[:1] for note in parts[name].evidence if "missing" in note]
        # Where some inputs alone take missing values, the note names them.
        notes += said if len(taking) == numbers else [f"{', '.join(taking)}: {note}" for note in said]
        return InputContract(
            self.name,
            (None, count),
            "vector",
            ("feature",),
            low=tuple(low.tolist()) if bounded else (),
            high=tuple(high.tolist()) if bounded else (),
            evidence=tuple(notes),
            missing=bool(taking),
        )

    def split(self, vectors: Any) -> dict[str, Any]:
        """Return each input's part of (batch, feature) vectors, of numpy or of torch.

        Of numpy vectors, codes become texts, and the parts of integer inputs become whole numbers.
        """
        parts, first = {}, 0
        for name, shape, dtype, width in zip(self.inputs, self.shapes, self.dtypes, self.widths, strict=True):
            part = vectors[:, first : first + width]
            if isinstance(part, np.ndarray):
                part = self._decoded(part, dtype, first)
            parts[name] = part.reshape(len(vectors), *shape)
            first += width
        return parts

    def _decoded(self, part: np.ndarray, dtype: str, first: int) -> np.ndarray:
        if dtype == "string":
            columns = [self._words(column, first + place) for place, column in enumerate(part.T)]
            return np.stack(columns, axis=1) if columns else np.empty(part.shape, object)
        if dtype == "bool":
            return np.asarray(part > 0.5)
        if dtype.startswith(("int", "uint")):
            ends = np.iinfo(dtype)
            return np.clip(np.rint(part.astype(np.float64)), ends.min, min(ends.max, 2**62)).astype(dtype)
        return part

    def _words(self, codes: np.ndarray, element: int) -> np.ndarray:
        known = np.asarray((*self.texts[element], ""), object)
        places = np.clip(np.rint(codes), 0, len(known) - 2)
        # NaN is the code of a text that has none.
        return np.asarray(known[np.where(np.isnan(codes), len(known) - 1, places).astype(np.int64)], object)

    def shown(self, vector: np.ndarray) -> tuple[str, ...]:
        """Return the text of each element of a (feature,) vector; "" for a number."""
        return tuple(
            str(self._words(vector[place : place + 1], place)[0]) if texts else ""
            for place, texts in enumerate(self.texts)
        )

    def join(self, parts: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the inputs' values for some samples as (batch, feature) float64 vectors.

        Parameters
        ----------
        parts : mapping of str to (batch, …) ndarray
            The value of each input. The code of a text that is not among `texts` is NaN; see `knowing`.
        """
        columns: list[np.ndarray] = []
        for name, dtype, width in zip(self.inputs, self.dtypes, self.widths, strict=True):
            rows = np.asarray(parts[name]).reshape(-1, width)
            if dtype == "string":
                known = [{text: code for code, text in enumerate(self.texts[len(columns) + at])} for at in range(width)]
                rows = np.asarray([[known[at].get(str(one), np.nan) for at, one in enumerate(row)] for row in rows])
            columns += list(np.asarray(rows, np.float64).reshape(-1, width).T)
        return np.stack(columns, axis=1)

    def knowing(self, parts: Mapping[str, np.ndarray]) -> JoinedInputs:
        """Return the same inputs with codes for the texts of some samples too, which the graph may not know."""
        texts = list(self.texts)
        first = 0
        for name, dtype, width in zip(self.inputs, self.dtypes, self.widths, strict=True):
            if dtype == "string":
                rows = np.asarray(parts[name]).reshape(-1, width)
                for at in range(width):
                    texts[first + at] = tuple(dict.fromkeys([*texts[first + at], *map(str, rows[:, at])]))
            first += width
        return replace(self, texts=tuple(texts))


def _row(model: Graph, info: TensorInfo) -> tuple[int, ...] | None:
    """Return the shape of one sample of an input of a table, () or (width,); None for other inputs."""
    shape = info.shape
    if info.container != "tensor" or shape is None or len(shape) not in (1, 2):
        return None
    if isinstance(shape[0], int) and shape[0] != 1:
        return None
    sizes = shape[1:]
    row = (sizes[0],) if sizes and isinstance(sizes[0], int) and sizes[0] > 0 else () if not sizes else None
    if info.is_float or info.dtype in ("string", "bool"):
        return row
    # Integers that index an embedding are tokens, and a wide row of integers is a text or an array.
    return row if row in ((), (1,)) and find_embedding(model, info.name) is None else None
