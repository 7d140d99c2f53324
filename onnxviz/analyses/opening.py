"""The model of an analysis: as it is, or loaded from a path or from bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

    from onnxviz.model.model import Model


def opened(model: Model | str | os.PathLike[str] | bytes | ModelProto) -> Model:
    """Return a model, loaded where it is not yet.

    Raises
    ------
    UsageError
        If there is no such file.
    ModelError
        If the file is no valid ONNX model.
    """
    from onnxviz.model.model import Model, load

    return model if isinstance(model, Model) else load(model)
