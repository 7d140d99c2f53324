"""Inferred output sizes of Reshape, Expand, ConstantOfShape and Pad, some numbers of which may be open."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from onnx import TypeProto

from onnxviz.model.graph.known_values import ANY

Sizes = tuple[int | str | None, ...]
"""Known sizes as int, open ones by a name, unknown ones as None."""


def sizes_in(kind: TypeProto | None) -> Sizes | None:
    """Return the sizes in a type; None if the number of axes is unknown."""
    if kind is None or not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    return tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else dim.dim_param or None
        for dim in kind.tensor_type.shape.dim
    )


def typed(kind: TypeProto | None, sizes: Sizes) -> TypeProto:
    """Return a tensor's type with other sizes."""
    made = TypeProto()
    made.tensor_type.elem_type = 0 if kind is None else kind.tensor_type.elem_type
    made.tensor_type.shape.SetInParent()
    for size in sizes:
        dim = made.tensor_type.shape.dim.add()
        if isinstance(size, str):
            dim.dim_param = size
        elif size is not None and 0 <= size < 1 << 63:  # a hostile graph may multiply up to any number
            dim.dim_value = size
    return made


def joined(old: TypeProto, new: TypeProto) -> TypeProto:
    """Return two types merged, the numbers of the new one first; the old type itself if the new one adds nothing."""
    before, found = sizes_in(old), sizes_in(new)
    if not old.HasField("tensor_type") or found is None:
        return old
    if before is not None and len(before) == len(found):
        together = tuple(
            one if isinstance(one, int) or not (isinstance(other, int) or one is None) else other
            for one, other in zip(found, before, strict=True)
        )
    else:
        together = found
    if together == before:
        return old
    return typed(old if old.tensor_type.elem_type else new, together)


def reshaped(before: Sizes | None, target: Sequence[int | str], allows_zero: bool) -> Sizes:
    """Return the output sizes of a Reshape.

    Parameters
    ----------
    before : tuple or None
        Sizes of the tensor that is reshaped.
    target : sequence of (int or str)
        The target: -1 for the size that is left, 0 for a size that stays; names and `ANY` for open numbers.
    allows_zero : bool
        Whether 0 means 0.

    Examples
    --------
    >>> reshaped(("N", 64, 2, 2), [-1, 256], False)
    ('N', 256)
    >>> reshaped(("N", 64, 2, 2), [0, -1], False)
    ('N', 256)
    >>> reshaped((2, 6), ["?", 3], False)
    (None, 3)
    """
    made: list[int | str | None] = []
    for place, one in enumerate(target):
        if one == 0 and not allows_zero:
            made.append(before[place] if before is not None and place < len(before) else None)
        else:
            made.append(None if one == ANY else one)
    if -1 in made:
        place = made.index(-1)
        made[place] = None
        if before is not None:
            made[place] = _left(before, made[:place] + made[place + 1 :])
    return tuple(made)


def _left(before: Sizes, others: Sequence[int | str | None]) -> int | str | None:
    """Return the size that is left when all elements are divided by other sizes; None if it is unknown."""
    if None in before or None in others:
        return None
    names = Counter(one for one in before if isinstance(one, str))
    divided = Counter(one for one in others if isinstance(one, str))
    if divided - names:
        return None
    rest = list((names - divided).elements())
    count = math.prod(one for one in before if isinstance(one, int))
    by = math.prod(one for one in others if isinstance(one, int))
    if by <= 0 or count % by:
        return None
    if not rest:
        return count // by
    return rest[0] if len(rest) == 1 and count == by else None


def built_shape(before: Sizes | None, target: Sequence[int | str]) -> Sizes | None:
    """Return the output sizes of a ConstantOfShape or an Expand; None if the sizes do not broadcast.

    Parameters
    ----------
    before : tuple or None
        Sizes of the input of an Expand; None for a ConstantOfShape.
    target : sequence of (int or str)
        The sizes that are asked for.

    Examples
    --------
    >>> built_shape(None, ["N", 4])
    ('N', 4)
    >>> built_shape((1, 3, 1), ["N", 1, 5])
    ('N', 3, 5)
    """
    asked: list[int | str | None] = [None if one == ANY else one for one in target]
    if before is None:
        return tuple(asked)
    length = max(len(asked), len(before))
    made: list[int | str | None] = []
    for place in range(-length, 0):
        one = before[place] if place >= -len(before) else 1
        other = asked[place] if place >= -len(asked) else 1
        if one == 1 or one == other:
            made.append(other)
        elif other == 1:
            made.append(one)
        elif isinstance(one, int) and isinstance(other, int):
            return None
        else:
            made.append(None)
    return tuple(made)


def padded_shape(before: Sizes | None, pads: Sequence[int | str]) -> Sizes | None:
    """Return the output sizes of a Pad; `pads` holds the starts of all axes, then the ends. None if they are unknown.

    Examples
    --------
    >>> padded_shape(("N", 3, "H", 9), [0, 0, 1, 1, 0, 0, 2, 2])
    ('N', 3, None, 12)
    """
    if before is None or len(pads) != 2 * len(before):
        return None
    made: list[int | str | None] = []
    for size, start, end in zip(before, pads, pads[len(before) :], strict=False):
        if isinstance(start, str) or isinstance(end, str):
            made.append(None)
        elif isinstance(size, int):
            made.append(size + start + end)
        else:
            made.append(size if start == end == 0 else None)
    return tuple(made)
