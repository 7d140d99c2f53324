"""Sources of samples: files, folders, arrays, and texts in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from onnxviz.errors import UsageError


@dataclass(frozen=True)
class Texts:
    """Texts in memory, as a source of samples.

    Attributes
    ----------
    texts : tuple of str
        The texts.
    """

    texts: tuple[str, ...]

    def __str__(self) -> str:
        return "text"


DataSource = str | os.PathLike[str] | np.ndarray | Mapping[str, np.ndarray] | Texts
"""A file, a folder, or samples in memory: an array, an array for each input, or texts."""


def texts_of(text: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the texts of a request, which may hold one text or several."""
    return () if text is None else (text,) if isinstance(text, str) else tuple(text)


def with_texts(sources: Sequence[DataSource], text: str | Sequence[str] | None) -> tuple[DataSource, ...]:
    """Return the sources, and the texts of a request as one more source.

    Raises
    ------
    UsageError
        If there is neither a source nor a text.
    """
    texts = texts_of(text)
    if not sources and not texts:
        raise UsageError("no sample is given: name a file, or give `text`")
    return (*sources, Texts(texts)) if texts else tuple(sources)


def only_source(data: DataSource | None, text: str | Sequence[str] | None) -> DataSource:
    """Return the one data set of a request: its data, or its texts.

    Raises
    ------
    UsageError
        If there is neither data nor a text, or both.
    """
    sources = with_texts(() if data is None else (data,), text)
    if len(sources) > 1:
        raise UsageError("give data or `text`, not both")
    return sources[0]


def source_text(source: DataSource) -> str:
    """Return the name of a source in settings and messages: its path, its texts, or "array"."""
    if isinstance(source, Texts):
        return f"text: {json.dumps(source.texts)}"
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "array"
