"""A window: the part of an input that moves, for a neuron that sees only this part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from onnxviz.methods.ascent.parameterizations import Parameterization
from onnxviz.methods.ascent.transforms import Transform

Window = tuple[slice, ...]
"""A slice for each axis after the batch."""


@dataclass(frozen=True, slots=True)
class Windowed:
    """A parameterization in which only a window of the input moves.

    Attributes
    ----------
    inner : Parameterization
        The parameterization of the window.
    window : tuple of slice
        The place of the window, with a slice for each axis after the batch.
    outside : (*shape) Tensor
        The input outside of the window. Its values inside are not used.
    span : (*shape) Tensor
        As in `Parameterization`; 1 outside of the window.
    """

    inner: Parameterization
    window: Window
    outside: Tensor
    span: Tensor

    @classmethod
    def of(cls, inner: Parameterization, shape: Sequence[int], window: Window, outside: Tensor) -> Windowed:
        """Return the parameterization of an input whose window has the given parameterization."""
        middle, span = outside.clone(), torch.ones_like(outside).expand(tuple(shape)).clone()
        middle[window] = inner.middle
        span[window] = inner.span
        return cls(inner, window, middle, span)

    @property
    def variables(self) -> tuple[Tensor, ...]:
        """The variables of the window."""
        return self.inner.variables

    @property
    def text(self) -> str:
        """A line that describes the parameterization to a person."""
        places = ", ".join(f"{part.start} to {part.stop - 1}" for part in self.window)
        return f"{self.inner.text}; in a window ({places}), the rest at its middle"

    @property
    def spatial(self) -> tuple[int, ...]:
        """The axes along which neighbors belong together."""
        return self.inner.spatial

    @property
    def middle(self) -> Tensor:
        """The middle inside of the window, and the input outside of it."""
        return self.outside

    @property
    def floor(self) -> float:
        """The floor of the window's parameterization."""
        return self.inner.floor

    @property
    def momentum(self) -> float:
        """The momentum of the window's parameterization."""
        return self.inner.momentum

    @property
    def transparency(self) -> Tensor | None:
        """The transparency of the window, with 0 outside of it; None where its parameterization has none."""
        inside: Tensor | None = getattr(self.inner, "transparency", None)
        if inside is None:
            return None
        whole = inside.new_zeros((len(inside), *self.outside.shape))
        whole[beside_batch(self.window)] = inside
        return whole

    def realize(self) -> Tensor:
        """Return the input, (batch, *shape)."""
        return pasted(self.inner.realize(), self.window, self.outside)

    def standardize(self, inputs: Tensor) -> Tensor:
        """Return inputs in standardized units, in which elements can be compared."""
        return (inputs - self.outside) / torch.where(self.span != 0, self.span, 1)

    def place(self, inputs: Tensor) -> None:
        """Set the variables, in place, so that the window has the values of these inputs."""
        self.inner.place(inputs[beside_batch(self.window)])

    def project(self) -> None:
        """Move the variables to the nearest allowed point."""
        self.inner.project()

    def tangent(self, directions: Sequence[Tensor]) -> list[Tensor]:
        """Return the part of the directions that the variables can follow."""
        return self.inner.tangent(directions)


@dataclass(frozen=True, slots=True)
class WindowedTransform:
    """A random move of the content of a window, inside of the window.

    Attributes
    ----------
    inner : Transform
        The move.
    window : tuple of slice
        The place of the window, with a slice for each axis after the batch.
    """

    inner: Transform
    window: Window

    @property
    def lasts(self) -> bool:
        """Whether the window is moved up to the last step."""
        return self.inner.lasts

    def __call__(
        self,
        inputs: Tensor,
        middle: Tensor,
        span: Tensor,
        generators: Sequence[torch.Generator],
        progress: float = 0.0,
    ) -> Tensor:
        """Return moved inputs, or the same tensor where no sample moves; the parameters are those of `Transform`."""
        inside = inputs[beside_batch(self.window)]
        moved = self.inner(inside, middle[self.window], span[self.window], generators, progress)
        if moved is inside:
            return inputs
        return pasted(moved, self.window, middle)


def pasted(inside: Tensor, window: Window, outside: Tensor) -> Tensor:
    """Return whole inputs with the content of a window, differentiable in the content.

    Parameters
    ----------
    inside : (batch, *window) Tensor
        The content of the window.
    window : tuple of slice
        The place of the window, with a slice for each axis after the batch.
    outside : (*shape) Tensor
        The input outside of the window.
    """
    whole = outside.expand(len(inside), *outside.shape).clone()
    whole[beside_batch(window)] = inside
    return whole


def beside_batch(window: Window) -> Window:
    """Return the index of a window in a batch of inputs."""
    return (slice(None), *window)
