"""Optimizers that climb many samples at once, each as if it were alone.

One call is one look: it is given the values and directions at the present variables and moves the variables, in place,
to where to look next. No number of one sample reaches another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from onnxviz.methods.ascent.parameterizations import Parameterization
from onnxviz.methods.ascent.portions import portions

MOST = 1e18
"""How many times its first gradient a gradient may be; its square is still a float32."""


class Optimizer(Protocol):
    """What an ascent asks of an optimizer."""

    def step(
        self, values: Tensor, gradients: Sequence[Tensor], going: Tensor, rate: float, sizes: Tensor | None = None
    ) -> Tensor:
        """Move the variables of the samples that are going; return which of them should go on.

        Parameters
        ----------
        values : Tensor
            (batch,): what is maximized, at the present variables; may be not finite.
        gradients : sequence of Tensor
            Its gradient, one per variable; may be not finite.
        going : Tensor
            (batch,) bool.
        rate : float
            The learning rate of this step.
        sizes : Tensor, optional
            (batch,): `largest` of the gradients, where that is known.
        """
        ...


class Adam:
    """Adam (Kingma & Ba 2015), climbing, on the part of the gradient that the parameterization can follow.

    The floor under the denominator is relative to the sample's own gradient, and so is the unit in which the moments are
    kept: a target and a thousandth of it lead to the same input, and no square leaves the range of float32.

    Parameters
    ----------
    parameterization : Parameterization
        Whose variables move.
    decay : float
        Of the second moment. It forgets sooner than is usual (.999): an ascent is some dozens of steps long, and what the
        gradient was on the way must not slow it down at the top. That of the first is the parameterization's.
    """

    def __init__(self, parameterization: Parameterization, decay: float = 0.95) -> None:
        self._parameterization = parameterization
        self._momentum, self._decay = parameterization.momentum, decay
        self._first = [torch.zeros_like(variable) for variable in parameterization.variables]
        self._second = [torch.zeros_like(first) for first in self._first]
        self._unit = torch.zeros(len(parameterization.variables[0]), device=parameterization.variables[0].device)
        self._steps = 0

    @torch.no_grad()
    def step(
        self, values: Tensor, gradients: Sequence[Tensor], going: Tensor, rate: float, sizes: Tensor | None = None
    ) -> Tensor:
        """Take one step; a sample whose value or gradient is not finite stays where it is, for good."""
        sizes = largest(gradients) if sizes is None else sizes
        going = going & torch.isfinite(values) & torch.isfinite(sizes)
        self._steps += 1
        variables = self._parameterization.variables
        directions = self._parameterization.tangent(gradients)
        if any(direction is not gradient for direction, gradient in zip(directions, gradients, strict=True)):
            sizes = largest(directions)
        sizes = torch.where(going, sizes, 0)
        self._unit = torch.where(self._unit > 0, self._unit, sizes)
        units = torch.where(self._unit > 0, self._unit, 1)
        every, within = bool(going.all()), bool((sizes <= MOST * units).all())
        for some in portions(max(variables, key=torch.numel)):
            peak = torch.zeros_like(units[some])
            aims = []
            for first, second, direction in zip(self._first, self._second, directions, strict=True):
                gradient = direction[some] / _beside(units[some], direction)
                gradient = gradient if every else torch.where(_beside(going[some], gradient), gradient, 0)
                gradient = gradient if within else gradient.clamp(-MOST, MOST)
                first[some].lerp_(gradient, 1 - self._momentum)
                second[some].mul_(self._decay).addcmul_(gradient, gradient, value=1 - self._decay)
                peak = torch.maximum(peak, second[some].flatten(1).amax(1))
                aims.append(self._aim(first[some], gradient))
            floor = self._parameterization.floor * peak.sqrt() + torch.finfo(torch.float32).tiny
            # What the second moment lacks because it began at 0.
            share = rate * math.sqrt(1 - self._decay**self._steps)
            for variable, (aim, factor), second in zip(variables, aims, self._second, strict=True):
                size = second[some].sqrt().add_(_beside(floor, second))
                if every:
                    variable[some].addcdiv_(aim, size, value=share * factor)
                else:
                    moves = torch.where(going[some], share * factor, 0.0)
                    variable[some].addcmul_(aim / size, _beside(moves, aim))
        self._parameterization.project()
        return going

    def _aim(self, first: Tensor, gradient: Tensor) -> tuple[Tensor, float]:
        """Return where to go, before it is measured by the second moment, and what to multiply it with."""
        return first, 1 / (1 - self._momentum**self._steps)


class NAdam(Adam):
    """Adam that looks a step ahead: Dozat, "Incorporating Nesterov Momentum into Adam" (2016), at a constant momentum."""

    def _aim(self, first: Tensor, gradient: Tensor) -> tuple[Tensor, float]:
        lead, ahead = 1 - self._momentum**self._steps, 1 - self._momentum ** (self._steps + 1)
        return self._momentum / ahead * first + (1 - self._momentum) / lead * gradient, 1.0


class LBFGS:
    """L-BFGS (Nocedal 1980), climbing, projected, with backtracking; for smooth targets without random transforms.

    A call looks at one point. Where the point lies high enough it becomes the one to go on from; else the next look is
    halfway back to the last such point. A sample stops when even the shortest move along the gradient does not rise.

    Parameters
    ----------
    parameterization : Parameterization
        Whose variables move.
    memory : int
        How many pairs of moves and gradient changes to keep for each sample.
    """

    def __init__(self, parameterization: Parameterization, memory: int = 10) -> None:
        self._parameterization = parameterization
        self._points = self._present()
        batch, count = self._points.shape
        zeros = self._points.new_zeros
        self._values = self._points.new_full((batch,), -torch.inf)
        self._slopes, self._directions = zeros(batch, count), zeros(batch, count)
        self._moves, self._changes = zeros(batch, memory, count), zeros(batch, memory, count)
        self._reach = zeros(batch)  # in multiples of the direction
        self._started = False

    @torch.no_grad()
    def step(
        self, values: Tensor, gradients: Sequence[Tensor], going: Tensor, rate: float, sizes: Tensor | None = None
    ) -> Tensor:
        """Accept or refuse where each sample stands, and move it to its next look; the first reaches `rate` far."""
        here, slopes = self._present(), _flat(gradients)
        finite = torch.isfinite(values) & all_finite(gradients)
        if not self._started:
            self._started = True
            going = accepted = going & finite
            stride = torch.full_like(self._reach, rate)
        else:
            moved = here - self._points
            # A ten-thousandth of the rise that the gradient promises is enough (Armijo).
            promised = (moved * self._slopes).sum(1)
            accepted = going & finite & (promised > 0) & (values.double() >= self._values + 1e-4 * promised)
            self._remember(accepted, moved, self._slopes - slopes)
            stride = 2 * moved.abs().amax(1)
        self._values = torch.where(accepted, values.double(), self._values)
        self._slopes = torch.where(accepted[:, None], slopes, self._slopes)
        self._points = torch.where(accepted[:, None], here, self._points)
        self._place(self._points)
        steepest = self._tangent(self._slopes)
        upward = steepest / steepest.abs().amax(1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
        # What the constraint holds still takes no part, or what is known of its curvature would pull it off its bound.
        free = ~((steepest == 0) & (self._slopes != 0))
        direction = self._tangent(self._newton(steepest, free))
        rise = (direction * steepest).sum(1)
        curved = (rise > 1e-10 * direction.norm(dim=1) * steepest.norm(dim=1)) & (self._moves != 0).any(2).any(1)
        chosen = torch.where(curved[:, None], direction, upward)
        self._directions = torch.where(accepted[:, None], chosen, self._directions)
        self._reach = torch.where(accepted, torch.where(curved, 1.0, stride), self._reach / 2)
        # Backtracking that has come to nothing starts anew from the gradient, and then ends.
        short = self._reach * self._directions.abs().amax(1) <= 1e-8 * (1 + self._points.abs().amax(1))
        anew = going & short & (self._moves != 0).any(2).any(1)
        self._moves[anew] = 0
        self._directions = torch.where(anew[:, None], upward, self._directions)
        self._reach = torch.where(anew, rate, self._reach)
        going = going & ~(short & ~anew)
        self._place(torch.where(going[:, None], self._points + self._reach[:, None] * self._directions, self._points))
        self._parameterization.project()
        return going

    def _remember(self, accepted: Tensor, moved: Tensor, changed: Tensor) -> None:
        """Add a pair for the accepted samples, where the target is curved as a maximum needs."""
        enough = accepted & ((moved * changed).sum(1) > 1e-10 * moved.norm(dim=1) * changed.norm(dim=1))
        for store, new in ((self._moves, moved), (self._changes, changed)):
            store[enough] = torch.cat([store[enough, 1:], new[enough, None]], 1)

    def _newton(self, steepest: Tensor, free: Tensor) -> Tensor:
        """Return the gradient times the inverse curvature that the memory suggests, by the method's two loops."""
        moves, changes = self._moves * free[:, None], self._changes * free[:, None]
        curvature = (moves * changes).sum(2)
        known = curvature > 1e-10 * moves.norm(dim=2) * changes.norm(dim=2)
        weights = torch.where(known, 1 / torch.where(known, curvature, 1), 0)
        direction, shares = steepest, []
        places = range(weights.shape[1])
        scale = torch.ones_like(self._reach)
        for place in reversed(places):
            share = weights[:, place] * (moves[:, place] * direction).sum(1)
            direction = direction - share[:, None] * changes[:, place]
            shares.append(share)
        for place in places:
            ratio = curvature[:, place] / changes[:, place].square().sum(1)
            scale = torch.where(known[:, place], ratio, scale)
        direction = direction * scale[:, None]
        for place, share in zip(places, reversed(shares), strict=True):
            back = weights[:, place] * (changes[:, place] * direction).sum(1)
            direction = direction + (share - back)[:, None] * moves[:, place]
        return direction

    def _present(self) -> Tensor:
        """Return the variables, (batch, count) float64."""
        return _flat([variable.detach() for variable in self._parameterization.variables])

    def _split(self, points: Tensor) -> list[Tensor]:
        """Return points in the shapes of the variables."""
        variables = self._parameterization.variables
        parts = torch.split(points, [variable[0].numel() for variable in variables], dim=1)
        return [part.reshape(variable.shape) for part, variable in zip(parts, variables, strict=True)]

    def _place(self, points: Tensor) -> None:
        """Set the variables."""
        for variable, part in zip(self._parameterization.variables, self._split(points), strict=True):
            variable.copy_(part)

    def _tangent(self, directions: Tensor) -> Tensor:
        """Return the part of the directions that can be followed from the present variables."""
        return _flat(self._parameterization.tangent(self._split(directions)))


def largest(tensors: Sequence[Tensor]) -> Tensor:
    """Return each sample's largest absolute value over all of the tensors: (batch,); NaN where there is one."""
    # Two passes: torch's own aminmax along an axis takes ten times as long as both.
    flat = [tensor.reshape(len(tensor), -1) for tensor in tensors]
    each = [torch.maximum(one.amax(1), -one.amin(1)) for one in flat]
    return each[0] if len(each) == 1 else torch.stack(each).amax(0)


def all_finite(tensors: Sequence[Tensor]) -> Tensor:
    """Tell, for each sample, whether it is finite in all of the tensors: (batch,) bool."""
    return torch.isfinite(largest(tensors))


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    """Join tensors of one batch to (batch, count) float64."""
    return torch.cat([tensor.double().flatten(1) for tensor in tensors], 1)


def _beside(flags: Tensor, like: Tensor) -> Tensor:
    """Reshape (batch,) so that it broadcasts over samples."""
    return flags.reshape(-1, *[1] * (like.ndim - 1))
