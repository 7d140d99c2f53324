"""What is maximized: a weighted sum of terms, each one number per sample, as immutable data."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from onnxviz.errors import TargetError
from onnxviz.model.target import Target


class Term(Protocol):
    """One summand: which tensors it reads, and one number per sample."""

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names it reads."""

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return a (batch,) tensor."""


@dataclass(frozen=True)
class Activation:
    """A target's own value: the mean over what its index leaves (Olah et al. 2017: neuron, channel, class).

    Examples
    --------
    >>> import torch
    >>> Activation(Target("a", (1,)))({"a": torch.tensor([[1.0, 2.0], [3.0, 4.0]])})
    tensor([2., 4.])
    """

    target: Target

    @property
    def tensors(self) -> tuple[str, ...]:
        """The tensor that the target names."""
        return (self.target.tensor,)

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the target's (batch,) values."""
        picked: Tensor = self.target.select(tensors[self.target.tensor])
        return picked

    def __str__(self) -> str:
        return str(self.target)


Number = int | float


@dataclass(frozen=True)
class Objective:
    """A weighted sum of terms; larger is better, always.

    Attributes
    ----------
    terms : tuple of (float, Term)
        Weights and summands.

    Examples
    --------
    >>> objective = Objective.of(Target("logits", (2,))) - 0.5 * Objective.of(Target("logits", (5,)))
    >>> str(objective)
    'logits[2] - 0.5*logits[5]'
    """

    terms: tuple[tuple[float, Term], ...]

    @classmethod
    def of(cls, target: Target) -> Objective:
        """Return the objective that is a target's own value."""
        return cls(((1.0, Activation(target)),))

    @classmethod
    def parse(cls, text: str, names: Collection[str] = ()) -> Objective:
        """Read a sum such as ``logits[281] - 0.5*logits[285] + 0.1*conv5[3]``.

        Parameters
        ----------
        text : str
            Terms joined by + and -; a factor stands before its term, with ``*`` between. A leading - minimizes.
        names : collection of str
            The model's tensor names, which may themselves hold spaces, signs, dots and brackets: the longest one
            that fits is taken.

        Raises
        ------
        TargetError
            If a term or a factor cannot be read, or no term is given.

        Examples
        --------
        >>> str(Objective.parse("-a/b[1] + .5 * c d[2]", ["a/b", "c d"]))
        '-a/b[1] + 0.5*c d[2]'
        """
        if text.strip() in names:
            return cls.of(Target(text.strip()))
        ordered = sorted(names, key=len, reverse=True)
        terms: list[tuple[float, Term]] = []
        rest = text.strip()
        while rest or not terms:
            sign = 1.0
            lead = re.match(r"[+-]\s*", rest)
            if lead and not any(rest.startswith(name) for name in ordered if name[:1] in "+-"):
                sign, rest = (-1.0 if rest[0] == "-" else 1.0), rest[lead.end() :]
            elif terms:
                raise TargetError(f"{text}: expected + or - before '{rest}'")
            factor = re.match(r"((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*\*\s*", rest)
            # A name may begin with "2*"; one that is a number alone, as old exporters give, hides no factor.
            if factor and not any(rest.startswith(name) and len(name) >= factor.end() for name in ordered):
                sign, rest = sign * float(factor.group(1)), rest[factor.end() :]
                if math.isinf(sign):
                    raise TargetError(
                        f"{text}: the factor {factor.group(1)} is larger than any number a computer holds"
                    )
            written, rest = _take_target(rest, ordered, text)
            terms.append((sign, Activation(Target.parse(written, names))))
        return cls(tuple(terms))

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of every tensor that the terms read, each once, in order."""
        return tuple(dict.fromkeys(name for _, term in self.terms for name in term.tensors))

    @property
    def target(self) -> Target | None:
        """The target, where the objective is nothing but one target's value."""
        if len(self.terms) == 1 and self.terms[0][0] == 1.0 and isinstance(self.terms[0][1], Activation):
            return self.terms[0][1].target
        return None

    def expand(self, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Objective, ...]:
        """Replace ``*`` in an index: one objective for each place.

        Parameters
        ----------
        shapes : mapping of str to tuple of int
            The sizes after the batch of the tensors with a ``*``.

        Raises
        ------
        TargetError
            If more than one term has a ``*``.
        """
        from onnxviz.model.target import EACH

        starred = [
            place
            for place, (_, term) in enumerate(self.terms)
            if isinstance(term, Activation) and EACH in term.target.index
        ]
        if not starred:
            return (self,)
        if len(starred) > 1:
            raise TargetError(f"{self}: only one term of a sum may have a '*'")
        weight, term = self.terms[starred[0]]
        target = term.target  # type: ignore[attr-defined]  # `starred` holds places of Activations alone
        return tuple(
            Objective((*self.terms[: starred[0]], (weight, Activation(one)), *self.terms[starred[0] + 1 :]))
            for one in target.expand(shapes[target.tensor])
        )

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the (batch,) scores of the samples."""
        scores = [weight * term(tensors) for weight, term in self.terms]
        total = scores[0]
        for score in scores[1:]:
            total = total + score
        return total

    def __add__(self, other: Objective) -> Objective:
        return Objective(self.terms + other.terms)

    def __sub__(self, other: Objective) -> Objective:
        return self + (-other)

    def __mul__(self, factor: Number) -> Objective:
        return Objective(tuple((weight * factor, term) for weight, term in self.terms))

    __rmul__ = __mul__

    def __truediv__(self, divisor: Number) -> Objective:
        return self * (1.0 / divisor)

    def __neg__(self) -> Objective:
        return self * -1.0

    def __str__(self) -> str:
        text = ""
        for weight, term in self.terms:
            size = "" if abs(weight) == 1 else f"{abs(weight):g}*"
            sign = ("-" if weight < 0 else "") if not text else (" - " if weight < 0 else " + ")
            text += f"{sign}{size}{term}"
        return text


def _take_target(rest: str, ordered: Collection[str], text: str) -> tuple[str, str]:
    """Split one target off the front; ``ordered`` holds the known names, longest first."""
    for name in ordered:
        if not rest.startswith(name):
            continue
        match = re.match(r"\s*(\[[^\]]*\])?\s*(?=[+-]|$)", rest[len(name) :])
        if match:
            end = len(name) + match.end()
            return rest[: len(name)] + (match.group(1) or ""), rest[end:]
    # An unknown name: up to the next sign that stands apart, so that the message can repeat it.
    match = re.match(r"(.+?)\s*(?=\s[+-]\s|$)", rest)
    if not match:
        raise TargetError(f"{text}: a target is missing at the end; write it as in 'logits[281] - 0.5*logits[285]'")
    return match.group(1), rest[match.end() :].lstrip()
