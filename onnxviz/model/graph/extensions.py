"""Custom operators that the user named beside a model: their names, and what is known about each operator, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from onnx import NodeProto, TypeProto


@dataclass(frozen=True)
class ExtensionNames:
    """The plugins and libraries that the user named. They are text alone, so that another process can load the same.

    Attributes
    ----------
    plugins : tuple of str
        Dotted names of modules, or absolute paths of .py files.
    custom_ops : tuple of str
        Absolute paths of shared libraries for ONNX Runtime.
    """

    plugins: tuple[str, ...] = ()
    custom_ops: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.plugins or self.custom_ops)

    @property
    def files(self) -> tuple[str, ...]:
        """The absolute paths among the names: .py files and libraries."""
        return (*(name for name in self.plugins if name.endswith(".py")), *self.custom_ops)


NO_NAMES = ExtensionNames()


class Declared(Protocol):
    """An operator that a plugin serves. `onnxviz.model.operators.declaration.Declaration` is one."""

    @property
    def domain(self) -> str:
        """The operator's domain; "" for ONNX itself."""

    @property
    def operator(self) -> str:
        """The operator's type."""

    @property
    def gradient(self) -> Any:
        """What the backward pass computes: "smooth", "straight-through" or "zero"."""

    def covers(self, version: int) -> bool:
        """Return whether the operator is served at an opset version of its domain."""

    def bound(self, node: NodeProto, constants: Mapping[str, Any], types: Mapping[str, TypeProto]) -> Any:
        """Return the `Declaration` that computes one node.

        Parameters
        ----------
        node : NodeProto
            The node.
        constants : mapping of str to Tensor
            The values of those of its inputs that are constant.
        types : mapping of str to TypeProto
            The known types of its inputs.
        """


@dataclass(frozen=True, eq=False)
class Extensions:
    """The custom operators that serve one model.

    Attributes
    ----------
    names : ExtensionNames
        What the user named.
    digests : mapping of str to str
        SHA-256 of the file of each plugin and each library, in hexadecimal, by its name.
    operators : mapping of (str, str) to tuple of Declared
        The plugins' operators by domain and type.
    """

    names: ExtensionNames = NO_NAMES
    digests: Mapping[str, str] = field(default_factory=dict)
    operators: Mapping[tuple[str, str], tuple[Declared, ...]] = field(default_factory=dict)

    def find(self, domain: str, operator: str, version: int) -> Declared | None:
        """Return the plugins' declaration of an operator at an opset version, or None if there is none."""
        fitting = (one for one in self.operators.get((domain, operator), ()) if one.covers(version))
        return next(fitting, None)

    @property
    def settings(self) -> dict[str, Any]:
        """What a result depends on, as settings of a folder: nothing if no plugin and no library was named."""
        return {"extensions": dict(self.digests)} if self.names else {}


NO_EXTENSIONS = Extensions()
"""The extensions of a model that was loaded alone."""
