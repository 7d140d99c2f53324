"""Declares ONNX operators: each declaration is a torch function, a domain, and the opset versions that the function implements.

::

    @operator("Reshape", since=5)
    def reshape(data: Tensor, shape: Ints, *, allowzero: int = 0) -> Tensor: ...

- Positional parameters are the operator's inputs, in the schema's order. An optional input has the default ``None``. A variadic input is
  ``*inputs``.
- Keyword parameters are attributes, by the schema's names. The value of an attribute comes from the node, else from the schema, else from
  the signature. An attribute that the function does not take must be listed in ``ignored``. A comment gives the reason.
- The keyword parameter ``node: Node`` is not an attribute. It receives what is known about the node.
- An input annotated `Ints`, `Int`, `Floats`, `Float` or `Bool` arrives as Python numbers. A constant input is read once, when the model is
  converted.
- A graph attribute arrives as a `Subgraph`. A call with the body's inputs returns the tuple of the body's outputs.
- The function returns a tensor, or a tuple if the operator has several outputs. The tuple may leave out outputs that ``node.outputs`` does
  not name.
- A declaration in a module outside of onnxviz serves the models that are loaded with this module as a plugin.

Values at run time:

- float16 and bfloat16 tensors are carried as float32. They are rounded where the model rounds (`Cast`).
- Quantized integers are carried as float tensors of whole numbers, so that a straight-through gradient can pass.
- A sequence is a Python list. An absent optional is ``None``.
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
    """What the backward pass through an operator computes."""

    SMOOTH = "smooth"
    """The derivative, almost everywhere."""
    STRAIGHT_THROUGH = "straight-through"
    """The forward pass rounds. Inside the representable range the backward pass acts as if nothing had been rounded."""
    ZERO = "zero"
    """No gradient passes: the function is piecewise constant, or its result is an index."""


@dataclass(frozen=True)
class Node:
    """What an operator's function may know about the node that it computes.

    Attributes
    ----------
    domain, operator, name : str
        As in the model. The domain of ONNX itself is "".
    version : int
        The opset version of the domain, as the model imports it.
    inputs, outputs : tuple of str
        Tensor names. An input or output that is left out has the name "".
    input_types, output_types : tuple of int
        ONNX element types (``onnx.TensorProto.FLOAT`` …). An unknown type is 0.
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
        """Return the ONNX element type of an input, or 0 if it is unknown."""
        return self.input_types[position] if position < len(self.input_types) else 0

    def output_type(self, position: int = 0) -> int:
        """Return the ONNX element type of an output, or 0 if it is unknown."""
        return self.output_types[position] if position < len(self.output_types) else 0


class Subgraph(Protocol):
    """A graph attribute that is ready to run: the values that its body captures are already filled in."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the body's inputs."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the body's outputs."""

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        """Run the body once and return its outputs."""


@dataclass(frozen=True)
class Declaration:
    """An operator over a range of opset versions.

    Attributes
    ----------
    domain, operator : str
        The domain of ONNX itself is "".
    since, until : int
        The first and the last opset version that `function` implements. `until` is None if there is no last version.
    function : callable
        Takes tensors and returns a tensor or a tuple of tensors.
    gradient : Gradient
        What the backward pass computes.
    deterministic : bool
        Whether equal inputs give equal outputs. A node of such an operator may be folded.
    ignored : frozenset of str
        Attributes that do not change the result.
    parameters : tuple of str
        Names of the positional parameters.
    required : tuple of int
        Positions of the positional parameters that must be given.
    converters : tuple
        For each positional parameter, the function that makes Python numbers of a tensor, or None.
    variadic : bool
        Whether the last positional parameter takes any number of inputs.
    attributes : mapping of str to object
        The attributes that `function` takes, with their defaults. `inspect.Parameter.empty` stands for no default.
    takes_node : bool
        Whether `function` takes the `Node`.
    host_numbers : bool
        Whether a tensor of a single float stays on the host while other inputs lie on a device. `function` then reads it as a number.
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
        """Return whether the function implements the operator at an opset version."""
        return self.since <= version and (self.until is None or version <= self.until)

    def bound(self, node: Any, constants: Mapping[str, Any], types: Mapping[str, Any]) -> Declaration:
        """Return the declaration that computes one node: this one, whatever the node."""
        return self


_registry: dict[tuple[str, str], list[Declaration]] = {}

_foreign: list[Declaration] = []
"""Declarations of other packages, in the order in which they came. They serve only models that name their module as a plugin."""

_PACKAGE = __name__.partition(".")[0]

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
    """Return a decorator that declares a torch function as an ONNX operator and leaves the function unchanged.

    Parameters
    ----------
    name : str
        The operator's type, as in the schema.
    since, until : int
        The first and the last opset version that the function implements.
    domain : str
        "" for ONNX itself, "ai.onnx.ml", "com.microsoft", …
    gradient : Gradient
        What the backward pass computes.
    deterministic : bool
        False for operators that draw random numbers.
    ignored : tuple of str
        Attributes that do not change the result.
    host_numbers : bool
        See `Declaration`.

    Raises
    ------
    ValueError
        If another function is declared for the same operator at the same opset version, by onnxviz or by the same module.
    """

    def declare(function: Function) -> Function:
        declaration = _describe(function, name, since, until, domain, gradient, deterministic, ignored, host_numbers)
        own = function.__module__.partition(".")[0] == _PACKAGE
        if not own:
            _load_families()
            # A cell of a notebook that runs again declares the same function anew.
            again = [one for one in _foreign if _place_of(one) == _place_of(declaration)]
            for one in again:
                _foreign.remove(one)
        beside = () if own else (one for one in _foreign if one.function.__module__ == function.__module__)
        others = [*_registry.get((domain, name), ()), *beside]
        for other in others:
            same = (other.domain, other.operator) == (domain, name)
            if same and (other.until is None or since <= other.until) and (until is None or other.since <= until):
                raise ValueError(
                    f"{domain or 'ai.onnx'}.{name} is declared twice for opset {max(since, other.since)}; "
                    "the ranges of since and until must not overlap"
                )
        if own:
            _registry.setdefault((domain, name), []).append(declaration)
        else:
            _foreign.append(declaration)
        return function

    return declare


def _place_of(declaration: Declaration) -> tuple[str, str, str, str, int]:
    function = declaration.function
    name = getattr(function, "__qualname__", "")
    return function.__module__, name, declaration.domain, declaration.operator, declaration.since


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
    """Return the converter of an annotation such as `Ints` or `Ints | None`, or None if it has none."""
    for part in (hint, *typing.get_args(hint)):
        for note in getattr(part, "__metadata__", ()):
            if callable(note):
                return typing.cast(HostConverter, note)
    return None


@cache
def _load_families() -> None:
    package = importlib.import_module(__name__.rpartition(".")[0])
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):  # a program that writes files
            importlib.import_module(module.name)


def find(domain: str, name: str, version: int) -> Declaration | None:
    """Return the declaration of an operator at an opset version, or None if there is none."""
    _load_families()
    for declaration in _registry.get((domain, name), ()):
        if declaration.covers(version):
            return declaration
    return None


def foreign_declarations() -> tuple[Declaration, ...]:
    """Return the declarations of other packages, in the order in which they came."""
    return tuple(_foreign)


def declarations() -> tuple[Declaration, ...]:
    """Return every declaration, sorted by domain, operator and first version."""
    _load_families()
    every = [declaration for group in _registry.values() for declaration in group]
    return tuple(sorted(every, key=lambda d: (d.domain, d.operator, d.since)))
