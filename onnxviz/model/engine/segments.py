"""Gradients of deep graphs in bounded memory: activations are kept at a few places and recomputed between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from onnxviz.model.engine.plan import Plan, Redirect

LIMIT = 3 << 30
"""Bytes of activations; a gradient that would need more recomputes them."""

_SHALLOW = 256
"""With fewer steps there is little to gain."""


def checkpointed(plan: Plan) -> Plan:
    """Return a plan that runs in segments if a gradient would take more memory than the limit.

    Parameters
    ----------
    plan : Plan
        The plan; not changed. The new plan shares its steps.
    """
    return replace(plan, runner=Segments(plan).run)


class Segments:
    """A runner of a plan: in segments, if the activations for a gradient would take more than the limit.

    Values and gradients are the same to the bit. Autograd sees the same graph, but its saved tensors are recomputed by
    the same steps, a segment at a time, instead of kept. That costs one more forward pass. Memory then grows with the
    square root of the depth (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").

    Parameters
    ----------
    plan : Plan
        The plan. It runs in segments only on the CPU, and only if it is deterministic.
    limit : int
        Most bytes of activations.
    """

    def __init__(self, plan: Plan, limit: int = LIMIT) -> None:
        self.plan = plan
        self.limit = limit
        self._bytes: dict[tuple[Any, ...], int] = {}
        self._may = len(plan.steps) > _SHALLOW and all(step.declaration.deterministic for step in plan.every_step())

    def run(self, inputs: Sequence[Any], redirect: Redirect | None = None) -> tuple[Any, ...]:
        """Return the outputs; the parameters and errors are those of `Plan.run`."""
        if not (self._may and torch.is_grad_enabled() and self.plan.device.type == "cpu" and _moves(inputs)):
            return self.plan.run(inputs, (), redirect)
        key = tuple((tuple(one.shape), one.dtype) if isinstance(one, Tensor) else None for one in inputs)
        if key not in self._bytes:
            self._bytes[key] = self._measure(inputs)
        if self._bytes[key] <= self.limit:
            return self.plan.run(inputs, (), redirect)
        return self._in_segments(inputs, redirect)

    def _measure(self, inputs: Sequence[Any]) -> int:
        """Return how many bytes the results of all steps take together."""
        environment, total = self.plan.environment(inputs), 0
        with torch.no_grad():
            for step in self.plan.steps:
                self.plan.advance(environment, [step])
                total += sum(_bytes(environment[position]) for position in step.outputs if position >= 0)
        return total

    def _in_segments(self, inputs: Sequence[Any], redirect: Redirect | None) -> tuple[Any, ...]:
        steps, plan = self.plan.steps, self.plan
        length = math.ceil(math.sqrt(len(steps)))

        def advanced(before: list[Any], first: int) -> list[Any]:
            environment = before.copy()
            plan.advance(environment, steps[first : first + length], redirect)
            return environment

        environment = plan.environment(inputs)
        for first in range(0, len(steps), length):
            environment = checkpoint(advanced, environment, first, use_reentrant=False, preserve_rng_state=False)
        return plan.found(environment)


def _moves(inputs: Sequence[Any]) -> bool:
    return any(isinstance(one, Tensor) and one.requires_grad for one in inputs)


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    return sum(_bytes(part) for part in value) if isinstance(value, (list, tuple)) else 0
