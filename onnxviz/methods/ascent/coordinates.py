"""Few coordinates for many elements: what a search without gradients moves.

A vector's features are coordinates as they are; of a spectrum only the lowest frequencies move; elements of anything else
that is large move in random groups, with random signs, which reaches every element and costs nothing to hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from onnxviz.methods.ascent.fourier import Fourier
from onnxviz.methods.ascent.parameterizations import Parameterization

MOST = 200
"""Coordinates at most: an evolution strategy needs some hundred looks for each."""

_WAVES = 1.0
"""The standard deviation at the start of what a sigmoid turns into a picture: it then spans two thirds of the range."""

_SMALL = 1e-2
"""Waves so small that the sigmoid is a line of slope 1/4 for them; where there is no range the slope is 1."""


@dataclass(frozen=True)
class Coordinates:
    """Numbers that stand for an input through a parameterization.

    Attributes
    ----------
    parameterization : Parameterization
        Of one sample; its variables elsewhere than at the coordinates are left out (0).
    groups : (element,) int64 ndarray
        For each element of the one variable, flattened, the coordinate that moves it; -1 for none.
    signs : (element,) float32 ndarray
        Which way.
    scale : float
        One step of a coordinate, in units of the variable.
    text : str
        One line for a person.
    """

    parameterization: Parameterization
    groups: NDArray[np.int64]
    signs: NDArray[np.float32]
    scale: float
    text: str

    @classmethod
    def of(cls, parameterization: Parameterization, seed: int, most: int = MOST) -> Coordinates:
        """Choose coordinates for a parameterization with one variable.

        Parameters
        ----------
        parameterization : Parameterization
            Of any batch.
        seed : int
            Draws the groups.
        most : int
            Coordinates at most.
        """
        shape = parameterization.variables[0].shape[1:]
        count = int(np.prod(shape))
        signs = np.ones(count, np.float32)
        if isinstance(parameterization, Fourier):
            groups = _lowest(parameterization.frame.sizes, shape[0], most)
            how = f"its {groups.max() + 1} lowest coefficients"
        elif count > most:
            generator = np.random.default_rng(seed)
            groups = generator.permutation(np.arange(count) % most)
            signs = generator.choice(np.asarray((-1, 1), np.float32), count)
            how = f"{most} random groups of elements"
        else:
            groups = np.arange(count)
            how = f"all {count} of them" if count > 1 else "one number"
        text = f"{parameterization.text}; searched without gradients by CMA-ES: {how}"
        found = cls(parameterization, groups, signs, 1.0, text)
        if not isinstance(parameterization, Fourier):
            return found
        small = np.random.default_rng(seed).standard_normal((1, found.count)) * _SMALL
        waves = float(found.standardized(found.place(small)).std()) * (4 if parameterization.bounded else 1)
        return replace(found, scale=_WAVES * _SMALL / waves)

    @property
    def count(self) -> int:
        """How many coordinates there are."""
        return int(self.groups.max()) + 1

    def start(self, sample: int) -> NDArray[np.float64]:
        """Return the coordinates of a sample of the parameterization as it stands, (count,)."""
        values = self.parameterization.variables[0].detach()[sample].cpu().numpy().ravel() * self.signs
        moved = self.groups >= 0
        # Elements that share a coordinate start at their mean.
        sums = np.bincount(self.groups[moved], values[moved].astype(np.float64), minlength=self.count)
        point: NDArray[np.float64] = sums / np.bincount(self.groups[moved], minlength=self.count) / self.scale
        return point

    def place(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Turn coordinates into inputs.

        Parameters
        ----------
        points : (sample, count) ndarray
            Anywhere.

        Returns
        -------
        (sample, *shape) float32 ndarray
            The nearest allowed inputs, in the model's own units.
        """
        columns = np.concatenate([points * self.scale, np.zeros((len(points), 1))], 1)
        values = np.ascontiguousarray(columns[:, self.groups] * self.signs, np.float32)
        moved = self._holding(values)
        moved.project()
        with torch.no_grad():
            inputs: NDArray[np.float32] = moved.realize().cpu().numpy().astype(np.float32)
        return inputs

    def standardized(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Express inputs in units in which their elements compare, (sample, *shape)."""
        device = self.parameterization.variables[0].device
        standard = self.parameterization.standardize(torch.as_tensor(inputs, device=device))
        numbers: NDArray[np.float64] = standard.cpu().numpy().astype(np.float64)
        return numbers

    def _holding(self, values: NDArray[np.float32]) -> Parameterization:
        """Return the parameterization with other variables, (sample, element)."""
        variable = self.parameterization.variables[0]
        # A copy: it is projected in place.
        own = torch.tensor(values, device=variable.device).reshape(len(values), *variable.shape[1:])
        parameterization: Any = self.parameterization
        held: Parameterization = replace(parameterization, variables=(own,))
        return held


def _lowest(sizes: Sequence[int], channels: int, most: int) -> NDArray[np.int64]:
    """Assign a number to each coefficient of low frequency, the same ones in every channel, and -1 to the rest.

    Where the last frequency is its own mirror, a coefficient and that of the opposite frequency are one and the same number:
    one of them is enough, and of a coefficient that is its own opposite the imaginary part is none.
    """
    axes = [np.fft.fftfreq(size) * size for size in sizes[:-1]]
    axes.append(np.arange(sizes[-1] // 2 + 1, dtype=np.float64))
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))
    own = np.zeros(grid.shape[1:], bool)
    own[..., 0] = True
    if sizes[-1] % 2 == 0:
        own[..., -1] = True
    opposite = np.stack([np.where(2 * np.abs(one) == size, one, -one) for one, size in zip(grid, sizes, strict=True)])
    ahead = np.zeros_like(own)
    same = np.ones_like(own)
    for one, other in zip(grid[:-1], opposite[:-1], strict=True):
        ahead |= same & (one > other)
        same &= one == other
    real = ~own | ahead | same
    imaginary = ~own | ahead
    allowed = np.stack([real, imaginary], -1)
    relative = grid / np.asarray(sizes, np.float64).reshape(-1, *[1] * len(sizes))
    frequency = np.sqrt((relative**2).sum(0))[..., None] + np.zeros(2)
    order = np.lexsort((np.arange(allowed.size), np.where(allowed, frequency, np.inf).ravel()))
    kept = order[: min(max(1, most // channels), int(allowed.sum()))]
    groups = np.full((channels, allowed.size), -1, np.int64)
    groups[:, kept] = np.arange(channels * len(kept)).reshape(channels, -1)
    return groups.ravel()
