"""Only a part of the input moves, as for a neuron that sees no more than that: its window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from onnxviz.methods.ascent.parameterizations import Parameterization
from onnxviz.methods.ascent.transforms import Transform

Window = tuple[slice, ...]
"""An entry for each axis after the batch."""


@dataclass(frozen=True, slots=True)
class Windowed:
    """An input of which a window is parameterized and the rest stands still.

    Attributes
    ----------
    inner : Parameterization
        Of the window.
    window : tuple of slice
        Where it lies, an entry for each axis after the batch.
    outside : (*shape) Tensor
        The whole input where nothing moves; what it has inside of the window does not count.
    span : (*shape) Tensor
        As in `Parameterization`; 1 outside of the window.
    """

    inner: Parameterization
    window: Window
    outside: Tensor
    span: Tensor

    @classmethod
    def of(cls, inner: Parameterization, shape: Sequence[int], window: Window, outside: Tensor) -> Windowed:
        """Put a window's parameterization into an input of some shape."""
        middle, span = outside.clone(), torch.ones_like(outside).expand(tuple(shape)).clone()
        middle[window] = inner.middle
        span[window] = inner.span
        return cls(inner, window, middle, span)

    @property
    def variables(self) -> tuple[Tensor, ...]:
        """The window's variables."""
        return self.inner.variables

    @property
    def text(self) -> str:
        """One line for a person."""
        places = ", ".join(f"{part.start} to {part.stop - 1}" for part in self.window)
        return f"{self.inner.text}; in a window ({places}), the rest at its middle"

    @property
    def spatial(self) -> tuple[int, ...]:
        """The axes along which neighbors belong together."""
        return self.inner.spatial

    @property
    def middle(self) -> Tensor:
        """The input where nothing moves."""
        return self.outside

    @property
    def floor(self) -> float:
        """As inside of the window."""
        return self.inner.floor

    @property
    def momentum(self) -> float:
        """As inside of the window."""
        return self.inner.momentum

    @property
    def transparency(self) -> Tensor | None:
        """What the inner parameterization has counted, 0 outside of the window; None where it counts nothing."""
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
        """Express inputs in units in which their elements compare."""
        return (inputs - self.outside) / torch.where(self.span != 0, self.span, 1)

    def place(self, inputs: Tensor) -> None:
        """Take over what inputs have inside of the window."""
        self.inner.place(inputs[beside_batch(self.window)])

    def project(self) -> None:
        """Move the variables to the nearest allowed point."""
        self.inner.project()

    def tangent(self, directions: Sequence[Tensor]) -> list[Tensor]:
        """Return the part of the directions that the variables can follow."""
        return self.inner.tangent(directions)


@dataclass(frozen=True, slots=True)
class WindowedTransform:
    """A random move of what a window shows, inside of the window.

    Attributes
    ----------
    inner : Transform
        The move.
    window : tuple of slice
        An entry for each axis after the batch.
    """

    inner: Transform
    window: Window

    def __call__(
        self,
        inputs: Tensor,
        middle: Tensor,
        span: Tensor,
        generators: Sequence[torch.Generator],
        progress: float = 0.0,
    ) -> Tensor:
        """Return moved inputs, or the inputs where none moves; the parameters are those of `Transform`."""
        inside = inputs[beside_batch(self.window)]
        moved = self.inner(inside, middle[self.window], span[self.window], generators, progress)
        if moved is inside:
            return inputs
        return pasted(moved, self.window, middle)


def pasted(inside: Tensor, window: Window, outside: Tensor) -> Tensor:
    """Return whole inputs with a window's content; differentiable in the content.

    Parameters
    ----------
    inside : (batch, *window) Tensor
        The content.
    window : tuple of slice
        Where it belongs, an entry for each axis after the batch.
    outside : (*shape) Tensor
        The rest.
    """
    whole = outside.expand(len(inside), *outside.shape).clone()
    whole[beside_batch(window)] = inside
    return whole


def beside_batch(window: Window) -> Window:
    """Return the index of a window in a batch."""
    return (slice(None), *window)
