"""How an ascent goes, whatever is maximized."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.methods.objectives.objectives import Objective


@dataclass(frozen=True)
class Settings:
    """How an ascent goes, whatever is maximized.

    Attributes
    ----------
    steps : int
        The gradient is taken at most this many times for each ascent.
    restarts : int
        How many ascents each target has.
    seed : int
        The seed of all random numbers.
    rate : float
        Adam's step, in the units of the variables, and the length of the first step of L-BFGS.
    optimizer : str
        "adam"; "nadam", with which fixed magnitudes were published; "lbfgs", which finds the maximum of a smooth target in
        fewer steps and allows no random transform; or "cma", which takes no gradient and belongs to `evolution.evolve`.
    robust : bool
        Whether pictures and signals are moved at random during the ascent.
    looks : int
        How many random moves are averaged at each step.
    members : int or None
        How many restarts make a set, where an objective compares or joins them. None: as many as its terms suggest.
    frame_every : int or None
        Keep the inputs after every so many steps.

    Raises
    ------
    UsageError
        If `steps` or `rate` is not above 0.
    """

    steps: int = 128
    restarts: int = 1
    seed: int = 0
    rate: float = 0.1
    optimizer: Literal["adam", "nadam", "lbfgs", "cma"] = "adam"
    robust: bool = True
    looks: int = 1
    members: int | None = None
    frame_every: int | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or not (math.isfinite(self.rate) and self.rate > 0):
            raise UsageError(f"`steps` {self.steps}, `rate` {self.rate}: each must be above 0")

    def starts(self, objective: Objective) -> int:
        """Return how many restarts an objective has."""
        return (self.members or objective.members) if objective.members else self.restarts

    def rate_at(self, step: int) -> float:
        """Return the rate at a step, from 0: it falls to 0 along a half cosine, since a constant rate circles the maximum."""
        return self.rate * ((1 + math.cos(math.pi * step / self.steps)) / 2)
