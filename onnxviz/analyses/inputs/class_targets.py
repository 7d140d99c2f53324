"""Targets that name a class, as in ``logits[cat]``, with the class's number in the place of its name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from onnxviz.errors import TargetError
from onnxviz.wording import quoted

if TYPE_CHECKING:
    from onnxviz.model.model import Model

_LISTED = 3
_PLAIN = re.compile(r"\s*([^-+*()\[\],][^()\[\]]*?)\s*\[([^\[\]]*)\]\s*")


def with_class_numbers(model: Model, texts: Sequence[str]) -> tuple[str, ...]:
    """Return targets with the number of each class that they name.

    Parameters
    ----------
    model : Model
        The model, with the names that the user gives to its classes.
    texts : sequence of str
        The targets. A number in an index stays a number, even if a class has that name; quotes make it a name.

    Raises
    ------
    TargetError
        If no class has the name, or if the names do not belong to the axis.
    """
    from onnxviz.target import is_index, numbered

    found = []
    for text in texts:
        written = numbered(text, model.tensors, _Numbering(model, text))
        plain = _PLAIN.fullmatch(written)
        if plain and plain[1] not in model.tensors and not all(map(is_index, plain[2].split(","))):
            model.require(plain[1], text)  # an unknown tensor is told before an unknown name of a class
        found.append(written)
    return tuple(found)


class _Numbering:
    """A function that returns the number of a class from its name."""

    def __init__(self, model: Model, text: str) -> None:
        self._model, self._text = model, text

    def __call__(self, tensor: str, name: str, place: int, count: int) -> int:
        from onnxviz.model.graph.zipped import class_labels, unzipped
        from onnxviz.target import Target

        scores = unzipped(self._model, Target(tensor)) or Target(tensor)
        labels = class_labels(self._model, scores.tensor)
        if not labels:
            raise TargetError(
                f"{self._text}: {quoted(name)} is no number, and {self._model.name} names no classes of {tensor}; "
                f"write a number, as in {tensor}[0], or give the names with `classes`"
            )
        found = [number for number, label in enumerate(labels) if label == name]
        if not found:
            found = [number for number, label in enumerate(labels) if label.casefold() == name.casefold()]
        if not found:
            raise TargetError(f"{self._text}: no class is named {quoted(name)}. {_close(name, labels)}")
        if len(found) > 1:
            listed = ", ".join(f"{tensor}[{number}]" for number in found[:_LISTED])
            raise TargetError(
                f"{self._text}: {len(found)} classes are named {quoted(name)}; write the number: {listed}"
            )
        self._check(scores.tensor, len(labels), place, count)
        return found[0]

    def _check(self, tensor: str, names: int, place: int, count: int) -> None:
        """Raise if the tensor has another number of places along the axis of the entry."""
        shape = self._model.tensors[tensor].shape
        if shape is None or len(shape) < 2:
            return
        after = shape[1:]
        written = self._text.replace(" ", "")
        dots = "[..." in written or ",..." in written
        size = None if dots and count <= len(after) + 1 else after[place] if place < len(after) else None
        if isinstance(size, int) and size != names:
            fitting = [axis for axis, one in enumerate(after) if one == names]
            hint = f"; write {tensor}[{', '.join([':'] * fitting[0] + ['NAME'])}]" if fitting else ""
            raise TargetError(
                f"{self._text}: {names} classes have names, but axis {place + 1} of {tensor} has {size} places{hint}"
            )


def _close(name: str, labels: tuple[str, ...]) -> str:
    """Return the names that are like a name, or the first names."""
    lowered = {label.casefold(): label for label in reversed(labels)}
    near = difflib.get_close_matches(name.casefold(), list(lowered), n=_LISTED, cutoff=0.5)
    inside = [label for label in labels if name.casefold() in label.casefold()] if name else []
    found = list(dict.fromkeys([*(lowered[one] for one in near), *inside]))[:_LISTED]
    if found:
        return f"Close: {', '.join(found)}"
    return (
        f"Classes: {', '.join(labels[:_LISTED])}{f' and {len(labels) - _LISTED} more' if len(labels) > _LISTED else ''}"
    )
