"""Constant folding: steps that read only constants run once, such as the scaling or dequantizing of a weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from onnxviz.errors import OnnxvizError
from onnxviz.model.engine.plan import Plan, Slot, Step

_NO_NUMBERS = (RuntimeError, ValueError, OverflowError)
"""Errors of a constant that does not convert to the Python numbers that an operator takes."""


def fold(plan: Plan, captured: Mapping[int, Any] | None = None) -> Plan:
    """Return a plan whose steps that read only constants are computed, in bodies too.

    Parameters
    ----------
    plan : Plan
        Changed in place.
    captured : mapping of int to object, optional
        Known values that a body captures, by their places in the body's environment.

    Returns
    -------
    Plan
        The plan without the steps whose values are no longer read.
    """
    values: dict[int, Any] = dict(captured or {})
    folded: set[int] = set()
    for step in plan.steps:
        _insert(step, values)
        if not _settled(step):
            continue
        step.prepare()
        try:
            with torch.no_grad():
                value = step.call([], torch.device("cpu"), None)
        except OnnxvizError:
            continue  # the step may be in a branch that is never taken: it fails when it is reached
        parts = value if isinstance(value, tuple) else (value,)
        values.update((place, part) for place, part in zip(step.outputs, parts, strict=False) if place >= 0)
        folded.add(id(step))
    plan.results = [_inserted(result, values) for result in plan.results]
    read = {place for step in plan.steps for place in step.positions()}
    read.update(result.position for result in plan.results if isinstance(result, Slot))
    plan.steps = [step for step in plan.steps if id(step) not in folded or not read.isdisjoint(step.outputs)]
    return plan


def _insert(step: Step, values: Mapping[int, Any]) -> None:
    """Replace the slots that a step and its bodies read by known constants."""
    written = step.arguments
    step.arguments = [_inserted(argument, values) for argument in written]
    try:
        step.convert()
    except (*_NO_NUMBERS, OnnxvizError):
        step.arguments = written  # as above: the step fails when it is reached
    for body in step.inner:
        body.captures = [_inserted(value, values) for value in body.captures]
        first = len(body.plan.inputs)
        known = {first + place: value for place, value in enumerate(body.captures) if not isinstance(value, Slot)}
        body.plan = fold(body.plan, known)


def _inserted(value: Any, values: Mapping[int, Any]) -> Any:
    return values.get(value.position, value) if isinstance(value, Slot) else value


def _settled(step: Step) -> bool:
    """Return whether a step reads only constants and is deterministic."""
    return (
        step.declaration.deterministic
        and not any(isinstance(argument, Slot) for argument in step.arguments)
        and not any(isinstance(value, Slot) for body in step.inner for value in body.captures)
        and all(inner.declaration.deterministic for body in step.inner for inner in body.plan.every_step())
    )
