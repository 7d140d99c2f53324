"""A text as a tile of a sheet, with one of its parts marked."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from onnxviz.drawing.captions import Font, font
from onnxviz.drawing.colors import INK, MUTED
from onnxviz.drawing.pictures import Picture

_SIZE = (448, 280)
_LETTERS, _LINE, _EDGE = 22, 31, 14
_MARK = "#FBE3D2"


def text_tile(text: str, mark: tuple[int, int] | None = None) -> Picture:
    """Draw a text in lines; what does not fit is left out.

    Parameters
    ----------
    text : str
        The text.
    mark : (int, int), optional
        The first character of a marked part, and the character after its last.

    Returns
    -------
    (280, 448, 3) uint8
    """
    canvas = Image.new("RGB", _SIZE, "white")
    pen, letters = ImageDraw.Draw(canvas), font(_LETTERS)
    lines = _lines(text, _SIZE[0] - 2 * _EDGE, letters)
    most = (_SIZE[1] - 2 * _EDGE) // _LINE
    # A marked part stays in sight: the lines around it are drawn.
    marked = next((place for place, (start, end) in enumerate(lines) if mark and start <= mark[0] < end), 0)
    first = max(0, min(marked - most // 2, len(lines) - most))
    for row, (start, end) in enumerate(lines[first : first + most]):
        top = _EDGE + row * _LINE
        if mark is not None and max(mark[0], start) < min(mark[1], end):
            left, right = (
                _EDGE + letters.getlength(text[start:place]) for place in (max(mark[0], start), min(mark[1], end))
            )
            pen.rectangle((left - 1, top, right + 1, top + _LINE - 3), fill=_MARK)
        pen.text((_EDGE, top), text[start:end], fill=INK, font=letters)
    if first + most < len(lines):
        pen.text((_SIZE[0] - _EDGE, _SIZE[1] - _LINE), "…", fill=MUTED, font=letters, anchor="ra")
    return np.asarray(canvas)


def _lines(text: str, width: float, letters: Font) -> list[tuple[int, int]]:
    """Return the first and last character of each line: lines break at spaces, and inside words that are too long."""
    found, start = [], 0
    while start < len(text):
        end = start + 1
        while end < len(text) and letters.getlength(text[start : end + 1]) <= width:
            end += 1
        space = text.rfind(" ", start, end + 1)
        if end < len(text) and space > start:
            end = space
        found.append((start, end))
        start = end + 1 if text[end : end + 1] == " " else end
    return found
