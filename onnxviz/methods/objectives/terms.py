"""The terms of an objective as immutable data: their base, the value of a target, and the energy of a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar

from torch import Tensor

from onnxviz.errors import UsageError
from onnxviz.methods.objectives.climbed_values import climbed_value
from onnxviz.methods.objectives.notation import number_text
from onnxviz.methods.objectives.rows import rows_by_sample
from onnxviz.methods.objectives.surroundings import Surroundings
from onnxviz.target import Target


@dataclass(frozen=True)
class Term:
    """A term of an objective: it reads tensors and returns one number per sample.

    Attributes
    ----------
    target : Target
        The tensor that the term reads, and the part of it that an index picks, with all axes kept.
    """

    target: Target

    function: ClassVar[str] = ""
    """The name of the function in the notation; "" for the value of a target."""
    signature: ClassVar[str] = ""
    """The function with its arguments, for help and messages."""
    arguments: ClassVar[tuple[str, ...]] = ("target",)
    """The kinds of the arguments in order: "target" or "file"."""
    options: ClassVar[tuple[str, ...]] = ()
    """The names of the numbers that may follow the arguments. Fields of the same names hold them."""
    members: ClassVar[int] = 0
    """How many restarts form a set that is shown together; 0 where each restart stands by itself."""
    compares: ClassVar[bool] = False
    """Whether the number is one of the whole set, so that restarts cannot be kept or dropped one by one."""
    is_value: ClassVar[bool] = False
    """Whether the term consists of values of targets, so that a logit may be maximized in place of its probability."""
    asks: ClassVar[bool] = True
    """Whether the term needs data from outside the graph, which `settled` adds."""
    stands_still: ClassVar[bool] = False
    """Whether random moves of the input would blur the result, since the term compares position by position."""
    needs_example: ClassVar[bool] = False
    """Whether the term compares with the activation of a real input."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets that the term reads."""
        return (self.target,)

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of the tensors that the term reads."""
        return tuple(dict.fromkeys(target.tensor for target in self.targets))

    def aimed(self, targets: Sequence[Target]) -> Term:
        """Return the same term with other targets."""
        return replace(self, target=targets[0])

    def settled(self, surroundings: Surroundings) -> Term:
        """Return the term with the data from outside the graph that it needs.

        Raises
        ------
        UsageError, DataError
            If data are missing or do not fit.
        """
        return self

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return one number per sample, a (batch,) tensor."""
        raise NotImplementedError

    def by_sample(self, values: Tensor, samples: int) -> Tensor:
        """Return one number per sample: the mean of the term's values over the sample's rows."""
        rows = rows_by_sample(values, samples)
        return values if rows is None else rows.mean(1)

    def climbed(self) -> Term:
        """Return the term as it is climbed."""
        return self

    def picked(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the part of the tensor that the target picks: (batch, *axes), with at least one axis."""
        values: Tensor = self.target.pick(tensors[self.target.tensor])
        return values.unsqueeze(1) if values.ndim == 1 else values

    def unsettled(self) -> UsageError:
        """Return the error for a term whose number is asked for before the term is settled."""
        return UsageError(f"{self}: needs data from outside the graph; settle the objective first")

    def _listed(self) -> list[str]:
        """Return the arguments as a person writes them."""
        return [str(target) for target in self.targets]

    def __str__(self) -> str:
        named = [
            f"{one.name}={number_text(getattr(self, one.name))}"
            for one in fields(self)
            if one.name in self.options and getattr(self, one.name) != one.default
        ]
        return f"{self.function}({', '.join([*self._listed(), *named])})"


@dataclass(frozen=True)
class Activation(Term):
    """The value of a target: the part that its index picks, reduced by its question (Olah et al. 2017: neuron, channel, class).

    Attributes
    ----------
    climbing : bool
        Whether the term is climbed, so that its gradient is a slope to follow: see `climbed_value`. Its values are the same
        otherwise, and so it is the same term.

    Examples
    --------
    >>> import torch
    >>> Activation(Target("a", (1,)))({"a": torch.tensor([[1.0, 2.0], [3.0, 4.0]])})
    tensor([2., 4.])
    """

    climbing: bool = field(default=False, compare=False)

    is_value = True
    asks = False

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the target's values, (batch,)."""
        if self.climbing:
            return climbed_value(self.target.question, self.target.left(tensors[self.target.tensor]))
        picked: Tensor = self.target.select(tensors[self.target.tensor])
        return picked

    def by_sample(self, values: Tensor, samples: int) -> Tensor:
        """Return one number per sample: the term's values at the sample's rows, reduced by the target's question."""
        rows = rows_by_sample(values, samples)
        if rows is None or self.target.question.rectifies:
            return super().by_sample(values, samples)
        question = self.target.question
        return climbed_value(question, rows) if self.climbing else question(rows)

    def climbed(self) -> Activation:
        """Return the same term with a slope to climb."""
        return replace(self, climbing=True)

    def __str__(self) -> str:
        return str(self.target)


@dataclass(frozen=True)
class Energy(Term):
    """The mean of the squares, the objective of DeepDream for a layer (Mordvintsev et al., "Inceptionism", 2015)."""

    function = "energy"
    signature = "energy(TENSOR)"
    asks = False

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return (batch,) mean squares."""
        return self.picked(tensors).flatten(1).square().mean(1)
