"""The axes of clips, point clouds and letters: the ways in which their axes may lie in a tensor."""

from __future__ import annotations

from collections.abc import Sequence

Sizes = Sequence[int | str | None]

ALPHABETS = {
    4: "ACGT",
    5: "ACGTN",
    20: "ACDEFGHIKLMNPQRSTVWY",
    21: "ACDEFGHIKLMNPQRSTVWYX",
    25: "ABCDEFGHIKLMNOPQRSTUVWXYZ",
}
"""The usual letters of one-hot codes, by their number: bases, bases and N, amino acids, those and X, and all letters but J."""

COORDINATES = (3, 4, 6)
"""The numbers of a point: its place, its place and one number, its place and a normal or a color."""

_COLORS = (3, 1)
_CLIPS = (
    ("channel", "time", "height", "width"),
    ("time", "channel", "height", "width"),
    ("time", "height", "width", "channel"),
)


def clip_axes(sizes: Sizes) -> tuple[str, ...] | None:
    """Return the axes of a clip, from the place of the axis that may hold colors; None without such an axis.

    Examples
    --------
    >>> clip_axes((16, 3, 112, 112))
    ('time', 'channel', 'height', 'width')
    """
    if len(sizes) != 4:
        return None
    for colors in _COLORS:
        for axes in _CLIPS:
            if sizes[axes.index("channel")] == colors:
                return axes
    return None


def point_axes(sizes: Sizes) -> tuple[str, ...] | None:
    """Return the axes of a point cloud, from the place of the axis that may hold coordinates; None without such an axis.

    Examples
    --------
    >>> point_axes((1024, 3)), point_axes((3, "points"))
    (('point', 'coordinate'), ('coordinate', 'point'))
    """
    if len(sizes) != 2:
        return None
    if sizes[1] in COORDINATES and not (sizes[0] in COORDINATES and sizes[1] != 3):
        return ("point", "coordinate")
    return ("coordinate", "point") if sizes[0] in COORDINATES else None


def letter_axes(sizes: Sizes, count: int | None = None) -> tuple[str, ...] | None:
    """Return the axes of one-hot letters, from the place of the axis that may hold letters; None without such an axis.

    Parameters
    ----------
    sizes : sequence of (int, str or None)
        The sizes after the batch.
    count : int, optional
        The number of letters. Default: a usual number.

    Examples
    --------
    >>> letter_axes((4, 600)), letter_axes((1000, 20)), letter_axes((7, 30))
    (('letter', 'position'), ('position', 'letter'), None)
    """
    if len(sizes) != 2:
        return None
    for wanted in ALPHABETS if count is None else (count,):
        if sizes[0] == wanted:
            return ("letter", "position")
        if sizes[1] == wanted:
            return ("position", "letter")
    return None
