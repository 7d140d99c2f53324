"""Requests from keywords: the flat names of a Python call or a command line become nested frozen dataclasses."""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

Request = TypeVar("Request")


def fields_of(kind: type[Any]) -> tuple[str, ...]:
    """Return the names of a request's fields, including the fields of nested requests.

    Examples
    --------
    >>> from onnxviz.analyses.inputs.request import InputRequest
    >>> fields_of(InputRequest)[:3]
    ('held', 'dims', 'shapes')
    """
    names: list[str] = []
    for name, inner in _inner(kind).items():
        names += [name] if inner is None else fields_of(inner)
    return tuple(names)


def requested(kind: type[Request], keywords: Mapping[str, Any]) -> Request:
    """Return a request with the given fields set, at any depth of nesting.

    Parameters
    ----------
    kind : type
        A frozen dataclass. Its fields may be frozen dataclasses too.
    keywords : mapping of str to object
        From a field's name to its value. A field that is left out keeps its default.

    Raises
    ------
    TypeError
        If the request has no field of that name.
    """
    known = fields_of(kind)
    for name in keywords:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3)
            hint = f"; close: {', '.join(close)}" if close else ""
            raise TypeError(f"{kind.__name__} has no field '{name}'{hint}")
    return _built(kind, keywords)


def _built(kind: type[Request], keywords: Mapping[str, Any]) -> Request:
    values: dict[str, Any] = {}
    for name, inner in _inner(kind).items():
        if inner is None:
            if name in keywords:
                values[name] = keywords[name]
            continue
        own = {key: keywords[key] for key in fields_of(inner) if key in keywords}
        if own:
            values[name] = _built(inner, own)
    return kind(**values)


def _inner(kind: type[Any]) -> dict[str, type[Any] | None]:
    """Return the fields of a dataclass, each with the dataclass that it holds, or None."""
    # Annotations may name types that are imported for type checkers alone; such types are no requests.
    names = vars(sys.modules[kind.__module__])
    found: dict[str, type[Any] | None] = {}
    for one in dataclasses.fields(kind):
        hint = names.get(one.type) if isinstance(one.type, str) else one.type
        found[one.name] = hint if isinstance(hint, type) and dataclasses.is_dataclass(hint) else None
    return found
