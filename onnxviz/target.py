"""The notation ``tensor[index]``: one tensor of the graph and what to pick from it, for numpy and torch alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Container, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import product
from types import EllipsisType
from typing import Any

from onnxviz.errors import EmptyTargetError, TargetError
from onnxviz.question import ASKED, Question


class Each(Enum):
    """The index ``*``: one target for every place along an axis."""

    EACH = "*"

    def __repr__(self) -> str:
        return "EACH"


EACH = Each.EACH
Index = int | slice | EllipsisType | Each

_QUESTION = re.compile(rf"({'|'.join(ASKED)})\s*\((.*)\)", re.DOTALL)
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_SLICE = re.compile(r"([+-]?[0-9]{1,18})?\s*:\s*([+-]?[0-9]{1,18})?\s*(?::\s*([+-]?[0-9]{1,18})?)?")


@dataclass(frozen=True)
class Target:
    """A tensor, by its name in the ONNX graph, an index into the axes after the batch, and a question about what is left.

    Attributes
    ----------
    tensor : str
        The tensor's name, as the file has it.
    index : tuple of int, slice, Ellipsis or EACH
        Picks as numpy does, from the axes after the batch.
    asked : Question or None
        The question that a person wrote, as in ``max(conv1[12])``; None if none was written.
    fitting : Question or None
        The question that fits the tensor, as `question_of` finds it in the model; None if nobody looked.
    units : int or None
        The axis after the batch that holds the tensor's units, where that was looked up. At the center of a map all units count.

    Examples
    --------
    >>> Target.parse("conv1[12, 5:, ...]")
    Target(tensor='conv1', index=(12, slice(5, None, None), Ellipsis))
    >>> str(Target("relu", (Ellipsis, 3)))
    'relu[..., 3]'
    >>> [str(target) for target in Target.parse("logits[*]").expand((3,))]
    ['logits[0]', 'logits[1]', 'logits[2]']
    >>> Target.parse("max(scores[..., 1])").question.sentence
    'highest place'
    """

    tensor: str
    index: tuple[Index, ...] = ()
    asked: Question | None = None
    fitting: Question | None = None
    units: int | None = None

    def __repr__(self) -> str:
        said = "".join(
            f", {name}={value}"
            for name, value in (("asked", self.asked), ("fitting", self.fitting), ("units", self.units))
            if value is not None
        )
        return f"Target(tensor={self.tensor!r}, index={self.index!r}{said})"

    @property
    def question(self) -> Question:
        """The question about what the index leaves: the one that was asked for, else the one that fits, else the mean."""
        return self.asked or self.fitting or Question.MEAN

    @classmethod
    def parse(cls, text: str, tensors: Container[str] = ()) -> Target:
        """Read a target as a person writes it.

        Parameters
        ----------
        text : str
            ``name`` or ``name[index]``, or one of these inside ``mean(...)``, ``max(...)`` or ``center(...)``.
        tensors : container of str
            The model's tensor names: a name that itself ends in brackets or parentheses is taken whole if it is one of them.

        Raises
        ------
        TargetError
            If the text is empty or the index is not one.
        """
        written = text.strip()
        if written in tensors:
            return cls(written)
        if text in tensors:
            return cls(text)
        if not written:
            raise TargetError("the target is empty; write a tensor's name, as in 'logits[281]'")
        inside = _inside(written)
        if inside is not None:
            return cls.parse(inside[1], tensors).asking(inside[0], text)
        if not written.endswith("]"):
            return cls(written)
        start = written.rfind("[")
        if start <= 0:
            raise TargetError(f"{text}: an index needs a tensor's name before its bracket, as in 'logits[281]'")
        parts = written[start + 1 : -1].split(",")
        if len(parts) > 1 and not parts[-1].strip():
            parts.pop()
        plain = text[: text.rindex("[")]
        name = plain if plain in tensors else plain.strip()
        return cls(name, tuple(_parse_index(part.strip(), text) for part in parts))

    def __hash__(self) -> int:
        return hash((self.tensor, str(self)))  # Python before 3.12 cannot hash a slice

    def __str__(self) -> str:
        return self.place_text if self.asked is None else f"{self.asked.value}({self.place_text})"

    @property
    def place_text(self) -> str:
        """The tensor and the index as text, without a question."""
        if not self.index:
            return self.tensor
        return f"{self.tensor}[{', '.join(map(_format_index, self.index))}]"

    def asking(self, name: str, text: str = "") -> Target:
        """Return the same target with another question, by the name of the question's function.

        Raises
        ------
        TargetError
            If the target has a question already.
        """
        if self.asked is not None:
            raise TargetError(f"{text or self}: one target has one question; write {name}({self.place_text})")
        return replace(self, asked=ASKED[name])

    def expand(self, shape: Sequence[int]) -> tuple[Target, ...]:
        """Replace every ``*`` by the places of its axis.

        Parameters
        ----------
        shape : sequence of int
            The tensor's sizes after the batch.

        Raises
        ------
        TargetError
            If the index has more entries than the tensor has axes.
        """
        if EACH not in self.index:
            return (self,)
        axes = self._axes(len(shape))
        choices = [
            range(shape[axis]) if entry is EACH else (entry,) for entry, axis in zip(self.index, axes, strict=True)
        ]
        return tuple(replace(self, index=tuple(choice)) for choice in product(*choices))

    def entries(self, rank: int) -> tuple[Index, ...]:
        """Return what is picked along each axis after the batch; a whole slice where the index says nothing.

        Parameters
        ----------
        rank : int
            How many axes the tensor has after the batch.

        Raises
        ------
        TargetError
            If the index has more entries than that.

        Examples
        --------
        >>> Target.parse("conv1[..., 5]").entries(3)
        (slice(None, None, None), slice(None, None, None), 5)
        """
        found: list[Index] = [slice(None)] * rank
        for entry, axis in zip(self.index, self._axes(rank), strict=True):
            if axis >= 0:
                found[axis] = entry
        return tuple(found)

    def check(self, shape: Sequence[int | None]) -> None:
        """Raise unless the index fits a tensor.

        Parameters
        ----------
        shape : sequence of int or None
            The tensor's sizes after the batch; None where unknown.

        Raises
        ------
        TargetError
            If the index has too many entries or lies outside an axis.
        """
        sizes = "x".join("?" if size is None else str(size) for size in shape) or "no axes"
        for entry, axis in zip(self.index, self._axes(len(shape)), strict=True):
            size = shape[axis] if axis >= 0 else None
            if isinstance(entry, int) and size is not None and not -size <= entry < size:
                where = f"{self}: index {entry} lies outside axis {axis + 1} of {self.tensor}"
                places = "one place (0)" if size == 1 else f"{size} places (0 to {size - 1})"
                raise TargetError(f"{where}, which has {places}; after the batch it is {sizes}")
            if isinstance(entry, slice) and size is not None and not range(*entry.indices(size)):
                raise TargetError(f"{self}: the slice picks nothing; after the batch {self.tensor} is {sizes}")

    def select(self, array: Any) -> Any:
        """Pick from every sample, and reduce what is left by the target's question.

        Parameters
        ----------
        array : (batch, *shape) ndarray or Tensor
            The tensor's values. A tensor without axes counts as one sample.

        Returns
        -------
        (batch,) ndarray or Tensor
            One number per sample.

        Raises
        ------
        TargetError
            If the index does not fit.
        EmptyTargetError
            If the tensor is empty, as the boxes are where nothing is detected.
        """
        return self.question(self.left(array))

    def left(self, array: Any) -> Any:
        """Return what the index leaves of every sample, in the form that the target's question takes.

        Parameters, Returns and Raises are those of `select`, but for the axes: (batch, *places).
        """
        if 0 in array.shape:
            sizes = "x".join(map(str, array.shape))
            written = "" if str(self) == self.tensor else f"{self}: "
            raise EmptyTargetError(f"{written}{self.tensor} is empty at this input ({sizes}); other inputs may fill it")
        picked = self.pick(array)
        if picked.ndim > 1 and "float" not in str(picked.dtype):
            picked = picked * 1.0  # torch has no mean of whole numbers
        if self.question is Question.CENTER and self.units is not None and self.units + 1 < picked.ndim:
            picked = picked.mean(self.units + 1)
        return picked

    def highest(self, array: Any) -> tuple[int, ...]:
        """Return the index, without the batch, of the highest value that the target picks from one sample.

        Parameters
        ----------
        array : (1, *shape) ndarray
            The tensor's values.

        Examples
        --------
        >>> import numpy as np
        >>> Target("scores", (slice(None), 1)).highest(np.array([[[5, 0], [0, 2], [0, 1]]]))
        (1, 1)
        """
        shape = array.shape[1:]
        places = [
            [entry % size]
            if isinstance(entry, int)
            else range(size)[entry if isinstance(entry, slice) else slice(None)]
            for entry, size in zip(self.entries(len(shape)), shape, strict=True)
        ]
        picked = self.pick(array)[0]
        number, found = int(picked.argmax()), []
        for axis in reversed(range(len(shape))):
            number, place = divmod(number, picked.shape[axis])
            found.append(sorted(places[axis])[place])
        return tuple(found[::-1])

    def pick(self, array: Any) -> Any:
        """Pick from every sample, axes kept: an index that is a number leaves an axis of size 1.

        Parameters
        ----------
        array : (batch, *shape) ndarray or Tensor
            As in `select`.

        Returns
        -------
        (batch, *axes) ndarray or Tensor
            As many axes as the array has.

        Raises
        ------
        TargetError
            If the index does not fit.
        """
        if array.ndim == 0:
            array = array.reshape(1)
        shape = tuple(array.shape[1:])
        self.check(shape)
        if EACH in self.index:
            raise TargetError(f"{self}: '*' stands for one target per place; expand it before selecting")
        if not self.index:
            return array
        key: list[slice | EllipsisType] = [slice(None)]
        for entry, axis in zip(self.index, self._axes(len(shape)), strict=True):
            if isinstance(entry, int):
                place = entry % shape[axis]
                key.append(slice(place, place + 1))
            else:
                key.append(_forward(entry, shape[axis]) if isinstance(entry, slice) else Ellipsis)
        return array[tuple(key)]

    def _axes(self, rank: int) -> list[int]:
        """Return for each entry the axis after the batch that it picks from; -1 for the ellipsis."""
        entries = sum(entry is not Ellipsis for entry in self.index)
        if entries > rank:
            raise TargetError(
                f"{self}: the index has {entries} entries, but {self.tensor} has {rank} axes after the batch"
            )
        if len(self.index) - entries > 1:
            raise TargetError(f"{self}: only one '...' fits into an index")
        axes, axis = [], 0
        for entry in self.index:
            if entry is Ellipsis:
                axes.append(-1)
                axis += rank - entries
            else:
                axes.append(axis)
                axis += 1
        return axes


def _inside(text: str) -> tuple[str, str] | None:
    """Return the name of a question and the text in its parentheses; None if the text is no such function."""
    match = _QUESTION.fullmatch(text)
    if match is None:
        return None
    depth = 0
    for sign in match.group(2):
        depth += (sign == "(") - (sign == ")")
        if depth < 0:  # the first parenthesis closes before the end, as in a sum
            return None
    return (match.group(1), match.group(2)) if depth == 0 else None


def _parse_index(part: str, text: str) -> Index:
    if part == "*":
        return EACH
    if part == "...":
        return Ellipsis
    if _INTEGER.fullmatch(part):
        return int(part)
    match = _SLICE.fullmatch(part)
    if match:
        start, stop, step = (int(number) if number else None for number in match.groups())
        if step == 0:
            raise TargetError(f"{text}: a slice's step must not be 0")
        return slice(start, stop, step)
    raise TargetError(
        f"{text}: '{part}' is no index; write numbers, slices (2:5), '...', '*' or the name of a class, separated by commas"
    )


def _forward(entry: slice, size: int) -> slice:
    """Return a slice that picks the same places in rising order, the only one that torch knows."""
    places = range(*entry.indices(size))
    if places.step < 0:
        places = places[::-1]
    return slice(places.start, places.stop, places.step)


def _format_index(entry: Index) -> str:
    if entry is EACH:
        return "*"
    if entry is Ellipsis:
        return "..."
    if isinstance(entry, slice):
        first = "" if entry.start is None else str(entry.start)
        last = "" if entry.stop is None else str(entry.stop)
        return f"{first}:{last}" + ("" if entry.step is None else f":{entry.step}")
    return str(entry)


_QUOTES = ("'", '"')
_BRACKET = re.compile(r"""\[(?:'(?:[^']|'')*'|"(?:[^"]|"")*"|[^\[\]'"]|['"])*\]""")


def is_index(part: str) -> bool:
    """Return whether one entry of an index is written as a number, a slice, ``...`` or ``*``, and not as a name."""
    part = part.strip()
    return part in ("*", "...") or bool(_INTEGER.fullmatch(part) or _SLICE.fullmatch(part))


def numbered(text: str, tensors: Collection[str], number: Callable[[str, str, int, int], int]) -> str:
    """Return a target, or a sum of targets, with numbers in place of the names in its indices.

    Parameters
    ----------
    text : str
        The text, as in ``logits[cat] - 0.5*logits['dog, small']``. A name that holds a comma or a bracket stands in quotes,
        unless it is all that the brackets hold.
    tensors : collection of str
        The names of the model's tensors.
    number : callable
        Takes a tensor, a name, the place of its entry in the index, and the number of entries; returns the number that the name
        stands for.

    Examples
    --------
    >>> classes = ["cat", "dog, small"]
    >>> numbered("logits[cat] - 0.5*logits[dog, small]", ["logits"], lambda tensor, name, *_: classes.index(name))
    'logits[0] - 0.5*logits[1]'
    >>> numbered("map[:, 'cat', 3]", ["map"], lambda tensor, name, *_: classes.index(name))
    'map[:, 0, 3]'
    """
    if text in tensors or text.strip() in tensors:
        return text
    ordered = sorted(tensors, key=len, reverse=True)
    written, end = "", 0
    for found in _BRACKET.finditer(text):
        before = text[: found.start()].rstrip()
        if any(name.endswith("]") and text[: found.end()].endswith(name) for name in ordered):
            continue  # the brackets belong to the name of a tensor
        tensor = next((name for name in ordered if before.endswith(name) and _begins(before, name)), "")
        inside = found.group()[1:-1].strip()
        if not tensor or not inside:
            continue
        written += text[end : found.start()] + f"[{_numbers(tensor, inside, number)}]"
        end = found.end()
    return written + text[end:]


def _begins(before: str, name: str) -> bool:
    """Return whether a tensor's name at the end of a text begins there, and is not the end of a longer word."""
    rest = before[: len(before) - len(name)]
    return not rest or rest[-1] in " \t+-*(,"


def _numbers(tensor: str, inside: str, number: Callable[[str, str, int, int], int]) -> str:
    parts = _entries(inside)
    if len(parts) > 1 and not parts[-1].strip():
        parts.pop()
    if all(is_index(part) for part in parts):
        return inside
    if len(parts) > 1 and not any(is_index(part) or part.strip()[:1] in _QUOTES for part in parts):
        parts = [inside]  # one name that holds commas
    count = len(parts)
    return ", ".join(
        part.strip() if is_index(part) else str(number(tensor, _unquoted(part.strip()), place, count))
        for place, part in enumerate(parts)
    )


def _entries(inside: str) -> list[str]:
    """Return the entries of an index: the text between commas that are not in quotes."""
    parts, quote = [""], ""
    for sign in inside:
        if sign == "," and not quote:
            parts.append("")
            continue
        if quote:
            quote = "" if sign == quote else quote
        elif sign in _QUOTES and not parts[-1].strip():
            quote = sign
        parts[-1] += sign
    return parts if not quote else [inside]


def _unquoted(part: str) -> str:
    if len(part) > 1 and part[0] in _QUOTES and part[-1] == part[0]:
        return part[1:-1].replace(part[0] * 2, part[0])
    return part
