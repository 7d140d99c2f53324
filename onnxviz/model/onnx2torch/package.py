"""The import of onnx2torch, which also works where torchvision is missing or does not fit the installed torch."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from onnxviz.errors import UsageError

INSTALL = "pip install 'onnxviz[onnx2torch]'"


def onnx2torch() -> ModuleType:
    """Return the package onnx2torch with its registry of converters loaded.

    onnx2torch imports torchvision for two operators, NonMaxSuppression and RoiAlign. If torchvision cannot be imported, these two
    raise an error when they run, and all others work.

    Raises
    ------
    UsageError
        If onnx2torch is not installed, or cannot be imported.
    """
    if "onnx2torch" in sys.modules and "onnx2torch.converter" in sys.modules:
        return sys.modules["onnx2torch"]
    try:
        with _torchvision():
            return importlib.import_module("onnx2torch")
    except ModuleNotFoundError as error:
        if error.name != "onnx2torch":
            raise UsageError(f"onnx2torch cannot be imported: it needs {error.name}; {INSTALL}") from None
        raise UsageError(f"onnx2torch is not installed: {INSTALL}") from None
    except Exception as error:  # an import runs whatever it likes
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(f"onnx2torch cannot be imported: {type(error).__name__}: {reason}") from None


class _Announced:
    """A finder that finds nothing, and calls a function when somebody imports onnx2torch."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "onnx2torch":
            self.call()


@contextlib.contextmanager
def onnx2torch_imports() -> Iterator[None]:
    """Let an import of onnx2torch inside a block work, such as that of a user's module, where torchvision cannot be imported."""
    with contextlib.ExitStack() as stack:
        announced = _Announced(lambda: stack.enter_context(_torchvision()))
        sys.meta_path.insert(0, announced)
        try:
            yield
        finally:
            sys.meta_path.remove(announced)


def is_imported() -> bool:
    """Return whether somebody has imported onnx2torch's registry, so that it may hold converters."""
    return "onnx2torch.node_converters.registry" in sys.modules


@contextlib.contextmanager
def _torchvision() -> Iterator[None]:
    """Put a stand-in in the place of torchvision while a block imports onnx2torch, if torchvision cannot be imported.

    The stand-in has only the names that onnx2torch imports. It is taken away at the end of the block.
    """
    before = {name for name in sys.modules if name.partition(".")[0] == "torchvision"}
    try:
        importlib.import_module("torchvision")
    except Exception as error:  # beside another build of torch it raises RuntimeError, OSError and others
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    else:
        yield
        return
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision" and name not in before]:
        del sys.modules[name]  # half imported
    package, operators = ModuleType("torchvision"), ModuleType("torchvision.ops")

    def missing(*arguments: Any, **keywords: Any) -> Any:
        raise RuntimeError(f"onnx2torch computes it with torchvision, which cannot be imported: {reason}")

    for name in ("roi_align", "nms", "box_convert"):
        setattr(operators, name, missing)
    package.ops = operators  # type: ignore[attr-defined]
    stand_ins = {"torchvision": package, "torchvision.ops": operators}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
