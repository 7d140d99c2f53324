"""The notation of objectives: names of tensors, and functions such as ``direction(conv5, v.npy, power=2)``."""

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
    """A function as a person wrote it.

    Attributes
    ----------
    function : str
        The name of the function.
    arguments : tuple of str
        The arguments in its parentheses, without quotes.
    options : tuple of (str, str)
        The names and values of the options after the arguments.
    text : str
        The whole text of the call, for messages.
    """

    function: str
    arguments: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    text: str


def take_known(rest: str, ordered: Collection[str], ends: str = "[+-]|$") -> tuple[str, str] | None:
    """Return a known tensor's name with its index from the front of a text, and the rest; None where there is none.

    Parameters
    ----------
    rest : str
        The text that is still to be read.
    ordered : collection of str
        The known names, the longest first. The longest name that fits is taken.
    ends : str
        A regular expression for the text that may follow the name and its index.
    """
    for name in ordered:
        if not rest.startswith(name):
            continue
        match = re.match(rf"{_INDEX}(?={ends})", rest[len(name) :])
        if match:
            return name + (match.group(1) or ""), rest[len(name) + match.end() :]
    return None


def take_call(rest: str, ordered: Collection[str], targets: Mapping[str, int]) -> tuple[Call, str] | None:
    """Return a function with its arguments from the front of a text, and the rest; None where there is none.

    Parameters
    ----------
    rest, ordered
        As in `take_known`.
    targets : mapping of str to int
        For each function, how many of its first arguments are tensors.

    Raises
    ------
    TargetError
        If the parentheses are not closed, or if a comma is missing between arguments.

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
                "write a file name that holds commas or parentheses in quotes"
            )
        inside = inside[1:].lstrip()
    behind = inside[1:].lstrip()
    written = rest[: len(rest) - len(inside) + 1]
    return Call(opened.group(1), tuple(arguments), tuple(options), written), behind


def number_text(value: float) -> str:
    """Return a number as text, which reads back as the same number.

    >>> number_text(0.5), number_text(1 / 3)
    ('0.5', '0.3333333333333333')
    """
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def file_text(name: str) -> str:
    """Return a file's name as an argument, in quotes if it would be misread without them.

    >>> file_text("v.npy"), file_text("a, b.npy")
    ('v.npy', "'a, b.npy'")
    """
    return name if _PLAIN_FILE.fullmatch(name) else "'" + name.replace("'", "''") + "'"
