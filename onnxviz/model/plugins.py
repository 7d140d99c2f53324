"""Loading of the plugins and libraries that the user named: the only place where code beside the package is run.

A name comes from the command line or from Python, never from a model, a folder of results or a page.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from onnxviz.errors import UsageError
from onnxviz.model.graph.extensions import NO_EXTENSIONS, Declared, ExtensionNames, Extensions

Name = str | os.PathLike[str]

_loaded: dict[tuple[str, str], tuple[Declared, ...]] = {}
"""The operators of each plugin that this process has loaded, by name and digest."""


def named(plugins: Name | Sequence[Name] = (), custom_ops: Name | Sequence[Name] = ()) -> ExtensionNames:
    """Return the names of plugins and libraries, with absolute paths.

    Parameters
    ----------
    plugins : str, path, or sequence of them
        Dotted names of modules, or .py files.
    custom_ops : path or sequence of paths
        Shared libraries of custom operators for ONNX Runtime.

    Raises
    ------
    UsageError
        If a file does not exist.

    Examples
    --------
    >>> named("package.operators").plugins
    ('package.operators',)
    """
    modules = [_module_name(one) for one in _each(plugins)]
    libraries = [_file(os.fspath(one), "custom_ops") for one in _each(custom_ops)]
    return ExtensionNames(tuple(dict.fromkeys(modules)), tuple(dict.fromkeys(libraries)))


def extensions(names: ExtensionNames) -> Extensions:
    """Load plugins and libraries, and return their operators.

    Parameters
    ----------
    names : ExtensionNames
        What the user named.

    Raises
    ------
    UsageError
        If a module or a library cannot be loaded, or a module registers no operator.
    """
    if not names:
        return NO_EXTENSIONS
    digests: dict[str, str] = {}
    operators: dict[tuple[str, str], tuple[Declared, ...]] = {}
    for name in names.plugins:
        digests[name], found = _plugin(name)
        for one in found:
            key = (one.domain, one.operator)
            operators[key] = (*operators.get(key, ()), one)
    for name in names.custom_ops:
        _check_library(name)
        digests[name] = _digest(Path(name))
    return Extensions(names, digests, operators)


def _each(given: Name | Sequence[Name]) -> Sequence[Name]:
    return (given,) if isinstance(given, str | os.PathLike) else given


def _module_name(given: Name) -> str:
    text = os.fspath(given)
    if text.endswith(".py"):
        return _file(text, "plugins")
    if not all(part.isidentifier() for part in text.split(".")):
        raise UsageError(f"`plugins` {text}: is neither a module's dotted name nor a .py file")
    return text


def _file(text: str, parameter: str) -> str:
    path = Path(text)
    if not path.is_file():
        raise UsageError(f"`{parameter}` {text}: {'is a folder' if path.is_dir() else 'no such file'}")
    return str(path.resolve())


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None


def _check_library(name: str) -> None:
    """Let ONNX Runtime load a library once, so that a wrong one is told before any work."""
    import onnxruntime

    try:
        onnxruntime.SessionOptions().register_custom_ops_library(name)
    except Exception as error:  # ONNX Runtime raises a type of its own for each status
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"`custom_ops` {name}: is no library of custom operators that ONNX Runtime can load: {reason}"
        ) from None


def _plugin(name: str) -> tuple[str, tuple[Declared, ...]]:
    """Return the digest of a plugin's file and its operators. A process runs a file again only if it has changed."""
    is_file = name.endswith(".py")
    digest = _digest(Path(name)) if is_file else ""
    if (name, digest) in _loaded and is_file:
        return digest, _loaded[name, digest]
    from onnxviz.model.onnx2torch import converters
    from onnxviz.model.onnx2torch.package import onnx2torch_imports
    from onnxviz.model.operators.declaration import foreign_declarations

    converters.forget(name)  # those of an earlier state of the file
    known, registered = len(foreign_declarations()), converters.registered()
    with onnx2torch_imports():
        module = _run(name, digest)
    if not is_file:
        digest = _digest(Path(module.__file__)) if module.__file__ else ""
        if (name, digest) in _loaded:
            return digest, _loaded[name, digest]
    declared: list[Declared] = [*foreign_declarations()[known:]]
    declared += converters.converters(converters.registered() - registered, name)
    if not declared:  # the module was imported before
        declared += [one for one in foreign_declarations() if _belongs(one.function, module)]
        declared += converters.converters(
            {key for key in converters.registered() if _belongs(converters.function(key), module)}, name
        )
    if not declared:
        raise UsageError(
            f"`plugins` {name}: registers no operator; it should declare one with onnxviz's `operator`, or register a "
            "converter with onnx2torch's `add_converter`"
        )
    _loaded[name, digest] = tuple(declared)
    return digest, _loaded[name, digest]


def _belongs(function: Any, module: ModuleType) -> bool:
    own = getattr(function, "__module__", None) or ""
    return own == module.__name__ or own.startswith(module.__name__ + ".")


class _FreshLoader(SourceFileLoader):
    """Compiles a file anew: a cached compilation may be that of an earlier state, changed within the same second."""

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def _run(name: str, digest: str) -> ModuleType:
    """Import a module, or run a file as a module of its own name."""
    try:
        if not digest:
            return importlib.import_module(name)
        own = f"onnxviz_plugin_{Path(name).stem}_{digest[:12]}"
        spec = importlib.util.spec_from_file_location(own, name, loader=_FreshLoader(own, name))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[own] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[own]
            raise
        return module
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise UsageError(
                f"`plugins` {name}: no module of that name is installed; for a file in this folder write "
                f"{name.rpartition('.')[2]}.py"
            ) from None
        raise UsageError(f"`plugins` {name}: {_sentence(error, name)}") from None
    except (Exception, SystemExit) as error:
        raise UsageError(f"`plugins` {name}: {_sentence(error, name)}") from None


def _sentence(error: BaseException, name: str) -> str:
    """Return an error of a plugin with the line of its file that raised it."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    if isinstance(error, SyntaxError) and error.lineno:
        lines.append(error.lineno)
    where = f"line {lines[-1]}: " if lines and lines[-1] else ""
    reason = (str(error).strip().splitlines() or ["no message"])[0]
    return f"cannot be loaded: {where}{type(error).__name__}: {reason}"
