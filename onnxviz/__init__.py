"""Show what an exported neural network has learned, from its ONNX file alone."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from onnxviz import threads
from onnxviz.errors import OnnxvizError
from onnxviz.version import __version__

if TYPE_CHECKING:
    from onnxviz.analyses.activations.looking import activations
    from onnxviz.analyses.attribution.explaining import attribute
    from onnxviz.analyses.description import inspect
    from onnxviz.analyses.embedding.laying_out import embed
    from onnxviz.analyses.examples.choosing import examples
    from onnxviz.analyses.filters.describing import filters
    from onnxviz.analyses.maximization.maximizing import maximize
    from onnxviz.analyses.verification import verify
    from onnxviz.model.model import Model, load
    from onnxviz.pages.reporting import report

__all__ = [
    "Model",
    "OnnxvizError",
    "__version__",
    "activations",
    "attribute",
    "embed",
    "examples",
    "filters",
    "inspect",
    "load",
    "maximize",
    "report",
    "verify",
]

_FACE = {
    "Model": "onnxviz.model.model",
    "activations": "onnxviz.analyses.activations.looking",
    "attribute": "onnxviz.analyses.attribution.explaining",
    "embed": "onnxviz.analyses.embedding.laying_out",
    "examples": "onnxviz.analyses.examples.choosing",
    "filters": "onnxviz.analyses.filters.describing",
    "inspect": "onnxviz.analyses.description",
    "load": "onnxviz.model.model",
    "maximize": "onnxviz.analyses.maximization.maximizing",
    "report": "onnxviz.pages.reporting",
    "verify": "onnxviz.analyses.verification",
}
"""The public names, each with the module that defines it."""


threads.wait_without_spinning()  # before torch is loaded


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that ``import onnxviz`` costs little."""
    if name in _FACE:
        return getattr(importlib.import_module(_FACE[name]), name)
    raise AttributeError(f"module 'onnxviz' has no attribute '{name}'")
