"""The model of an analysis, loaded if a path or bytes are given."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from onnxviz.model.graph.extensions import NO_NAMES, ExtensionNames

if TYPE_CHECKING:
    from onnx import ModelProto

    from onnxviz.model.model import Model


def opened(model: Model | str | os.PathLike[str] | bytes | ModelProto) -> Model:
    """Return a model; a path, bytes or a ModelProto is loaded.

    Raises
    ------
    UsageError
        If there is no such file.
    ModelError
        If the file is no valid ONNX model.
    """
    from onnxviz.model.model import Model, load

    return model if isinstance(model, Model) else load(model)


def opened_once(path: Path, names: ExtensionNames = NO_NAMES) -> Model:
    """Return the model of a file. A process loads the same file again only if it, a plugin or a library has changed.

    Parameters
    ----------
    path : Path
        The model's file.
    names : ExtensionNames
        The plugins and libraries that the user named beside it.

    Raises
    ------
    UsageError, ModelError
        As `load` does.
    """
    try:
        states = [file.stat() for file in (path, *map(Path, names.files))]
    except OSError:
        return _loaded(path, names)
    return _loaded(path, names, *(part for one in states for part in (one.st_mtime_ns, one.st_size, one.st_ino)))


@lru_cache(maxsize=1)
def _loaded(path: Path, names: ExtensionNames, *state: int) -> Model:
    from onnxviz.model.model import load

    return load(path, plugins=names.plugins, custom_ops=names.custom_ops)
