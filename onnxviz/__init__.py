"""Show what an exported neural network has learned, from its ONNX file alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onnxviz.errors import OnnxvizError

if TYPE_CHECKING:
    from onnxviz.model.model import Model, load

__version__ = "0.1.0"
__all__ = ["Model", "OnnxvizError", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import the model floor when it is first asked for, so that ``--help`` need not."""
    if name in ("Model", "load"):
        from onnxviz.model import model

        return getattr(model, name)
    raise AttributeError(f"module 'onnxviz' has no attribute '{name}'")
