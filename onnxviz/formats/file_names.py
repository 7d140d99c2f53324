"""Names of files, made from names of tensors that anybody may have chosen."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

_LONGEST = 80
_LONGEST_WITH_EXTENSION = 100
_DIGITS = 8
# Brackets and commas stay, so that a file is called what one types: conv1[12].
_UNSAFE = re.compile(r"[^A-Za-z0-9._,\[\]-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE | re.DOTALL)
_MARKED = re.compile(r"-[0-9a-f]{8,64}")


def safe_name(name: str) -> str:
    """Turn any text into a file name that is valid on every system.

    Letters, digits and ``. _ - , [ ]`` stay as they are. When something had to be replaced or cut, the name ends in a
    dash and eight digits of the text's SHA-256, so that two different texts keep two different names.

    Parameters
    ----------
    name : str
        A tensor's or target's name; any text at all.

    Returns
    -------
    str
        At most 80 ASCII characters: no separator, no leading dot or dash, no trailing dot, none of Windows' reserved
        names.

    See Also
    --------
    safe_names : tells names apart that differ only in case.

    Examples
    --------
    >>> safe_name("conv1[12]")
    'conv1[12]'
    >>> safe_name("/layer1/Conv_output_0")
    'layer1_Conv_output_0-26540e4b'
    """
    # A name that already looks marked is marked again: else it could be the very name another one is given.
    if is_safe_name(name) and len(name) <= _LONGEST and not _is_marked(name):
        return name
    return _marked(name, _DIGITS)


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """Give every text its own file name, also where case does not count.

    Parameters
    ----------
    names : iterable of str
        All the names that will stand in one folder.

    Returns
    -------
    dict
        From each text to its `safe_name`; where two would be one file on some system, both carry a digest.
    """
    chosen = {name: safe_name(name) for name in names}
    digits = _DIGITS
    while digits <= 64:
        count = Counter(file.lower() for file in chosen.values())
        clashing = [name for name, file in chosen.items() if count[file.lower()] > 1]
        if not clashing:
            break
        chosen.update((name, _marked(name, digits)) for name in clashing)
        digits *= 2
    return chosen


def is_safe_name(name: str) -> bool:
    """Tell whether a file can be called so on every system, with an extension or without; what `safe_name` gives always can."""
    return (
        0 < len(name) <= _LONGEST_WITH_EXTENSION
        and name[0] not in ".-"
        and name[-1] != "."
        and not _UNSAFE.search(name)
        and not _RESERVED.fullmatch(name)
    )


def _is_marked(name: str) -> bool:
    return _MARKED.fullmatch(name, max(name.rfind("-"), 0)) is not None


def _marked(name: str, digits: int) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
    stem = _UNSAFE.sub("_", name).strip("._-") or "tensor"
    if _RESERVED.fullmatch(stem):
        stem = f"_{stem}"  # in front, since Windows looks at what stands before the first dot
    return f"{stem[: _LONGEST - 1 - digits]}-{digest}"
