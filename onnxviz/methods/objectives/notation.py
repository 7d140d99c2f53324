"""The small grammar of objectives: tensors by name, and functions such as ``direction(conv5, v.npy, power=2)``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from onnxviz.errors import TargetError

_CALL = re.compile(r"([A-Za-z_]\w*)\s*\(\s*")
_INDEX = r"\s*(\[[^\]]*\])?\s*"
_QUOTED = re.compile(r"'((?:[^']|'')*)'\s*|\"((?:[^\"]|\"\")*)\"\s*")
_OPTION = re.compile(r"([A-Za-z_]\w*)\s*=\s*([^,()]*)")
_BARE = re.compile(r"(?!['\"])(?:[^,()\[\]]|\[[^\]]*\]|\([^()]*\))*")
_PLAIN_FILE = re.compile(r"[^\s,()'\"=\[\]](?:[^,()'\"=\[\]]*[^\s,()'\"=\[\]])?")


@dataclass(frozen=True)
class Call:
    """A function as it is written.

    Attributes
    ----------
    function : str
        Its name.
    arguments : tuple of str
        What stands in its parentheses, quotes taken off.
    options : tuple of (str, str)
        What follows by name.
    text : str
        All of it, for messages.
    """

    function: str
    arguments: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    text: str


def take_known(rest: str, ordered: Collection[str], ends: str = "[+-]|$") -> tuple[str, str] | None:
    """Split a known tensor's name and its index off the front.

    Parameters
    ----------
    rest : str
        What is still to be read.
    ordered : collection of str
        The known names, the longest first: the longest that fits is taken.
    ends : str
        A regular expression of what may stand behind it.
    """
    for name in ordered:
        if not rest.startswith(name):
            continue
        match = re.match(rf"{_INDEX}(?={ends})", rest[len(name) :])
        if match:
            return name + (match.group(1) or ""), rest[len(name) + match.end() :]
    return None


def take_call(rest: str, ordered: Collection[str], targets: Mapping[str, int]) -> tuple[Call, str] | None:
    """Split a function with its arguments off the front; None where there is none.

    Parameters
    ----------
    rest, ordered
        As in `take_known`.
    targets : mapping of str to int
        How many of a function's arguments, from the first, are tensors.

    Raises
    ------
    TargetError
        If the parentheses are not closed or something stands between the arguments.

    Examples
    --------
    >>> take_call("like(a b[2], power=3) - c", ["a b"], {"like": 1})[0].arguments
    ('a b[2]',)
    """
    opened = _CALL.match(rest)
    if opened is None:
        return None
    arguments: list[str] = []
    options: list[tuple[str, str]] = []
    inside = rest[opened.end() :]
    while not inside.startswith(")") or arguments or options:
        aimed = len(arguments) < targets.get(opened.group(1), 0)
        known = take_known(inside, ordered, "[,)]") if aimed else None
        option = _OPTION.match(inside)
        quoted = _QUOTED.match(inside)
        if known is not None:
            argument, inside = known
            arguments.append(argument)
        elif option is not None:
            options.append((option.group(1), option.group(2).strip()))
            inside = inside[option.end() :]
        elif quoted is not None:
            one, other = quoted.groups()
            arguments.append(one.replace("''", "'") if one is not None else other.replace('""', '"'))
            inside = inside[quoted.end() :]
        else:
            bare = _BARE.match(inside)
            length = bare.end() if bare else 0
            arguments.append(inside[:length].strip())
            inside = inside[length:]
        if inside.startswith(")"):
            break
        if not inside.startswith(","):
            raise TargetError(
                f"{rest}: the parenthesis after {opened.group(1)} is not closed, or a comma is missing before '{inside}'; "
                "a file name that holds commas or parentheses is written in quotes"
            )
        inside = inside[1:].lstrip()
    behind = inside[1:].lstrip()
    written = rest[: len(rest) - len(inside) + 1]
    return Call(opened.group(1), tuple(arguments), tuple(options), written), behind


def number_text(value: float) -> str:
    """Write a number so that reading it gives the same number.

    >>> number_text(0.5), number_text(1 / 3)
    ('0.5', '0.3333333333333333')
    """
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def file_text(name: str) -> str:
    """Write a file's name as an argument: in quotes if it would be misread.

    >>> file_text("v.npy"), file_text("a, b.npy")
    ('v.npy', "'a, b.npy'")
    """
    return name if _PLAIN_FILE.fullmatch(name) else "'" + name.replace("'", "''") + "'"
