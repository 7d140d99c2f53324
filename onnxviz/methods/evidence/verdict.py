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


_NAMED = 3
"""So many held inputs are named."""


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
    FLAT = "flat", "no input changes the score"
    WEAK = "weak", "a random input, or the start of the search, scores as high as the input that was found"
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


def judge(seen: Evidence) -> Verdict:
    """Return the verdict on a unit.

    Parameters
    ----------
    seen : Evidence
        The measurements of the unit.
    """
    found = _judged(seen)
    runs = seen.draws[np.isfinite(seen.draws)]
    if not len(runs):
        return found
    spread = f"with new random numbers this input scores {runs.min():.4g} to {runs.max():.4g}"
    return Verdict(found.word, f"{found.message}; {spread}" if found.message else spread)


def _judged(seen: Evidence) -> Verdict:
    """Return the verdict on the scores as they were measured once."""
    if seen.empty:
        return Verdict(Word.EMPTY, seen.empty)
    if not math.isfinite(seen.found):
        return Verdict(Word.NOT_FINITE, Word.NOT_FINITE.sentence)
    tried = np.concatenate([seen.probes, seen.samples, [seen.start, seen.found]]).astype(np.float64)
    tried = tried[np.isfinite(tried)]
    equal = _EQUAL * float(np.abs(tried).max())
    if float(np.ptp(tried)) <= equal:
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


def _constant(seen: Evidence, tried: int) -> Verdict:
    """Return the verdict on a unit whose score is the same for every input."""
    everything = f"{seen.found:.4g} for all of {tried} inputs" + (", the data among them" if len(seen.samples) else "")
    blocked = f", and its gradient is zero from all {seen.starts} starts" if seen.blocked == seen.starts else ""
    width = seen.high - seen.low
    near = _END * width if math.isfinite(width) else 1e-6 * max(1.0, abs(seen.found))
    rectifier = seen.operator in ("Relu", "ThresholdedRelu", "Clip")
    if rectifier and seen.found <= seen.low + near:
        return Verdict(Word.DEAD, f"{seen.operator} gives {everything}{blocked}")
    if seen.operator and (seen.found <= seen.low + near or seen.found >= seen.high - near):
        return Verdict(Word.SATURATED, f"{seen.operator} gives {everything}{blocked}")
    return Verdict(Word.FLAT, f"the score is {everything}{blocked}{_cause(seen.zeros)}")


def _cause(zeros: tuple[str, ...]) -> str:
    """Return the held inputs that may be why a score is flat, as the end of a sentence."""
    if not zeros:
        return ""
    shown = ", ".join(zeros[:_NAMED]) + (f" and {len(zeros) - _NAMED} more" if len(zeros) > _NAMED else "")
    return f"; {shown} {'is' if len(zeros) == 1 else 'are'} held at 0, which may be the cause"
