"""The verdict on a unit, which says whether its best input means something: the unit may be dead, saturated or flat."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from onnxviz.methods.explained_word import ExplainedWord

_EQUAL = 1e-5
"""Scores that differ by less than this share of the largest score are equal, since batches of another size round differently."""

_END = 1e-3
"""The last share of a bounded function's range that counts as its end."""

_APART = 0.02
"""A score is confirmed if torch and ONNX Runtime differ by at most this share of the score or of its rise."""


_LIKELY = 0.5
"""A class with a probability under this is not what the model sees in an input."""

_CLOSE = 0.1
"""Scores of several starts agree if their standard deviation is at most this share of their rise."""

_STABLE = 0.5
"""A moved picture keeps at least this share of the rise of its score, else it is fragile."""

_NAMED = 3
"""So many held inputs are named."""

NOT_MAXIMIZED = "not maximized"
"""What is said of a target that is known to be constant before the search."""

_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class Word(ExplainedWord):
    """The verdict on a unit in one word.

    Attributes
    ----------
    sentence : str
        What the word means for any unit; a verdict's message adds the numbers.
    """

    OK = "ok", "the input that was found scores above all random inputs"
    DEAD = "dead", "the unit is a rectifier that gives its least value for every input"
    SATURATED = "saturated", "the score is at the end of its function's range already at the start, or for every input"
    CONSTANT = "constant", "no input changes the score"
    WEAK = (
        "weak",
        "a random input or the start scores as high, or the class that was maximized is not likely at the input",
    )
    UNRELIABLE = "unreliable", "several starts gave different inputs with different scores"
    FRAGILE = "fragile", "less than half of the score's rise is left when the picture is moved a little"
    SEVERAL = "several", "several starts gave different inputs with about the same score"
    UNCONFIRMED = "unconfirmed", "ONNX Runtime measures another score than torch"
    EMPTY = "empty", "the target holds no numbers at any input that was tried"
    NOT_FINITE = "not_finite", "no input with a finite score was found"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a unit.

    Attributes
    ----------
    word : Word
        The verdict in one word.
    message : str
        The verdict on this unit in one sentence, with its numbers; "" where there are none.
    """

    word: Word
    message: str


@dataclass(frozen=True, slots=True)
class ClassProbability:
    """The probability of the class that was maximized, by ONNX Runtime.

    Attributes
    ----------
    value : float
        The probability at the input that was found.
    rival : str
        The class with the highest probability, where it is another one; "" otherwise.
    rival_value : float
        The probability of that class.
    """

    value: float
    rival: str = ""
    rival_value: float = 0.0


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of the starts of one target.

    Attributes
    ----------
    starts : int
        The number of starts with a finite score.
    inputs : int
        The number of different inputs that they gave.
    agreeing : int
        How many starts gave the best input.
    spread : float or None
        The standard deviation of the scores as a share of their mean rise; None where scores did not rise.
    """

    starts: int
    inputs: int
    agreeing: int
    spread: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The measurements of a unit by ONNX Runtime, which a verdict needs.

    Attributes
    ----------
    found, start : float
        The score of the best input, and of the start of its search.
    torch : float or None
        The score of the best input by torch; None where torch did not lead the search.
    probes : (probe,) ndarray
        The scores of random inputs.
    samples : (sample,) ndarray
        The scores of real data; may be empty.
    low, high : float
        The range of the operator that computes the target; infinite where no bound is known.
    operator : str
        The operator that computes the target; "" where nothing is known.
    blocked, starts : int
        The number of starts whose gradient stayed zero, and the number of all starts.
    zeros : tuple of str
        Other inputs on which the unit depends and which are held at 0: they may be why it is flat.
    empty : str
        What is to be said where the target holds no numbers at the best input; "" where it holds some.
    draws : (run,) ndarray
        The scores of further runs with the best input, where random operators change them; empty where none does.
    maximized : bool
        Whether an input was searched; false where it was known before that no input changes the score.
    probability : ClassProbability or None
        The probability of the class, where the target is one.
    agreement : Agreement or None
        How far the starts agree; None for a single start.
    kept : float or None
        The share of the score's rise that is left when a picture is moved; None where that was not measured.
    """

    found: float
    start: float
    torch: float | None
    probes: NDArray[np.floating]
    samples: NDArray[np.floating]
    low: float = -math.inf
    high: float = math.inf
    operator: str = ""
    blocked: int = 0
    starts: int = 1
    zeros: tuple[str, ...] = ()
    empty: str = ""
    draws: NDArray[np.floating] = field(default_factory=lambda: np.empty(0))
    maximized: bool = True
    probability: ClassProbability | None = None
    agreement: Agreement | None = None
    kept: float | None = None


def judge(seen: Evidence) -> Verdict:
    """Return the verdict on a unit: the word of its gravest finding, and the sentences of all findings.

    Parameters
    ----------
    seen : Evidence
        The measurements of the unit.
    """
    found = _judged(seen)
    if found.word in (Word.OK, Word.WEAK):
        doubts = [*([found] if found.word == Word.WEAK else []), *_doubts(seen)]
        if doubts:
            found = _together(doubts)
    runs = seen.draws[np.isfinite(seen.draws)]
    if not len(runs):
        return found
    spread = f"with new random numbers this input scores {runs.min():.4g} to {runs.max():.4g}"
    return Verdict(found.word, f"{found.message}; {spread}" if found.message else spread)


def _doubts(seen: Evidence) -> list[Verdict]:
    """Return what speaks against an input that scores above all others, the gravest first."""
    found = []
    likely, agreed = seen.probability, seen.agreement
    if likely is not None and (likely.value < _LIKELY or likely.rival):
        other = f", and {likely.rival} has {likely.rival_value:.2g}" if likely.rival else ""
        found.append(Verdict(Word.WEAK, f"the class has a probability of {likely.value:.2g} at this input{other}"))
    several = None
    if agreed is not None and agreed.inputs > 1:
        spread = None if agreed.spread is None else plus_minus(agreed.spread)
        scores = "" if spread is None else ", equal scores" if spread == "equal" else f", scores {spread}"
        best = f"; {_count(agreed.agreeing)} of them gave the best one" if agreed.agreeing > 1 else ""
        said = f"{_count(agreed.starts)} starts gave {_count(agreed.inputs)} inputs{scores}{best}"
        if agreed.spread is not None and agreed.spread <= _CLOSE:
            several = Verdict(Word.SEVERAL, said)
        else:
            found.append(Verdict(Word.UNRELIABLE, said))
    if seen.kept is not None and seen.kept < _STABLE:
        left = f"{100 * seen.kept:.0f} %" if seen.kept > 0 else "nothing"
        found.append(Verdict(Word.FRAGILE, f"{left} of the score's rise is left when the picture is moved a little"))
    return [*found, several] if several is not None else found


def _together(doubts: list[Verdict]) -> Verdict:
    """Return one verdict with the word of the first, and the words of others in its message."""
    first = doubts[0]
    others = [one.message if one.word == first.word else f"{one.word}: {one.message}" for one in doubts[1:]]
    return Verdict(first.word, "; ".join([first.message, *others]))


def _count(number: int) -> str:
    """Return a small number as a word."""
    return _COUNTS[number] if number < len(_COUNTS) else str(number)


def plus_minus(share: float) -> str:
    """Return how far scores lie apart, given as a share.

    Examples
    --------
    >>> plus_minus(0.013), plus_minus(0.92), plus_minus(0.0)
    ('±1.3 %', '±92 %', 'equal')
    """
    if share < 0.0005:
        return "equal"
    return f"±{100 * share:.1f} %" if share < 0.0995 else f"±{100 * share:.0f} %"


def _judged(seen: Evidence) -> Verdict:
    """Return the verdict on the scores as they were measured once."""
    if seen.empty:
        return Verdict(Word.EMPTY, seen.empty)
    if not math.isfinite(seen.found):
        return Verdict(Word.NOT_FINITE, Word.NOT_FINITE.sentence)
    tried = np.concatenate([seen.probes, seen.samples, [seen.start, seen.found]]).astype(np.float64)
    tried = tried[np.isfinite(tried)]
    equal = _EQUAL * float(np.abs(tried).max())
    if not seen.maximized or float(np.ptp(tried)) <= equal:
        return _constant(seen, len(tried))
    width = seen.high - seen.low
    if math.isfinite(width) and seen.start >= seen.high - _END * width:
        most = f"{seen.operator} gives at most {seen.high:g}"
        return Verdict(Word.SATURATED, f"the score is {seen.start:.5g} already at the start, and {most}")
    # Torch and ONNX Runtime draw different random numbers: their scores differ without an error in either.
    if seen.torch is not None and not len(seen.draws):
        rise = abs(seen.found - seen.start)
        if not abs(seen.torch - seen.found) <= _APART * max(abs(seen.found), rise):
            said = f"torch gives {seen.torch:.4g} where ONNX Runtime measures {seen.found:.4g}"
            return Verdict(Word.UNCONFIRMED, f"{said}: `onnxviz verify` shows where they begin to differ")
    if seen.found < seen.start - equal:
        return Verdict(Word.WEAK, f"the search ended below its own start, {seen.start:.4g}")
    probes = seen.probes[np.isfinite(seen.probes)]
    best = float(probes.max(initial=-math.inf))
    if best > seen.found + equal:
        return Verdict(
            Word.WEAK, f"one of {len(probes)} random inputs scores higher, {best:.4g}: the search ended below it"
        )
    alike = int((probes >= seen.found - equal).sum())
    if alike:
        return Verdict(Word.WEAK, f"{alike} of {len(probes)} random inputs score as high")
    if seen.found <= seen.start + equal:
        return Verdict(Word.WEAK, f"the search found nothing above its own start, {seen.start:.4g}")
    return Verdict(Word.OK, f"above all {len(probes)} random inputs, which reach {best:.4g}" if len(probes) else "")


def constant(scores: NDArray[np.floating]) -> bool:
    """Return whether finite scores are equal but for rounding."""
    values = scores[np.isfinite(scores)].astype(np.float64)
    return bool(len(values)) and float(np.ptp(values)) <= _EQUAL * float(np.abs(values).max())


def _constant(seen: Evidence, tried: int) -> Verdict:
    """Return the verdict on a unit whose score is the same for every input."""
    inputs = f"all of {tried} inputs" if seen.maximized else "every input tried"
    everything = f"{seen.found:.4g} to {inputs}" + (", the data among them" if len(seen.samples) else "")
    blocked = f", and its gradient is zero from all {seen.starts} starts" if seen.blocked == seen.starts else ""
    end = blocked if seen.maximized else f"; {NOT_MAXIMIZED}"
    width = seen.high - seen.low
    near = _END * width if math.isfinite(width) else 1e-6 * max(1.0, abs(seen.found))
    rectifier = seen.operator in ("Relu", "ThresholdedRelu", "Clip")
    if rectifier and seen.found <= seen.low + near:
        return Verdict(Word.DEAD, f"{seen.operator} answers {everything}{end}")
    if seen.operator and (seen.found <= seen.low + near or seen.found >= seen.high - near):
        return Verdict(Word.SATURATED, f"{seen.operator} answers {everything}{end}")
    return Verdict(Word.CONSTANT, f"answers {everything}{end}{_cause(seen.zeros)}")


def _cause(zeros: tuple[str, ...]) -> str:
    """Return the held inputs that may be why a score is flat, as the end of a sentence."""
    if not zeros:
        return ""
    shown = ", ".join(zeros[:_NAMED]) + (f" and {len(zeros) - _NAMED} more" if len(zeros) > _NAMED else "")
    return f"; {shown} {'is' if len(zeros) == 1 else 'are'} held at 0, which may be the cause"
