"""The names that a model's metadata gives to its classes and features."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping

from onnx import ModelProto

_CLASS_KEYS = ("class_names", "classes", "labels", "names", "class_labels", "id2label")
_RATE_KEYS = ("sample_rate", "sampling_rate", "samplerate", "audio_sample_rate", "sr")
_FEATURE_KEYS = ("feature_names", "features", "input_names", "columns")


def metadata(proto: ModelProto) -> dict[str, str]:
    """Return a model's metadata properties."""
    return {entry.key: entry.value for entry in proto.metadata_props}


def class_names(proto: ModelProto) -> tuple[str, ...]:
    """Return the names of the classes, by index; empty if the file does not say."""
    return _first(metadata(proto), _CLASS_KEYS)


def feature_names(proto: ModelProto) -> tuple[str, ...]:
    """Return the names of a vector input's features; empty if the file does not say."""
    return _first(metadata(proto), _FEATURE_KEYS)


def sample_rate(proto: ModelProto) -> float | None:
    """Return the sample rate of a sound in Hz; None if the file does not say."""
    lowered = {key.lower(): value for key, value in metadata(proto).items()}
    for key in _RATE_KEYS:
        try:
            rate = float(lowered.get(key, ""))
        except ValueError:
            continue
        if 0 < rate < 1e7:
            return rate
    return None


def _first(properties: Mapping[str, str], keys: tuple[str, ...]) -> tuple[str, ...]:
    lowered = {key.lower(): value for key, value in properties.items()}
    for key in keys:
        names = parse_names(lowered.get(key, ""))
        if names:
            return names
    return ()


def parse_names(text: str) -> tuple[str, ...]:
    """Return the names in a text: a JSON list, a mapping from index to name, or names separated by commas or lines.

    Examples
    --------
    >>> parse_names("{0: 'cat', 1: 'dog'}")
    ('cat', 'dog')
    >>> parse_names("cat,dog")
    ('cat', 'dog')
    """
    text = text.strip()
    if not text:
        return ()
    if text[0] in "[{":
        for read in (json.loads, ast.literal_eval):
            try:
                value = read(text)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                continue
            if isinstance(value, dict):
                if not all(str(key).isdecimal() for key in value):
                    return ()
                value = [value[key] for key in sorted(value, key=lambda key: int(key))]
            return tuple(str(entry) for entry in value) if isinstance(value, list) else ()
        return ()
    separator = "\n" if "\n" in text else ","
    names = tuple(part.strip() for part in text.split(separator) if part.strip())
    return names if len(names) > 1 else ()
