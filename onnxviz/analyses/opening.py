"""The model of an analysis, loaded if a path or bytes are given."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

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


def opened_once(path: Path) -> Model:
    """Return the model of a file. A process loads the same file again only if it has changed.

    Raises
    ------
    UsageError, ModelError
        As `load` does.
    """
    try:
        state = path.stat()
    except OSError:
        return _loaded(path)
    return _loaded(path, state.st_mtime_ns, state.st_size, state.st_ino)


@lru_cache(maxsize=1)
def _loaded(path: Path, *state: int) -> Model:
    from onnxviz.model.model import load

    return load(path)
