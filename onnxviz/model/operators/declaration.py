"""How an ONNX operator is declared: a torch function, its domain and the opset versions whose meaning it has.

::

    @operator("Reshape", since=5)
    def reshape(data: Tensor, shape: Ints, *, allowzero: int = 0) -> Tensor: ...

- Positional parameters are the operator's inputs, in the schema's order. An input that may be missing has the default ``None``;
  a variadic input is ``*inputs``.
- Keyword parameters are attributes, by the schema's names. A value comes from the node, else from the schema, else from the signature.
  An attribute that a function does not name must be listed in ``ignored``, with the reason in a comment.
- The keyword parameter ``node: Node`` is no attribute: it receives what is known about the node.
- An input annotated `Ints`, `Int`, `Floats`, `Float` or `Bool` arrives as Python numbers: once, at conversion, if it is constant.
- A graph attribute arrives as a `Subgraph`: call it with the body's inputs, get the tuple of its outputs.
- The function returns a tensor, or a tuple if the operator has several outputs (fewer than declared will do if ``node.outputs`` has fewer).

Values at run time: float16 and bfloat16 tensors are carried as float32 and rounded where the model rounds (`Cast`); quantised
integers are carried as float tensors that hold whole numbers, so that a straight-through gradient can pass; a sequence is a Python list, an
absent optional ``None``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Protocol

import torch


def _flat(value: torch.Tensor) -> list[Any]:
    listed = value.detach().reshape(-1).tolist()
    return listed if isinstance(listed, list) else [listed]


def _ints(value: torch.Tensor) -> tuple[int, ...]:
    return tuple(int(v) for v in _flat(value))


def _floats(value: torch.Tensor) -> tuple[float, ...]:
    return tuple(float(v) for v in _flat(value))


def _int(value: torch.Tensor) -> int:
    return int(value.item())


def _float(value: torch.Tensor) -> float:
    return float(value.item())


def _bool(value: torch.Tensor) -> bool:
    return bool(value.item())


Ints = Annotated[tuple[int, ...], _ints]
Int = Annotated[int, _int]
Floats = Annotated[tuple[float, ...], _floats]
Float = Annotated[float, _float]
Bool = Annotated[bool, _bool]

HostConverter = Callable[[torch.Tensor], Any]


class Gradient(str, Enum):
    """What the backward pass through an operator is."""

    SMOOTH = "smooth"
    """The derivative, almost everywhere."""
    STRAIGHT_THROUGH = "straight-through"
    """The forward pass rounds; the backward pass acts as if it had not, inside the representable range."""
    ZERO = "zero"
    """Piecewise constant, or an index: no gradient passes."""


@dataclass(frozen=True)
class Node:
    """What an operator may know of the node it computes.

    Attributes
    ----------
    domain, operator, name : str
        As in the model; the ONNX domain is "".
    version : int
        The opset version of the domain that the model imports.
    inputs, outputs : tuple of str
        Tensor names; "" for an input or output that is left out.
    input_types, output_types : tuple of int
        ONNX element types (``onnx.TensorProto.FLOAT`` …); 0 where unknown.
    """

    domain: str
    operator: str
    name: str
    version: int
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    input_types: tuple[int, ...] = ()
    output_types: tuple[int, ...] = ()

    def input_type(self, position: int) -> int:
        """Return the ONNX element type of an input; 0 where unknown."""
        return self.input_types[position] if position < len(self.input_types) else 0

    def output_type(self, position: int = 0) -> int:
        """Return the ONNX element type of an output; 0 where unknown."""
        return self.output_types[position] if position < len(self.output_types) else 0


class Subgraph(Protocol):
    """A graph attribute, ready to run: captured values are already in place."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the body's inputs."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the body's outputs."""

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        """Run the body once."""


@dataclass(frozen=True)
class Declaration:
    """One operator over one range of opset versions.

    Attributes
    ----------
    domain, operator : str
        The ONNX domain is "".
    since, until : int
        The first and the last opset version whose meaning `function` has; `until` None for all later ones.
    function : callable
        Tensors in, tensor or tuple of tensors out.
    gradient : Gradient
        What passes backward.
    deterministic : bool
        Whether equal inputs give equal outputs, so that it may be folded.
    ignored : frozenset of str
        Attributes that change nothing here.
    host_numbers : bool
        Whether single floats of the host stay there beside tensors of a device.
    converters : tuple
        For each positional parameter, how a tensor becomes Python numbers, or None.
    variadic : bool
        Whether the last positional parameter takes any number of inputs.
    attributes : mapping of str to object
        The attributes that `function` names, with its defaults (`inspect.Parameter.empty` where it has none).
    takes_node : bool
        Whether `function` wants the `Node`.
    host_numbers : bool
        Whether single floats of the host stay there beside tensors of a device: `function` reads them as numbers.
    """

    domain: str
    operator: str
    since: int
    until: int | None
    function: Callable[..., Any]
    gradient: Gradient
    deterministic: bool
    ignored: frozenset[str]
    parameters: tuple[str, ...]
    required: tuple[int, ...]
    converters: tuple[HostConverter | None, ...]
    variadic: bool
    attributes: Mapping[str, Any]
    takes_node: bool
    host_numbers: bool = False

    def covers(self, version: int) -> bool:
        """Whether the function has the operator's meaning at an opset version."""
        return self.since <= version and (self.until is None or version <= self.until)


_registry: dict[tuple[str, str], list[Declaration]] = {}

Function = typing.TypeVar("Function", bound=Callable[..., Any])


def operator(
    name: str,
    *,
    since: int = 1,
    until: int | None = None,
    domain: str = "",
    gradient: Gradient = Gradient.SMOOTH,
    deterministic: bool = True,
    ignored: tuple[str, ...] = (),
    host_numbers: bool = False,
) -> Callable[[Function], Function]:
    """Declare a torch function as an ONNX operator; the decorator returns the function unchanged.

    Parameters
    ----------
    name : str
        The operator's type, as in the schema.
    since, until : int
        The first and the last opset version, both included, whose meaning the function has.
    domain : str
        "" for ONNX itself, "ai.onnx.ml", "com.microsoft", …
    gradient : Gradient
        What passes backward.
    deterministic : bool
        False for operators that draw random numbers.
    ignored : tuple of str
        Attributes that change nothing here.
    """

    def declare(function: Function) -> Function:
        declaration = _describe(function, name, since, until, domain, gradient, deterministic, ignored, host_numbers)
        others = _registry.setdefault((domain, name), [])
        for other in others:
            if (other.until is None or since <= other.until) and (until is None or other.since <= until):
                raise ValueError(f"{domain or 'ai.onnx'}.{name} is declared twice for opset {max(since, other.since)}")
        others.append(declaration)
        return function

    return declare


def _describe(
    function: Callable[..., Any],
    name: str,
    since: int,
    until: int | None,
    domain: str,
    gradient: Gradient,
    deterministic: bool,
    ignored: tuple[str, ...],
    host_numbers: bool = False,
) -> Declaration:
    hints = typing.get_type_hints(function, include_extras=True)
    names: list[str] = []
    converters: list[HostConverter | None] = []
    attributes: dict[str, Any] = {}
    required: list[int] = []
    variadic, takes_node = False, False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            variadic = True
            names.append(parameter.name)
            converters.append(_converter(hints.get(parameter.name)))
        elif parameter.kind is parameter.KEYWORD_ONLY:
            if parameter.name == "node":
                takes_node = True
            else:
                attributes[parameter.name] = parameter.default
        else:
            names.append(parameter.name)
            converters.append(_converter(hints.get(parameter.name)))
            if parameter.default is parameter.empty and type(None) not in typing.get_args(hints.get(parameter.name)):
                required.append(len(names) - 1)
    return Declaration(
        domain,
        name,
        since,
        until,
        function,
        gradient,
        deterministic,
        frozenset(ignored),
        tuple(names),
        tuple(required),
        tuple(converters),
        variadic,
        attributes,
        takes_node,
        host_numbers,
    )


def _converter(hint: Any) -> HostConverter | None:
    """Find the converter in `Ints`, `Ints | None` and their like."""
    for part in (hint, *typing.get_args(hint)):
        for note in getattr(part, "__metadata__", ()):
            if callable(note):
                return typing.cast(HostConverter, note)
    return None


@cache
def _load_families() -> None:
    package = importlib.import_module(__name__.rpartition(".")[0])
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):  # it writes the catalog and must not run on import
            importlib.import_module(module.name)


def find(domain: str, name: str, version: int) -> Declaration | None:
    """Return the declaration whose function has the operator's meaning at an opset version, if there is one."""
    _load_families()
    for declaration in _registry.get((domain, name), ()):
        if declaration.covers(version):
            return declaration
    return None


def declarations() -> tuple[Declaration, ...]:
    """Return every declaration, ordered by domain, operator and first version."""
    _load_families()
    every = [declaration for group in _registry.values() for declaration in group]
    return tuple(sorted(every, key=lambda d: (d.domain, d.operator, d.since)))
