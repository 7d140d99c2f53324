"""Parameterizations: the variables that an ascent moves, and the input that they stand for.

This module has the interface of all parameterizations, and `Direct`, which moves each element by itself and suits vectors. `fourier`
and `maco` have those for pictures, signals and volumes, where neighbors belong together.
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
from onnxviz.methods.ascent.constraints import Ball, Box, Cloud, Constraint, Shares, Unconstrained
from onnxviz.methods.ascent.runs import Run, normal

Values = float | Sequence[float] | NDArray[np.floating] | Tensor
"""A number for all elements, or an array that broadcasts to the shape of a sample."""


class Parameterization(Protocol):
    """The interface of a parameterization of an input."""

    @property
    def variables(self) -> tuple[Tensor, ...]:
        """The tensors that the optimizer moves, each (batch, ...)."""
        ...

    @property
    def text(self) -> str:
        """A line that describes the parameterization to a person."""
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
        """The length of the range, or the standard deviation, in the model's units; broadcastable to the shape of a sample."""
        ...

    @property
    def floor(self) -> float:
        """The share of a sample's largest gradient below which a variable should move at less than the full rate."""
        ...

    @property
    def momentum(self) -> float:
        """The share of earlier directions that an optimizer should keep, 0 to 1."""
        ...

    def realize(self) -> Tensor:
        """Return the input, (batch, *shape) in the model's own units, differentiable in the variables."""
        ...

    def standardize(self, inputs: Tensor) -> Tensor:
        """Return inputs in standardized units, in which elements can be compared, (batch, *shape); 0 is the middle."""
        ...

    def place(self, inputs: Tensor) -> None:
        """Set the variables, in place, so that `realize` returns these inputs, (batch, *shape), or the nearest possible ones."""
        ...

    def project(self) -> None:
        """Move the variables, in place, to the nearest allowed points."""
        ...

    def tangent(self, directions: Sequence[Tensor]) -> list[Tensor]:
        """Return the part of the directions, one per variable, that the variables can follow from their present values."""
        ...


@dataclass(frozen=True, slots=True)
class Direct:
    """A parameterization in which every element of the input is a variable: mean + unit * z.

    Attributes
    ----------
    variables : tuple of Tensor
        z, (batch, *shape).
    mean, unit : Tensor
        Mean and unit in the model's units, broadcastable to the shape of a sample. An element whose unit is 0 never moves.
    constraint : Constraint
        The constraint on z.
    low, high : Tensor
        The bounds in the model's units, infinite where there is none. They are kept besides the constraint, since mean + unit * z
        differs from a bound by rounding.
    text : str
        A line that describes the parameterization to a person.
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
        alike: bool = False,
        device: torch.device | str = "cpu",
    ) -> Direct:
        """Return a parameterization of inputs between bounds; an optimum at a bound is found exactly at the bound.

        Where both bounds are finite, the unit of an element is a quarter of their distance. So the same rate crosses every box in the
        same number of steps. Elsewhere the unit is the scale.

        Parameters
        ----------
        runs : sequence of Run
            One per sample.
        shape : sequence of int
            The shape of one sample.
        low, high : number or array
            The bounds in the model's units; infinite where there is none.
        mean : number or array, optional
            The first start, which is the mean of the data. Default: the middle of the bounds, or the allowed point nearest to 0
            where a bound is infinite.
        scale : number or array, optional
            The standard deviation of the data, in the model's units. Default: the unit, and 1 where a bound is infinite.
        spread : float
            How far the other starts scatter about the mean, in scales. The first start of a target scatters by a hundredth of a
            scale, so that it does not lie on a saddle.
        groups : sequence of sequence of int
            Groups of elements, by their places in a flattened sample, that sum to 1: relaxed one-hot codes. Their bounds are 0 and
            1.
        spatial : tuple of int
            The axes along which neighbors belong together, where the batch is axis 0.
        alike : bool
            Whether the first start scatters as far as the others: points at one place would never part.
        device : torch.device or str
            The device of the variables.

        Raises
        ------
        UsageError
            If a lower bound lies above its upper bound, or an argument does not fit the shape.
        """
        lower, upper = fit(low, "lower bounds", shape, device), fit(high, "upper bounds", shape, device)
        if bool((lower > upper).any()) or bool(torch.isnan(lower).any()) or bool(torch.isnan(upper).any()):
            raise UsageError("bounds: every lower bound must be a number at or below its upper bound")
        scales = _scales(1.0 if scale is None else scale, shape, device)
        # Each bound is halved first. Exporters write the limits of float32 for "no bound", and their difference would overflow.
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
        noise = _scatter(runs, shape, spread, device, alike=alike) * torch.where(unit > 0, scales / divisor, 0)
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
        """Return a parameterization in which the norm of (input - mean) / scale is the radius, or at most the radius.

        Erhan et al., "Visualizing Higher-Layer Features of a Deep Network" (2009) fix the norm, which is `surface`. A ball suits
        tensors without a range, such as an embedding inside the graph.

        Parameters
        ----------
        runs, shape, spatial, device
            As in `box`.
        radius : float, optional
            The radius. Default: the square root of the number of elements that can move, which is the norm of a typical standardized
            sample.
        surface : bool
            Whether the norm is exactly the radius. If not, it may be less.
        mean, scale : number or array
            Mean and standard deviation of the data, in the model's units. An element whose scale is 0 stays at its mean.
        spread : float
            As in `box`. On a surface it has no effect, since every start is a random direction.
        first : int
            The first of the axes that share a norm, where the batch is axis 0. With 2 each step of a sequence has its own norm.

        Raises
        ------
        UsageError
            If the radius is not above zero, if no element can move, or if an argument does not fit the shape.
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
    def cloud(
        cls,
        runs: Sequence[Run],
        shape: Sequence[int],
        axis: int,
        *,
        radius: float = 1.0,
        device: torch.device | str = "cpu",
    ) -> Direct:
        """Return a parameterization of a point cloud, each of whose points lies in a ball; further numbers lie within -1 and 1.

        Parameters
        ----------
        runs, shape, device
            As in `box`.
        axis : int
            The axis of the coordinates, where the batch is axis 0.
        radius : float
            The radius of the ball, in the model's units.

        Raises
        ------
        UsageError
            If the radius is not above zero.
        """
        if not (radius > 0 and math.isfinite(radius)):
            raise UsageError(f"norm {radius:g}: must be a finite number above 0")
        sizes = [-1 if place == axis else 1 for place in range(1, len(shape) + 1)]
        ends = torch.ones(shape[axis - 1], device=device)
        ends[:3] = radius
        high = ends.reshape(sizes).expand(tuple(shape))
        unit = high / 4
        constraint = Cloud(4.0, axis, Box(torch.tensor(-4.0, device=device), torch.tensor(4.0, device=device)))
        # Starts fill the ball; the first one is a cloud as well, since points at one place would never part.
        noise = 2 * _scatter(runs, shape, 1.0, device, alike=True)
        variable = constraint.project(noise).requires_grad_()
        count = math.prod(shape) // shape[axis - 1]
        text = f"{count} points, each in a ball of radius {radius:.4g}"
        return cls((variable,), torch.zeros_like(high), unit, constraint, -high, high, text)

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
        """Return a parameterization without bounds; without a penalty the score of many targets would rise without end.

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
        """The size of rounding errors in float32, since the gradient of a small weight is not an error."""
        return 1e-7

    @property
    def momentum(self) -> float:
        """Adam's usual .9."""
        return 0.9

    def realize(self) -> Tensor:
        """Return mean + unit * z, and exactly the bound where z is at the bound."""
        inputs = self.mean + self.unit * self.variables[0]
        if not isinstance(self.constraint, (Box, Shares)):
            return inputs
        z = self.variables[0].detach()
        exact = torch.where(z >= self.constraint.high, self.high, inputs.detach())
        exact = torch.where(z <= self.constraint.low, self.low, exact).clamp(self.low, self.high)
        # The gradient is that of mean + unit * z. The clamp's gradient would be 0 at a bound, and an element could never leave it.
        return exact + (inputs - inputs.detach())

    def standardize(self, inputs: Tensor) -> Tensor:
        """Return (input - mean) / unit, and 0 for elements that never move."""
        return torch.where(self.unit != 0, (inputs - self.mean) / torch.where(self.unit != 0, self.unit, 1), 0)

    def place(self, inputs: Tensor) -> None:
        """Set z, in place, to the allowed points nearest to these inputs."""
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
    """Return the random start of each run in scales about the mean, (batch, *shape)."""
    if not runs:
        raise UsageError("runs: is empty; give at least one run")
    noise = normal([run.generator("start") for run in runs], shape).to(device)
    widths = [spread if run.restart or alike else min(spread, 0.01) for run in runs]
    return noise * torch.tensor(widths, device=device).reshape(-1, *[1] * len(shape))


def fit(values: Values, what: str, shape: Sequence[int], device: torch.device | str) -> Tensor:
    """Return values broadcast to the shape of a sample.

    Parameters
    ----------
    values : number or array
        The values that a user gave.
    what : str
        The name of the values, for the message.
    shape : sequence of int
        The shape of one sample.
    device : torch.device or str
        The device of the result.

    Returns
    -------
    Tensor
        The values, float32 of that shape.

    Raises
    ------
    UsageError
        If the values do not fit the shape.
    """
    tensor = torch.as_tensor(values, dtype=torch.float32, device=device)
    try:
        return tensor.expand(tuple(shape))
    except RuntimeError:
        met, wanted = size(tensor.shape), size(shape)
        raise UsageError(f"{what}: {met} values do not fit an input of {wanted}; give as many, or one") from None


def size(shape: Sequence[int]) -> str:
    """Return a shape as text for a person.

    >>> size((3, 224, 224))
    '3 × 224 × 224'
    """
    return " × ".join(map(str, shape)) or "1"


def _means(values: Values, shape: Sequence[int], device: torch.device | str) -> Tensor:
    """Return means, which must be finite numbers, in the shape of a sample."""
    means = fit(values, "mean", shape, device)
    if not bool(torch.isfinite(means).all()):
        raise UsageError("mean: holds a value that is not a finite number")
    return means


def _scales(values: Values, shape: Sequence[int], device: torch.device | str) -> Tensor:
    """Return standard deviations in the shape of a sample; 0 stands for an element that is constant."""
    scales = fit(values, "scale", shape, device)
    if not bool((torch.isfinite(scales) & (scales >= 0)).all()):
        raise UsageError("scale: holds a value that is negative or not a finite number")
    return scales


def _open(like: Tensor) -> tuple[Tensor, Tensor]:
    """Return infinite bounds."""
    return torch.full_like(like, -torch.inf), torch.full_like(like, torch.inf)


def _extent(low: Tensor, high: Tensor) -> str:
    """Return the lowest and the highest bound as text for a person."""
    if low.numel() == 0:
        return "of which there are none"
    return f"{float(low.min()):.4g} to {float(high.max()):.4g}"
