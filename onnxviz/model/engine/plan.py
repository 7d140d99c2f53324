"""The plan: a graph as torch calls in order. A `Network` runs a plan; the bodies of If, Loop and Scan are plans too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from onnxviz.errors import EvaluationError, OnnxvizError
from onnxviz.model.operators.declaration import Declaration, Node

_REFUSALS = (RuntimeError, ValueError, LookupError, TypeError, ArithmeticError, AttributeError, AssertionError)
"""Errors of Python, numpy and torch for values that an operator does not take, such as None for an input left out."""

_HOST_ELEMENTS = 1024
"""Integer tensors of at most one axis and this many elements stay on the CPU: they are shapes and indices, and become
Python numbers. Single floats stay too: they may scale a shape. If an operator reads them beside a tensor of the device,
they are moved there, once."""


@dataclass
class Slot:
    """A place in the environment that a value is read from when the plan runs."""

    position: int


@dataclass
class Step:
    """A call of an operator.

    Attributes
    ----------
    declaration : Declaration
        The operator.
    node : Node
        The facts about the node that the operator may read.
    label : str
        The operator and the tensor that it makes, for messages.
    arguments : list
        The inputs: constants, Python numbers, None, or a `Slot`.
    keywords : dict of str to object
        The attributes.
    bodies : dict of str to (Body or tuple of Body)
        The graph attributes.
    outputs : list of int
        Places of the outputs; -1 for an output that nothing reads.
    release : tuple of int
        Places that nothing reads after this step.
    rounded : bool
        Whether the outputs are bfloat16 and must be rounded: its three digits are part of the model's meaning.
    """

    declaration: Declaration
    node: Node
    label: str
    arguments: list[Any]
    keywords: dict[str, Any]
    bodies: dict[str, Body | tuple[Body, ...]]
    outputs: list[int]
    release: tuple[int, ...] = ()
    rounded: bool = False
    reads: list[tuple[int, int, Callable[[torch.Tensor], Any] | None]] = field(default_factory=list)

    def prepare(self) -> None:
        """List once which arguments are read from which places, so that a run need not search."""
        self.reads = [
            (place, argument.position, self.converter(place))
            for place, argument in enumerate(self.arguments)
            if isinstance(argument, Slot)
        ]

    def converter(self, place: int) -> Callable[[torch.Tensor], Any] | None:
        """Return the function that turns the input at a place into Python numbers, or None."""
        converters = self.declaration.converters
        if not converters:
            return None
        return (
            converters[min(place, len(converters) - 1)]
            if self.declaration.variadic or place < len(converters)
            else None
        )

    def convert(self) -> None:
        """Turn constants into Python numbers, where the operator takes Python numbers.

        Raises
        ------
        OnnxvizError
            If a constant is not such a number.
        """
        for place, argument in enumerate(self.arguments):
            convert = self.converter(place)
            if convert is not None and isinstance(argument, torch.Tensor):
                try:
                    self.arguments[place] = convert(argument)
                except (
                    RuntimeError,
                    ValueError,
                    TypeError,
                    OverflowError,
                ) as error:  # such as three numbers in place of one
                    raise self.refusal([argument], error) from None

    @property
    def inner(self) -> Iterator[Body]:
        """The bodies, one after the other."""
        for body in self.bodies.values():
            yield from body if isinstance(body, tuple) else (body,)

    def positions(self) -> Iterator[int]:
        """Yield the places that the step and its bodies read, each as often as it is read."""
        for argument in self.arguments:
            if isinstance(argument, Slot):
                yield argument.position
        for body in self.inner:
            for value in body.captures:
                if isinstance(value, Slot):
                    yield value.position

    def call(self, environment: list[Any], device: torch.device, redirect: Redirect | None) -> Any:
        """Return the operator's value, computed from the values in the environment."""
        arguments = self.arguments
        if self.reads:
            arguments = arguments.copy()
            for place, position, _ in self.reads:
                arguments[place] = environment[position]
        keywords = self.keywords
        if self.bodies:
            keywords = {
                **keywords,
                **{name: _bind(body, environment, device, redirect) for name, body in self.bodies.items()},
            }
        function = self.declaration.function
        if redirect is not None:
            function = redirect(self.declaration) or function
        try:
            for place, _, convert in self.reads:
                if convert is not None and arguments[place] is not None:
                    arguments[place] = convert(arguments[place])
            if device.type != "cpu" and len(_places(arguments)) > 1:
                self.settle(device)
                arguments = _together(arguments, device, self.declaration.host_numbers)
            value = function(*arguments, **keywords)
            return _to_bfloat16(value) if self.rounded else value
        except OnnxvizError as error:
            if self.bodies or getattr(error, "located", False):
                raise
            located = type(error)(f"{self.label}: {error}")
            located.located = True  # type: ignore[attr-defined]  # named once, by the innermost node
            raise located from None
        except _REFUSALS as error:
            located = self.refusal(arguments, error)
            located.located = True  # type: ignore[attr-defined]  # as above
            raise located from error

    def refusal(self, arguments: Sequence[Any], error: Exception) -> EvaluationError:
        """Return the error of an operator that does not take its inputs."""
        shapes = ", ".join(_describe(argument) for argument in arguments)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return EvaluationError(f"{self.label} refuses its inputs ({shapes}): {reason}")

    def settle(self, device: torch.device) -> None:
        """Move the constants to a device permanently: a copy at each run would make the host wait for the device."""
        slots = {place for place, _, _ in self.reads}
        self.arguments = [
            argument if place in slots else _placed(argument, device, self.declaration.host_numbers)
            for place, argument in enumerate(self.arguments)
        ]


Redirect = Callable[[Declaration], Callable[..., Any] | None]
"""A function from an operator to the function that replaces it during a run, or None."""


@dataclass
class Plan:
    """Steps over an environment of values: first the inputs, then values captured from outside, then outputs of steps.

    Attributes
    ----------
    inputs, captured, outputs : tuple of str
        Names of tensors.
    results : list
        For each output a `Slot` or a constant.
    steps : list of Step
        Steps in order.
    size : int
        Number of places in the environment.
    device : torch.device
        Device of the constants and of the computation.
    runner : callable or None
        Function that `run` calls with its inputs and its redirect, in place of running one step after the other.
    """

    inputs: tuple[str, ...]
    captured: tuple[str, ...]
    outputs: tuple[str, ...]
    results: list[Any]
    steps: list[Step]
    size: int
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    runner: Callable[[Sequence[Any], Redirect | None], tuple[Any, ...]] | None = None

    def finish(self) -> None:
        """Determine which values are dropped after which step, in bodies too."""
        kept = {result.position for result in self.results if isinstance(result, Slot)}
        last: dict[int, int] = {}
        for number, step in enumerate(self.steps):
            step.prepare()
            for position in step.positions():
                last[position] = number
            for position in step.outputs:
                if position >= 0:
                    last.setdefault(position, number)
        released: dict[int, list[int]] = {}
        for position, number in last.items():
            if position not in kept:
                released.setdefault(number, []).append(position)
        for number, step in enumerate(self.steps):
            step.release = tuple(released.get(number, ()))
            for body in step.inner:
                body.plan.finish()

    def run(
        self, inputs: Sequence[Any], captured: Sequence[Any] = (), redirect: Redirect | None = None
    ) -> tuple[Any, ...]:
        """Return the outputs.

        Raises
        ------
        EvaluationError
            If an operator refuses its inputs. The message names the operator.
        """
        if self.runner is not None:
            return self.runner(inputs, redirect)
        environment = self.environment(inputs, captured)
        self.advance(environment, self.steps, redirect)
        return self.found(environment)

    def environment(self, inputs: Sequence[Any], captured: Sequence[Any] = ()) -> list[Any]:
        """Return the values before the first step: inputs and captured values."""
        environment: list[Any] = [None] * self.size
        environment[: len(inputs)] = inputs
        environment[len(self.inputs) : len(self.inputs) + len(captured)] = captured
        return environment

    def found(self, environment: Sequence[Any]) -> tuple[Any, ...]:
        """Return the outputs, after the last step."""
        return tuple(environment[result.position] if isinstance(result, Slot) else result for result in self.results)

    def advance(self, environment: list[Any], steps: Iterable[Step], redirect: Redirect | None = None) -> None:
        """Run consecutive steps: add their outputs to the environment, drop values that are no longer read.

        Raises
        ------
        EvaluationError
            If an operator refuses its inputs. The message names the operator.
        """
        device = self.device
        for step in steps:
            value = step.call(environment, device, redirect)
            outputs = step.outputs
            if isinstance(value, tuple):
                for position, part in zip(outputs, value, strict=False):
                    if position >= 0:
                        environment[position] = part
            elif outputs[0] >= 0:
                environment[outputs[0]] = value
            for position in step.release:
                environment[position] = None

    def to(self, device: torch.device) -> None:
        """Move the constants; small ones stay on the CPU until an operator reads them beside a tensor of the device."""
        self.device = device
        self.results = [_moved(result, device) for result in self.results]
        for step in self.steps:
            step.arguments = [_moved(argument, device) for argument in step.arguments]
            step.keywords = {name: _moved(value, device) for name, value in step.keywords.items()}
            for body in step.inner:
                body.plan.to(device)

    def every_step(self) -> Iterator[Step]:
        """Yield all steps, also those of bodies."""
        for step in self.steps:
            yield step
            for body in step.inner:
                yield from body.plan.every_step()


@dataclass
class Body:
    """A graph attribute: a plan, and the sources of its captured values in the plan around it."""

    plan: Plan
    captures: list[Any]


@dataclass
class BoundBody:
    """A body with its captured values, as an operator calls it."""

    plan: Plan
    captured: list[Any]
    redirect: Redirect | None

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the body's inputs."""
        return self.plan.inputs

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the body's outputs."""
        return self.plan.outputs

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        """Return the body's outputs."""
        return self.plan.run(inputs, self.captured, self.redirect)


def _bind(
    body: Body | tuple[Body, ...], environment: list[Any], device: torch.device, redirect: Redirect | None
) -> Any:
    if isinstance(body, tuple):
        return tuple(_bind(one, environment, device, redirect) for one in body)
    values = [environment[value.position] if isinstance(value, Slot) else value for value in body.captures]
    return BoundBody(body.plan, values, redirect)


def _moved(value: Any, device: torch.device) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    most = 1 if value.is_floating_point() else _HOST_ELEMENTS
    if device.type != "cpu" and value.ndim <= 1 and value.numel() <= most:
        return value
    return value.to(device)


def _together(arguments: list[Any], device: torch.device, numbers_stay: bool = False) -> list[Any]:
    """Return the tensors on one device; single floats of the host may stay there."""
    return [_placed(argument, device, numbers_stay) for argument in arguments]


def _places(values: list[Any]) -> set[str]:
    """Return the device types of tensors, also of those in sequences."""
    places: set[str] = set()
    for value in values:
        if isinstance(value, torch.Tensor):
            places.add(value.device.type)
        elif isinstance(value, list):
            places |= _places(value)
    return places


def _placed(value: Any, device: torch.device, number_stays: bool = False) -> Any:
    if isinstance(value, list):
        return [_placed(one, device) for one in value]
    if not isinstance(value, torch.Tensor):
        return value
    stays = number_stays and value.numel() == 1 and value.is_floating_point() and not value.requires_grad
    return value if stays else value.to(device)


def _to_bfloat16(value: Any) -> Any:
    """Return values rounded to bfloat16, as float32; the gradient passes as if nothing were rounded."""
    if isinstance(value, tuple):
        return tuple(_to_bfloat16(part) for part in value)
    if not isinstance(value, torch.Tensor) or value.dtype != torch.float32:
        return value
    with torch.no_grad():
        error = torch.nan_to_num(value.to(torch.bfloat16).to(torch.float32) - value, nan=0.0, posinf=0.0, neginf=0.0)
    return value + error


def _describe(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {'x'.join(map(str, value.shape)) or 'scalar'}"
    if isinstance(value, list):
        return f"sequence of {len(value)}"
    return "none" if value is None else str(value)
