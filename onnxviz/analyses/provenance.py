"""The versions that results depend on, besides the model, the request and the processor."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from platform import python_version

from onnxviz.version import __version__


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python, onnxviz and the packages that compute."""
    found = {"python": python_version(), "onnxviz": __version__}
    for package in ("onnxruntime", "torch", "onnx", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found
