"""Text for people, in pictures and in messages: escaped, shortened, numbers and shapes written out.

Names of tensors and columns come from files that anybody may have written, so they are escaped before they are shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

# Signs beyond Latin-1 that our own labels use and that DejaVu Sans can draw.
_SIGNS = frozenset("−…→σ")
_LONGEST = 400


def printable(text: str) -> str:
    r"""Escape all that a font might not draw, or that might draw something else than it says.

    ASCII, the letters and signs of Latin-1 and a few signs of our own stay. Control characters, text direction marks
    and everything else become Python escapes.

    Examples
    --------
    >>> printable("conv\n1 → größe")
    'conv\\n1 → größe'
    >>> printable("a\u202eb")
    'a\\u202eb'
    """
    return "".join(character if _is_plain(character) else _escape(character) for character in text)


def _is_plain(character: str) -> bool:
    # U+00AD, the soft hyphen, is the one invisible letter of Latin-1.
    return " " <= character <= "~" or ("\xa1" <= character <= "\xff" and character != "\xad") or character in _SIGNS


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def elide(text: str, fits: Callable[[str], bool]) -> str:
    """Shorten a text in its middle until it fits.

    Parameters
    ----------
    text : str
        Its two ends tell most: ``/features/…/Conv_output_0``.
    fits : callable
        Whether a text is short enough; whatever is shorter must fit as well.

    Returns
    -------
    str
        The text itself where it fits, or as many of its characters as do; at least the ellipsis.

    Examples
    --------
    >>> elide("abcdefgh", lambda text: len(text) <= 5)
    'ab…gh'
    """
    if len(text) > _LONGEST:  # measuring is slow, and no picture is that wide
        text = text[: _LONGEST // 2] + "…" + text[-_LONGEST // 2 :]
    if fits(text):
        return text
    least, most = 0, len(text)
    while most - least > 1:
        kept = (least + most) // 2
        if fits(_without_middle(text, kept)):
            least = kept
        else:
            most = kept
    return _without_middle(text, least)


def _without_middle(text: str, kept: int) -> str:
    tail = kept // 2
    return text[: kept - tail] + "…" + text[len(text) - tail :]


def quoted(text: str, characters: int = 40) -> str:
    """Put a user's own words into a message: escaped, short and between quotes.

    Examples
    --------
    >>> quoted("12.3.4")
    "'12.3.4'"
    """
    return "'" + elide(printable(text), lambda shorter: len(shorter) <= characters) + "'"


def number_text(value: float, digits: int = 3) -> str:
    """Write a number with so many significant digits and a real minus sign.

    Examples
    --------
    >>> number_text(-0.12345)
    '−0.123'
    >>> number_text(1234567.0)
    '1.23e6'
    """
    # Four digits before the point are read faster than an exponent.
    text = f"{value:.0f}" if 10 ** (digits - 1) <= abs(value) < 10**5 else f"{value:.{digits}g}"
    mantissa, mark, exponent = text.partition("e")
    if mark:
        text = f"{mantissa}e{int(exponent)}"
    return "0" if text in ("-0", "0") else text.replace("-", "−")


def named_sizes(shape: Sequence[Any] | None) -> list[Any] | None:
    """Return a shape without the names that tools make up for open sizes, "unk__12"; None stands there.

    Examples
    --------
    >>> named_sizes(("batch", 3, "unk__7"))
    ['batch', 3, None]
    """
    if shape is None:
        return None
    return [None if isinstance(size, str) and re.fullmatch(r"unk__\d+", size) else size for size in shape]


def shape_text(shape: Sequence[Any] | None) -> str:
    """Write a shape as people do.

    Examples
    --------
    >>> shape_text((None, 3, "height"))
    '?x3xheight'
    """
    sizes = named_sizes(shape)
    if sizes is None:
        return "unknown"
    return "x".join("?" if size is None else str(size) for size in sizes) or "scalar"


def question_text(question: str) -> str:
    """Return the question of a target for tables and captions; "" where a single value leaves nothing to ask.

    Examples
    --------
    >>> question_text("highest place"), question_text("single value")
    ('highest place', '')
    """
    return "" if question == "single value" else question
