"""Parameterizations: which variables an ascent moves, and what input they stand for.

Here stand what every parameterization offers, and `Direct`, which moves each element by itself and suits vectors.
`fourier` holds the one for pictures, signals and volumes, where neighbors belong together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onnxviz.errors import UsageError
from onnxviz.methods.ascent.constraints import Ball, Box, Constraint, Shares, Unconstrained
from onnxviz.methods.ascent.runs import Run, normal

Values = float | Sequence[float] | NDArray[np.floating] | Tensor
"""A number for all elements, or an array that broadcasts to the shape of a sample."""


class Parameterization(Protocol):
    """What the ascent needs to know about an input."""

    @property
    def variables(self) -> tuple[Tensor, ...]:
        """The leaves that the optimizer moves, each (batch, ...)."""
        ...

    @property
    def text(self) -> str:
        """One line for a person."""
        ...

    @property
    def spatial(self) -> tuple[int, ...]:
        """The axes of the realized input along which neighbors belong together; none for a vector."""
        ...

    @property
    def middle(self) -> Tensor:
        """The middle of the range, or the mean, in the model's units; broadcastable to the shape of a sample."""
        ...

    @property
    def span(self) -> Tensor:
        """The length of the range, or the standard deviation, in the model's units; broadcastable likewise."""
        ...

    @property
    def floor(self) -> float:
        """Below this part of a sample's largest gradient a variable should move at less than the full rate."""
        ...

    @property
    def momentum(self) -> float:
        """How much of the last directions an optimizer should keep, 0 to 1."""
        ...

    def realize(self) -> Tensor:
        """Return the input, (batch, *shape) in the model's own units, differentiable in the variables."""
        ...

    def standardize(self, inputs: Tensor) -> Tensor:
        """Express inputs in units in which their elements compare: (batch, *shape), 0 in the middle."""
        ...

    def place(self, inputs: Tensor) -> None:
        """Move the variables, in place, to where `realize` gives these inputs, (batch, *shape), or as near as can be."""
        ...

    def project(self) -> None:
        """Move the variables, in place, to the nearest allowed point."""
        ...

    def tangent(self, directions: Sequence[Tensor]) -> list[Tensor]:
        """Return the part of the directions, one per variable, that the variables can follow from where they are."""
        ...


@dataclass(frozen=True, slots=True)
class Direct:
    """Every element of the input is a variable: mean + unit * z.

    Attributes
    ----------
    variables : tuple of Tensor
        z, (batch, *shape).
    mean, unit : Tensor
        Broadcastable to the shape of a sample, in the model's units. An element whose unit is 0 never moves.
    constraint : Constraint
        On z.
    low, high : Tensor
        The bounds in the model's units, infinite where there is none. They are kept beside the constraint because
        mean + unit * z misses a bound by a rounding.
    text : str
        One line for a person.
    spatial : tuple of int
        As in `Parameterization`.
    """

    variables: tuple[Tensor]
    mean: Tensor
    unit: Tensor
    constraint: Constraint
    low: Tensor
    high: Tensor
    text: str
    spatial: tuple[int, ...] = ()

    @classmethod
    def box(
        cls,
        runs: Sequence[Run],
        shape: Sequence[int],
        low: Values,
        high: Values,
        *,
        mean: Values | None = None,
        scale: Values | None = None,
        spread: float = 1.0,
        groups: Sequence[Sequence[int]] = (),
        spatial: tuple[int, ...] = (),
        device: torch.device | str = "cpu",
    ) -> Direct:
        """Stay between bounds; an optimum in a corner is found in the corner, exactly.

        Where both bounds are finite the unit of an element is a quarter of their distance, so that the same rate
        crosses every box in the same number of steps; elsewhere it is the scale.

        Parameters
        ----------
        runs : sequence of Run
            One per sample.
        shape : sequence of int
            Of one sample.
        low, high : number or array
            Bounds in the model's units; infinite where there is none.
        mean : number or array, optional
            Where the first start lies: the data's mean. Default: the middle of the box, or the allowed point nearest to
            0 where it is open.
        scale : number or array, optional
            The data's standard deviation, in the model's units. Default: the unit, and 1 where the box is open.
        spread : float
            How far the other starts scatter about the mean, in scales. The first of a target keeps a hundredth of a
            scale, lest it begin on a saddle.
        groups : sequence of sequence of int
            Elements, by their place in a flattened sample, that share out one between them: one-hot codes, relaxed.
            Their bounds are 0 and 1.
        spatial : tuple of int
            The axes, batch counted, along which neighbors belong together, if there are any.
        device : torch.device or str
            Where the variables live.

        Raises
        ------
        UsageError
            If a lower bound lies above its upper bound, or an argument does not fit the shape.
        """
        lower, upper = fit(low, "lower bounds", shape, device), fit(high, "upper bounds", shape, device)
        if bool((lower > upper).any()) or bool(torch.isnan(lower).any()) or bool(torch.isnan(upper).any()):
            raise UsageError("bounds: every lower bound must be a number at or below its upper bound")
        scales = _scales(1.0 if scale is None else scale, shape, device)
        # Halves first: the float32 limits, which exporters write for "no bound", must not overflow.
        half = upper / 2 - lower / 2
        closed = half < torch.finfo(torch.float32).max / 4
        nearest = torch.zeros_like(half).clamp(lower, upper)
        center = torch.where(closed, lower + half, nearest) if mean is None else _means(mean, shape, device)
        center = center.clamp(lower, upper)
        unit = torch.where(closed, half / 2, scales)
        scales = unit if scale is None else scales
        divisor = torch.where(unit > 0, unit, 1)
        box = Box(*(torch.where(unit > 0, (end - center) / divisor, 0) for end in (lower, upper)))
        constraint = Shares.of(box, groups) if groups else box
        noise = _scatter(runs, shape, spread, device) * torch.where(unit > 0, scales / divisor, 0)
        text = f"{size(shape)} values, each within its bounds, {_extent(lower, upper)}"
        variable = constraint.project(noise).requires_grad_()
        return cls((variable,), center, unit, constraint, lower, upper, text, spatial)

    @classmethod
    def ball(
        cls,
        runs: Sequence[Run],
        shape: Sequence[int],
        *,
        radius: float | None = None,
        surface: bool = True,
        mean: Values = 0.0,
        scale: Values = 1.0,
        spread: float = 1.0,
        first: int = 1,
        spatial: tuple[int, ...] = (),
        device: torch.device | str = "cpu",
    ) -> Direct:
        """Keep the norm of (input - mean) / scale at the radius, or below it.

        Erhan et al., "Visualizing Higher-Layer Features of a Deep Network" (2009) fix the norm, which is `surface`.
        It suits whatever has no range of its own, such as an embedding inside the graph.

        Parameters
        ----------
        runs, shape, spatial, device
            As in `box`.
        radius : float, optional
            Default: the square root of the number of elements that can move, the norm of a typical standardized sample.
        surface : bool
            Whether the norm is the radius exactly, or may be less.
        mean, scale : number or array
            The data's mean and standard deviation, in the model's units. An element whose scale is 0 stays at its mean.
        spread : float
            As in `box`; on a surface every start is a random direction and this has no say.
        first : int
            The axis, batch counted, from which on elements share a norm: with 2 each step of a sequence has its own.

        Raises
        ------
        UsageError
            If the radius is not above zero, no element can move, or an argument does not fit the shape.
        """
        center, unit = _means(mean, shape, device), _scales(scale, shape, device)
        movable = int(torch.count_nonzero(unit))
        if movable == 0:
            raise UsageError("scale: is 0 for every element, so that nothing can move")
        together = math.prod(shape[first - 1 :])
        counted = movable if first == 1 else together
        radius = math.sqrt(counted) if radius is None else float(radius)
        if not (radius > 0 and math.isfinite(radius)):
            raise UsageError(f"norm {radius:g}: must be a finite number above 0")
        ball = Ball(radius, surface, first)
        noise = _scatter(runs, shape, spread, device, alike=surface) * (unit != 0)
        variable = ball.project(noise if surface else noise * min(1.0, radius / math.sqrt(counted))).requires_grad_()
        each = "" if first == 1 else f" for each {size(shape[first - 1 :])}"
        text = f"{size(shape)} values, standardized, of norm {radius:.4g}{'' if surface else ' at most'}{each}"
        return cls((variable,), center, unit, ball, *_open(center), text, spatial)

    @classmethod
    def free(
        cls,
        runs: Sequence[Run],
        shape: Sequence[int],
        *,
        mean: Values = 0.0,
        scale: Values = 1.0,
        spread: float = 1.0,
        spatial: tuple[int, ...] = (),
        device: torch.device | str = "cpu",
    ) -> Direct:
        """Let the input go anywhere; a penalty should hold it, or the score says how many steps were taken.

        Parameters
        ----------
        runs, shape, mean, scale, spread, spatial, device
            As in `ball`.

        Raises
        ------
        UsageError
            If an argument does not fit the shape.
        """
        center, unit = _means(mean, shape, device), _scales(scale, shape, device)
        variable = _scatter(runs, shape, spread, device).requires_grad_()
        text = f"{size(shape)} values, standardized, unbounded"
        return cls((variable,), center, unit, Unconstrained(), *_open(center), text, spatial)

    @property
    def middle(self) -> Tensor:
        """The mean."""
        return self.mean

    @property
    def span(self) -> Tensor:
        """The unit."""
        return self.unit

    @property
    def floor(self) -> float:
        """What rounding to float32 leaves where there is no gradient at all; a small weight is to be believed."""
        return 1e-7

    @property
    def momentum(self) -> float:
        """Adam's usual .9."""
        return 0.9

    def realize(self) -> Tensor:
        """Return mean + unit * z, and exactly the bound where z stands at it."""
        inputs = self.mean + self.unit * self.variables[0]
        if not isinstance(self.constraint, (Box, Shares)):
            return inputs
        z = self.variables[0].detach()
        exact = torch.where(z >= self.constraint.high, self.high, inputs.detach())
        exact = torch.where(z <= self.constraint.low, self.low, exact).clamp(self.low, self.high)
        # The gradient is that of the line, not of the clamp, which would never let an element off its bound.
        return exact + (inputs - inputs.detach())

    def standardize(self, inputs: Tensor) -> Tensor:
        """Return (input - mean) / unit, and 0 for elements that never move."""
        return torch.where(self.unit != 0, (inputs - self.mean) / torch.where(self.unit != 0, self.unit, 1), 0)

    def place(self, inputs: Tensor) -> None:
        """Move z to the allowed point nearest to these inputs, in place."""
        with torch.no_grad():
            self.variables[0].copy_(self.standardize(inputs))
        self.project()

    def project(self) -> None:
        """Project z onto the constraint, in place."""
        with torch.no_grad():
            self.variables[0].copy_(self.constraint.project(self.variables[0]))

    def tangent(self, directions: Sequence[Tensor]) -> list[Tensor]:
        """Return the part of the direction that the constraint allows."""
        return [self.constraint.tangent(self.variables[0].detach(), directions[0])]


def _scatter(
    runs: Sequence[Run], shape: Sequence[int], spread: float, device: torch.device | str, *, alike: bool = False
) -> Tensor:
    """Draw where each run starts, in scales about the mean; (batch, *shape)."""
    if not runs:
        raise UsageError("runs: is empty, there is nothing to start")
    noise = normal([run.generator("start") for run in runs], shape).to(device)
    widths = [spread if run.restart or alike else min(spread, 0.01) for run in runs]
    return noise * torch.tensor(widths, device=device).reshape(-1, *[1] * len(shape))


def fit(values: Values, what: str, shape: Sequence[int], device: torch.device | str) -> Tensor:
    """Broadcast what a user gave to the shape of a sample.

    Parameters
    ----------
    values : number or array
        What was given.
    what : str
        Its name, for the message.
    shape : sequence of int
        Of one sample.
    device : torch.device or str
        Where the tensor should live.

    Returns
    -------
    Tensor
        Of that shape, float32.

    Raises
    ------
    UsageError
        If it does not fit the shape.
    """
    tensor = torch.as_tensor(values, dtype=torch.float32, device=device)
    try:
        return tensor.expand(tuple(shape))
    except RuntimeError:
        met, wanted = size(tensor.shape), size(shape)
        raise UsageError(f"{what}: {met} values do not fit an input of {wanted}; give as many, or one") from None


def size(shape: Sequence[int]) -> str:
    """Write a shape for a person.

    >>> size((3, 224, 224))
    '3 × 224 × 224'
    """
    return " × ".join(map(str, shape)) or "1"


def _means(values: Values, shape: Sequence[int], device: torch.device | str) -> Tensor:
    """Read means; they must be numbers."""
    means = fit(values, "mean", shape, device)
    if not bool(torch.isfinite(means).all()):
        raise UsageError("mean: holds a value that is not a finite number")
    return means


def _scales(values: Values, shape: Sequence[int], device: torch.device | str) -> Tensor:
    """Read standard deviations; 0 means that the element is constant."""
    scales = fit(values, "scale", shape, device)
    if not bool((torch.isfinite(scales) & (scales >= 0)).all()):
        raise UsageError("scale: holds a value that is negative or not a finite number")
    return scales


def _open(like: Tensor) -> tuple[Tensor, Tensor]:
    """Return bounds that bind nothing."""
    return torch.full_like(like, -torch.inf), torch.full_like(like, torch.inf)


def _extent(low: Tensor, high: Tensor) -> str:
    """Write the outermost bounds for a person."""
    if low.numel() == 0:
        return "of which there are none"
    return f"{float(low.min()):.4g} to {float(high.max()):.4g}"
