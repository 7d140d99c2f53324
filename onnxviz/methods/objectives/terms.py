"""The summands of an objective as immutable data: what they share, a target's own value, and a layer's energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar

from torch import Tensor

from onnxviz.errors import UsageError
from onnxviz.methods.objectives.notation import number_text
from onnxviz.methods.objectives.surroundings import Surroundings
from onnxviz.target import Target


@dataclass(frozen=True)
class Term:
    """One summand: which tensors it reads, and one number per sample.

    Attributes
    ----------
    target : Target
        What it reads: all that the index picks, axes kept.
    """

    target: Target

    function: ClassVar[str] = ""
    """What it is called in the notation; nothing for a target's own value."""
    signature: ClassVar[str] = ""
    """How it is written, for help and messages."""
    arguments: ClassVar[tuple[str, ...]] = ("target",)
    """What stands in its parentheses, in order: "target" or "file"."""
    options: ClassVar[tuple[str, ...]] = ()
    """Which numbers may follow, by name; fields of the same name hold them."""
    members: ClassVar[int] = 0
    """How many restarts make a set that is shown together; 0 where each is its own."""
    compares: ClassVar[bool] = False
    """Whether its number is one of the whole set, so that the restarts cannot be kept apart."""
    is_value: ClassVar[bool] = False
    """Whether it is made of targets' own values, so that a logit may stand for its probability."""
    asks: ClassVar[bool] = True
    """Whether it needs something from outside the graph, which `settled` gives it."""
    stands_still: ClassVar[bool] = False
    """Whether random moves of the input would blur what it aims at, which lies at its own place."""
    needs_example: ClassVar[bool] = False
    """Whether it compares with what a real input does to the tensor."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """All that it reads."""
        return (self.target,)

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names it reads."""
        return tuple(dict.fromkeys(target.tensor for target in self.targets))

    def aimed(self, targets: Sequence[Target]) -> Term:
        """Return the same term of other targets."""
        return replace(self, target=targets[0])

    def settled(self, surroundings: Surroundings) -> Term:
        """Return the term with what it needs from outside the graph.

        Raises
        ------
        UsageError, DataError
            If that is missing or does not fit.
        """
        return self

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return a (batch,) tensor."""
        raise NotImplementedError

    def picked(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return what the target picks: (batch, *axes), at least one axis."""
        values: Tensor = self.target.pick(tensors[self.target.tensor])
        return values.unsqueeze(1) if values.ndim == 1 else values

    def unsettled(self) -> UsageError:
        """Return what is to be raised where a term is asked for a number too early."""
        return UsageError(f"{self}: needs data from outside the graph; settle the objective first")

    def _listed(self) -> list[str]:
        """Return the arguments as they are written."""
        return [str(target) for target in self.targets]

    def __str__(self) -> str:
        named = [
            f"{field.name}={number_text(getattr(self, field.name))}"
            for field in fields(self)
            if field.name in self.options and getattr(self, field.name) != field.default
        ]
        return f"{self.function}({', '.join([*self._listed(), *named])})"


@dataclass(frozen=True)
class Activation(Term):
    """A target's own value: the mean over what its index leaves (Olah et al. 2017: neuron, channel, class).

    Examples
    --------
    >>> import torch
    >>> Activation(Target("a", (1,)))({"a": torch.tensor([[1.0, 2.0], [3.0, 4.0]])})
    tensor([2., 4.])
    """

    is_value = True
    asks = False

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the target's (batch,) values."""
        picked: Tensor = self.target.select(tensors[self.target.tensor])
        return picked

    def __str__(self) -> str:
        return str(self.target)


@dataclass(frozen=True)
class Energy(Term):
    """The mean of the squares: a layer's objective in Mordvintsev et al., "Inceptionism" (2015), known as DeepDream."""

    function = "energy"
    signature = "energy(TENSOR)"
    asks = False

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return (batch,) mean squares."""
        return self.picked(tensors).flatten(1).square().mean(1)
