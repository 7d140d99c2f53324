"""The objective that is maximized: a weighted sum of terms, each with one number per sample, as immutable data."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from onnxviz.errors import TargetError
from onnxviz.methods.objectives.directions import Direction, Inversion, Likeness
from onnxviz.methods.objectives.notation import Call, number_text, take_call, take_known
from onnxviz.methods.objectives.regularizers import L1, L2, Blur, TotalVariation
from onnxviz.methods.objectives.sets import Alignment, Diversity, Interpolation
from onnxviz.methods.objectives.surroundings import Surroundings
from onnxviz.methods.objectives.terms import Activation as Activation
from onnxviz.methods.objectives.terms import Energy, Term
from onnxviz.question import ASKED, Question
from onnxviz.target import EACH, Target

FUNCTIONS: dict[str, type[Term]] = {
    term.function: term
    for term in (
        Energy,
        Direction,
        Likeness,
        Inversion,
        Diversity,
        Alignment,
        Interpolation,
        TotalVariation,
        L1,
        L2,
        Blur,
    )
}
"""Every function of the notation, by its name."""
_TARGETS = {name: term.arguments.count("target") for name, term in FUNCTIONS.items()} | dict.fromkeys(ASKED, 1)

Number = int | float


@dataclass(frozen=True)
class Objective:
    """A weighted sum of terms, of which a larger value is always better.

    Attributes
    ----------
    terms : tuple of (float, Term)
        The weight of each term, and the term.

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
    def parse(cls, text: str, names: Collection[str] = (), moving: str = "") -> Objective:
        """Return the objective of a text such as ``logits[281] - 0.5*logits[285] + 0.1*energy(conv5)``.

        Parameters
        ----------
        text : str
            Terms joined by + and -. A factor stands before its term, with ``*`` between them. A leading - minimizes.
        names : collection of str
            The names of the model's tensors, which may hold spaces, signs, dots and brackets. The longest name that fits is taken,
            even where it looks like a function.
        moving : str
            The tensor that moves. Inside a function the word ``input`` stands for it, unless a tensor has the name ``input``.

        Raises
        ------
        TargetError
            If a term or a factor cannot be read, if a function is unknown or has wrong arguments, or if no term is given.

        Examples
        --------
        >>> str(Objective.parse("-a/b[1] + .5 * c d[2]", ["a/b", "c d"]))
        '-a/b[1] + 0.5*c d[2]'
        >>> str(Objective.parse("conv5[3]-.25*total_variation(input)", ["conv5", "data"], moving="data"))
        'conv5[3] - 0.25*total_variation(data)'
        """
        for whole in (text, text.strip()):
            if whole in names:
                return cls.of(Target(whole))
        if not text.strip():
            raise TargetError("the target is empty; write a tensor's name, as in 'logits[281]'")
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
            # A name may begin with "2*". A name that is a number alone, as old exporters write, is not taken in place of a factor.
            if factor and not any(rest.startswith(name) and len(name) >= factor.end() for name in ordered):
                sign, rest = sign * float(factor.group(1)), rest[factor.end() :]
                if math.isinf(sign):
                    raise TargetError(
                        f"{text}: the factor {factor.group(1)} is larger than any number a computer holds"
                    )
            known = take_known(rest, ordered)
            called = take_call(rest, ordered, _TARGETS) if known is None else None
            if called is not None:
                call, rest = called
                terms.append((sign, _term(call, names, moving)))
                continue
            written, rest = known or _take_unknown(rest, text)
            terms.append((sign, Activation(Target.parse(written, names))))
        return cls(tuple(terms))

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of every tensor that the terms read, each once, in order."""
        return tuple(dict.fromkeys(name for _, term in self.terms for name in term.tensors))

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets that the terms read, in order."""
        return tuple(target for _, term in self.terms for target in term.targets)

    @property
    def members(self) -> int:
        """How many restarts form a set that is shown together; 0 where each restart stands by itself."""
        return max(term.members for _, term in self.terms)

    @property
    def asks(self) -> bool:
        """Whether a term needs something from outside the graph."""
        return any(term.asks for _, term in self.terms)

    @property
    def stands_still(self) -> bool:
        """Whether the objective is maximized without random moves of the input."""
        return any(term.stands_still for _, term in self.terms)

    @property
    def compares(self) -> bool:
        """Whether the score of a restart depends on the other restarts."""
        return any(term.compares for _, term in self.terms)

    @property
    def alone(self) -> Objective | None:
        """The terms that do not compare restarts, as an objective; None where there are none."""
        own = tuple((weight, term) for weight, term in self.terms if not term.compares)
        return Objective(own) if own else None

    @property
    def passes(self) -> bool:
        """Whether the restarts are the steps of a passage from one target to another."""
        return any(isinstance(term, Interpolation) for _, term in self.terms)

    @property
    def question(self) -> str:
        """The question that each target is asked, in a few words; where targets are asked different ones, each with its target."""
        asked = {
            str(target): target.question.sentence for _, term in self.terms if term.is_value for target in term.targets
        }
        single = set(asked.values())
        return single.pop() if len(single) == 1 else "; ".join(f"{name}: {said}" for name, said in asked.items())

    def at(self, question: Question) -> Objective:
        """Return the same objective with another question for the targets that ask none themselves."""
        return Objective(
            tuple(
                (weight, term.aimed([replace(target, fitting=question) for target in term.targets]))
                for weight, term in self.terms
            )
        )

    @property
    def climbed(self) -> Objective:
        """The same objective with a slope to climb."""
        return Objective(tuple((weight, term.climbed()) for weight, term in self.terms))

    def settled(self, surroundings: Surroundings) -> Objective:
        """Return the objective with the data from outside the graph that its terms need.

        Raises
        ------
        UsageError, DataError
            If data are missing or do not fit.
        """
        return Objective(tuple((weight, term.settled(surroundings)) for weight, term in self.terms))

    @property
    def target(self) -> Target | None:
        """The target, where the objective is the value of a single target."""
        if len(self.terms) == 1 and self.terms[0][0] == 1.0 and isinstance(self.terms[0][1], Activation):
            return self.terms[0][1].target
        return None

    def expand(self, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Objective, ...]:
        """Return an objective for each place that ``*`` in an index stands for.

        Parameters
        ----------
        shapes : mapping of str to tuple of int
            The sizes after the batch of the tensors whose index has a ``*``.

        Raises
        ------
        TargetError
            If more than one target has a ``*``.
        """
        starred = [target for target in self.targets if EACH in target.index]
        if not starred:
            return (self,)
        if len(starred) > 1:
            raise TargetError(f"{self}: only one target of a sum may have a '*'")
        return tuple(self._aimed(starred[0], one) for one in starred[0].expand(shapes[starred[0].tensor]))

    def _aimed(self, before: Target, after: Target) -> Objective:
        """Return the same sum with one target replaced by another."""
        return Objective(
            tuple(
                (weight, term.aimed([after if target == before else target for target in term.targets]))
                for weight, term in self.terms
            )
        )

    def __call__(self, tensors: Mapping[str, Tensor], samples: int | None = None) -> Tensor:
        """Return the (batch,) scores of the samples.

        Parameters
        ----------
        tensors : mapping of str to Tensor
            The tensors, each with the batch as its first axis.
        samples : int, optional
            The number of samples, for tensors in which a sample makes several rows, such as a detector's boxes. The value of a
            term is then reduced over the rows by its target's question, and is NaN where a tensor is empty.

        Raises
        ------
        EmptyTargetError
            If a tensor is empty and the number of samples is not given.
        """
        if samples is None:
            scores = [weight * term(tensors) for weight, term in self.terms]
        else:
            scores = [weight * term.by_sample(_value(term, tensors, samples), samples) for weight, term in self.terms]
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
            size = "" if abs(weight) == 1 else f"{number_text(abs(weight))}*"
            sign = ("-" if weight < 0 else "") if not text else (" - " if weight < 0 else " + ")
            text += f"{sign}{size}{term}"
        return text


def _value(term: Term, tensors: Mapping[str, Tensor], samples: int) -> Tensor:
    """Return a term's values; NaN for each sample where a tensor is empty, since nothing has no mean."""
    nothing = next((tensors[name] for name in term.tensors if not tensors[name].numel()), None)
    if nothing is None:
        return term(tensors)
    # The sum over nothing is 0. It ties the score to the input that moves, as gradients need.
    return (nothing.sum() + math.nan).expand(samples)


def _take_unknown(rest: str, text: str) -> tuple[str, str]:
    """Return an unknown name, which reaches up to the next sign between spaces, and the rest, for a message that repeats it."""
    match = re.match(r"(.+?)\s*(?=\s[+-]\s|$)", rest)
    if not match:
        if not text.strip():
            raise TargetError("the target is empty; write a tensor's name, as in 'logits[281]'")
        raise TargetError(f"{text}: a target is missing at the end; write it as in 'logits[281] - 0.5*logits[285]'")
    return match.group(1), rest[match.end() :].lstrip()


def _term(call: Call, names: Collection[str], moving: str) -> Term:
    """Return the term of a function."""
    if call.function in ASKED:
        return _asked(call, names, moving)
    kind = FUNCTIONS.get(call.function)
    if kind is None:
        listed = ", ".join([*(one.signature for one in FUNCTIONS.values()), *(f"{name}(TARGET)" for name in ASKED)])
        raise TargetError(
            f"{call.text}: no tensor of that name, and no function '{call.function}'; the functions are {listed}"
        )
    if len(call.arguments) != len(kind.arguments) or not all(call.arguments):
        met = len([one for one in call.arguments if one])
        raise TargetError(f"{call.text}: {met} argument{'s' * (met != 1)}; write {kind.signature}")
    values: list[Target | str] = []
    for place, argument in zip(kind.arguments, call.arguments, strict=True):
        values.append(_aimed(argument, names, moving) if place == "target" else argument)
    options: dict[str, float] = {}
    for name, number in call.options:
        if name not in kind.options:
            raise TargetError(f"{call.text}: no option '{name}'; write {kind.signature}")
        try:
            options[name] = float(number)
        except ValueError:
            options[name] = math.nan
        if not (math.isfinite(options[name]) and options[name] >= 0):
            raise TargetError(f"{call.text}: {name} is '{number}'; give a number of 0 or more, as in {name}=2")
    return kind(*values, **options)  # type: ignore[arg-type]  # what each place holds is said by `arguments`


def _asked(call: Call, names: Collection[str], moving: str) -> Activation:
    """Return the term of a target with the question that a person wrote."""
    if len(call.arguments) != 1 or not call.arguments[0] or call.options:
        met = len([one for one in call.arguments if one]) + len(call.options)
        raise TargetError(f"{call.text}: {met} argument{'s' * (met != 1)}; write {call.function}(TARGET)")
    return Activation(_aimed(call.arguments[0], names, moving).asking(call.function, call.text))


def _aimed(argument: str, names: Collection[str], moving: str) -> Target:
    """Return the target that an argument names; ``input`` stands for the tensor that moves, unless a tensor has this name."""
    target = Target.parse(argument, names)
    return replace(target, tensor=moving) if target.tensor == "input" and moving and "input" not in names else target
