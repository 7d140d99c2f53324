"""How much work a search is given: its steps, its starts and its step size, by the kind of input and what a step costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnxviz.analyses.listener import Listener
    from onnxviz.analyses.maximization.optimizer_choice import OptimizerName
    from onnxviz.analyses.maximization.request import MaximizationRequest
    from onnxviz.analyses.maximization.subject import Subject
    from onnxviz.methods.ascent.settings import Settings
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.objectives.objectives import Objective

LARGE = 4096
"""Inputs of more numbers than this, unless neighbors move together, are searched from one start and in fewer steps."""

LONG = 512
"""So are graphs of more operators than this: each step runs all of them, forward and back."""

LIGHT = 12_000_000
"""Pictures of which a pass holds at most this many numbers are searched in more steps, since their steps take little time."""

VAST = 100_000_000
"""Pictures and signals of which a pass holds more numbers than this are searched in fewer steps."""

NEAR = 200
"""The most steps of a search near real samples, which has a goal to reach and no top to climb."""

MACO_LOOKS = 6
"""How many crops are averaged at each step where only phases move: the least that was published."""


@dataclass(frozen=True)
class Cost:
    """What a step costs.

    Attributes
    ----------
    elements : int
        How many numbers one input has.
    operators : int
        How many operators lead to the targets.
    activations : int
        How many numbers a pass to the targets holds.
    """

    elements: int
    operators: int
    activations: int

    @classmethod
    def of(cls, subject: Subject, climbed: tuple[Objective, ...]) -> Cost:
        """Return what a step towards some objectives costs."""
        from onnxviz.model.probing.measured_sizes import activation_elements, operator_count

        model, moving = subject.model, subject.moving
        reached = moving.in_graph(name for one in climbed for name in one.tensors)
        still = [name for name in model.cut(reached, moving.stops).inputs if name not in (moving.name, *moving.inputs)]
        others = subject.settled.resting(still)
        operators = operator_count(model, reached, moving.stops, subject.shape, others)
        activations = activation_elements(model, reached, moving.stops, subject.shape, others)
        return cls(int(np.prod(subject.shape[1:])), operators, activations)

    def is_high(self, space: Space) -> bool:
        """Return whether one start and fewer steps have to do."""
        return not space.spectral and (self.elements > LARGE or self.operators > LONG)

    def is_vast(self, space: Space) -> bool:
        """Return whether pictures and signals are searched in fewer steps."""
        return space.spectral and self.activations > VAST


def settings(
    subject: Subject,
    cost: Cost,
    space: Space,
    optimizer: OptimizerName,
    request: MaximizationRequest,
    listener: Listener,
) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings of the search, and a sentence for each reason why it takes fewer steps or starts than usual.

    What the request leaves open follows from the kind of input and the cost of a step.
    """
    from onnxviz.methods.ascent.settings import Settings

    blind, most = optimizer == "cma", NEAR if request.near_data else 256
    costly, vast = not blind and cost.is_high(space), not blind and cost.is_vast(space)
    robust = not request.no_transforms and optimizer != "lbfgs"
    plane = space.spectral and subject.expected.kind in ("image", "clip", "spectrogram", "volume")
    maco = space.parameterization == "maco"
    found = Settings(
        request.steps or min(most, _steps(space, maco, plane, costly, vast, cost.activations)),
        request.restarts or (1 if plane or costly else 5),
        request.seed,
        request.rate or _rate(space),
        optimizer,
        robust,
        MACO_LOOKS if maco and robust else 1,
        request.restarts,
        request.save_every,
    )
    reasons = []
    if costly and None in (request.steps, request.restarts):
        why = f"long model ({cost.operators} operators up to the target)"
        if cost.elements > LARGE:
            why = f"large input ({cost.elements} numbers)"
        how = f"{found.restarts} start{'s' * (found.restarts > 1)} and {found.steps} steps"
        reasons.append(f"{subject.name}: {why}: {how} (change with `restarts` and `steps`)")
    if vast and request.steps is None:
        why = f"large model ({cost.activations / 1e6:.0f} million numbers up to the target)"
        reasons.append(f"{subject.name}: {why}: {found.steps} steps (change with `steps`)")
    for sentence in reasons:
        listener.note(sentence)
    return found, tuple(reasons)


def _rate(space: Space) -> float:
    """Return the rate that suits what moves: phases, a spectrum with and without a norm, or elements."""
    if space.parameterization == "maco":
        return 1.0
    if not space.spectral:
        return 0.1
    return 0.2 if space.contrast else 0.4


def _steps(space: Space, maco: bool, plane: bool, costly: bool, vast: bool, activations: int) -> int:
    """Return how many steps suit the input: elements and phases need the most, pictures more than signals."""
    if maco:
        return 128 if vast else 256
    if space.spectral and plane:
        return 64 if vast else 176 if activations <= LIGHT else 112
    if space.spectral:
        return 32 if vast else 64
    return 64 if costly else 256
