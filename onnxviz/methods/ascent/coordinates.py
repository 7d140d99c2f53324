"""A few coordinates for many elements, which a search without gradients moves.

The features of a vector are coordinates themselves. Of a spectrum only the lowest frequencies move. The elements of other large
inputs move in random groups, with random signs: this reaches every element and needs little memory.
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
"""The most coordinates, since an evolution strategy needs about a hundred scores for each."""

_WAVES = 1.0
"""The standard deviation at the start before the sigmoid, which then gives two thirds of the range."""

_SMALL = 1e-2
"""The size of waves for which the sigmoid is nearly a line of slope 1/4. Where there is no range the slope is 1."""


@dataclass(frozen=True)
class Coordinates:
    """Coordinates that stand for an input, through a parameterization.

    Attributes
    ----------
    parameterization : Parameterization
        The parameterization of one sample. Elements of its variable that no coordinate moves are 0.
    groups : (element,) int64 ndarray
        For each element of the flattened variable the coordinate that moves it; -1 for none.
    signs : (element,) float32 ndarray
        The sign with which the coordinate moves each element.
    scale : float
        The step of a coordinate, in units of the variable.
    text : str
        A line that describes the coordinates to a person.
    """

    parameterization: Parameterization
    groups: NDArray[np.int64]
    signs: NDArray[np.float32]
    scale: float
    text: str

    @classmethod
    def of(cls, parameterization: Parameterization, seed: int, most: int = MOST) -> Coordinates:
        """Return coordinates for a parameterization with one variable.

        Parameters
        ----------
        parameterization : Parameterization
            The parameterization, of any batch.
        seed : int
            The seed of the random groups.
        most : int
            The most coordinates.
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
        """The number of coordinates."""
        return int(self.groups.max()) + 1

    def start(self, sample: int) -> NDArray[np.float64]:
        """Return the present coordinates of a sample of the parameterization, (count,)."""
        values = self.parameterization.variables[0].detach()[sample].cpu().numpy().ravel() * self.signs
        moved = self.groups >= 0
        # Elements that share a coordinate start at their mean.
        sums = np.bincount(self.groups[moved], values[moved].astype(np.float64), minlength=self.count)
        point: NDArray[np.float64] = sums / np.bincount(self.groups[moved], minlength=self.count) / self.scale
        return point

    def place(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the inputs of coordinates.

        Parameters
        ----------
        points : (sample, count) ndarray
            The coordinates, of any values.

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
        """Return inputs in standardized units, in which elements can be compared, (sample, *shape)."""
        device = self.parameterization.variables[0].device
        standard = self.parameterization.standardize(torch.as_tensor(inputs, device=device))
        numbers: NDArray[np.float64] = standard.cpu().numpy().astype(np.float64)
        return numbers

    def _holding(self, values: NDArray[np.float32]) -> Parameterization:
        """Return the parameterization with other variables, (sample, element)."""
        variable = self.parameterization.variables[0]
        # The values are copied, since they are projected in place.
        own = torch.tensor(values, device=variable.device).reshape(len(values), *variable.shape[1:])
        parameterization: Any = self.parameterization
        held: Parameterization = replace(parameterization, variables=(own,))
        return held


def _lowest(sizes: Sequence[int], channels: int, most: int) -> NDArray[np.int64]:
    """Return a number for each coefficient of low frequency, the same coefficients in every channel, and -1 for the others.

    Where the last frequency is its own mirror, the coefficients of a frequency and of its opposite are conjugate, so that only one
    of them gets a number. A coefficient that is its own opposite has no imaginary part.
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
