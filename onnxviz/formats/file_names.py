"""File names that are safe on every system, made from the names of tensors, which may be any text."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

_LONGEST = 80
_LONGEST_WITH_EXTENSION = 100
_DIGITS = 8
# Brackets and commas stay, so that a file has the name that a person types for a target: conv1[12].
_UNSAFE = re.compile(r"[^A-Za-z0-9._,\[\]-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE | re.DOTALL)
_MARKED = re.compile(r"-[0-9a-f]{8,64}")


def safe_name(name: str) -> str:
    """Return a file name that is valid on every system, for any text.

    Letters, digits and ``. _ - , [ ]`` stay as they are. Where characters are replaced or cut off, the name ends in a dash and eight
    digits of the text's SHA-256, so that two different texts have two different names.

    Parameters
    ----------
    name : str
        The name of a tensor or a target, or any other text.

    Returns
    -------
    str
        At most 80 ASCII characters, without a separator, a leading dot or dash, or a trailing dot. It is none of the names that
        Windows reserves.

    See Also
    --------
    safe_names : file names for several texts, which differ in more than upper and lower case.

    Examples
    --------
    >>> safe_name("conv1[12]")
    'conv1[12]'
    >>> safe_name("/layer1/Conv_output_0")
    'layer1_Conv_output_0-26540e4b'
    """
    # A text that already ends like a marked name is marked again. Otherwise it could equal the file name of another text.
    if is_safe_name(name) and len(name) <= _LONGEST and not _is_marked(name):
        return name
    return _marked(name, _DIGITS)


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """Return a file name for each text, all different even on systems that ignore upper and lower case.

    Parameters
    ----------
    names : iterable of str
        All names whose files will stand in one folder.

    Returns
    -------
    dict
        From each text to its `safe_name`. Where two texts would have one file on some system, both names end in a digest.
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
    """Return whether a name is valid for a file on every system, with or without an extension, as `safe_name`'s always are."""
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
        stem = f"_{stem}"  # an underscore in front, since Windows reserves names by the part before the first dot
    return f"{stem[: _LONGEST - 1 - digits]}-{digest}"
