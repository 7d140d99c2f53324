"""Attribution by gradients: the plain gradient, times the input, averaged over noise, and integrated from a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onnxviz.methods.attribution.result import Attribution, Completeness
from onnxviz.methods.attribution.scores import Score

Inputs = Sequence[Tensor]
"""The explained inputs, each (1, *shape)."""

GAP = 0.01
"""The largest error of an integral, as a share of the difference between the two scores."""

_FIRST, _POINTS, _MOST_POINTS = 4, 8, 4096


def gradient(score: Score, inputs: Inputs) -> Attribution:
    """Return the derivative of the score by each element of the inputs (Simonyan et al. 2014).

    Parameters
    ----------
    score : callable
        The score, a differentiable function of the inputs.
    inputs : sequence of (1, *shape) Tensor
        The explained inputs.
    """
    from captum.attr import Saliency

    moving = _leaves(inputs)
    values = Saliency(score).attribute(moving, abs=False)
    return Attribution("gradient", _arrays(values), False, "score per unit of input", 1, message=_silence(values))


def input_times_gradient(score: Score, inputs: Inputs, baselines: Inputs) -> Attribution:
    """Return the derivative times the distance from the baseline (Shrikumar et al. 2016), which is exact for a linear score.

    Parameters
    ----------
    score : callable
        The score, a differentiable function of the inputs.
    inputs, baselines : sequence of (1, *shape) Tensor
        The explained inputs and their baselines. With baselines of zero this is the input times the gradient.
    """
    from captum.attr import InputXGradient

    # The score is taken as a function of the distance, since captum multiplies the gradient with the input of the function.
    away = tuple((one - base).detach().requires_grad_() for one, base in zip(inputs, baselines, strict=True))
    values = InputXGradient(_Shifted(score, baselines)).attribute(away)
    return Attribution("input-x-gradient", _arrays(values), True, "score", 1, message=_silence(values))


def smooth_gradient(
    score: Score, inputs: Inputs, spreads: Sequence[float], samples: int = 32, seed: int = 0, noise: float = 0.15
) -> Attribution:
    """Return the mean gradient over noisy copies of the input (SmoothGrad, Smilkov et al. 2017).

    Parameters
    ----------
    score : callable
        The score, a differentiable function of the inputs.
    inputs : sequence of (1, *shape) Tensor
        The explained inputs.
    spreads : sequence of float
        The length of each input's range.
    samples : int
        The number of noisy copies.
    seed : int
        The seed of the noise.
    noise : float
        The standard deviation of the noise as a share of the range; 0.1 to 0.2 in the paper.
    """
    generator = torch.Generator().manual_seed(seed)
    totals = [torch.zeros_like(one) for one in inputs]
    for _ in range(samples):
        noisy = _leaves(
            [
                one + noise * spread * torch.randn(one.shape, generator=generator, dtype=torch.float32).to(one)
                for one, spread in zip(inputs, spreads, strict=True)
            ]
        )
        parts = torch.autograd.grad(score(*noisy).sum(), noisy, allow_unused=True)
        totals = [total if part is None else total + part for total, part in zip(totals, parts, strict=True)]
    values = tuple(total / samples for total in totals)
    return Attribution(
        "smoothgrad", _arrays(values), False, "score per unit of input", samples, message=_silence(values)
    )


def integrated_gradients(
    score: Score,
    inputs: Inputs,
    baselines: Inputs,
    difference: float,
    at_once: int = 32,
    steps: int | None = None,
) -> Attribution:
    """Return the gradient integrated along the straight line from the baseline (Sundararajan et al. 2017).

    Parameters
    ----------
    score : callable
        The score, a differentiable function of the inputs.
    inputs, baselines : sequence of (1, *shape) Tensor
        The explained inputs and their baselines.
    difference : float
        The score of the input minus that of the baseline, by ONNX Runtime. The attributions should add up to it.
    at_once : int
        How many points of the line fit into memory.
    steps : int, optional
        The number of points on the whole line (Gauss–Legendre). Default: the line is divided into pieces with 8 points each. The
        pieces whose sums differ most from the rise of the score are halved until the whole is within 1 % of the difference, or until
        4096 points are used.

    Returns
    -------
    Attribution
        The attribution, with its completeness.
    """
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(score)
    line = _Line(method, score, _leaves(inputs), tuple(base.detach() for base in baselines), max(1, at_once))
    if steps is not None:
        pieces = [line.piece(0.0, 1.0, steps)]
    else:
        pieces = [line.piece(part / _FIRST, (part + 1) / _FIRST, _POINTS) for part in range(_FIRST)]
        while line.points < _MOST_POINTS:
            total = sum(piece.total for piece in pieces)
            worst = max(abs(piece.gap) for piece in pieces)
            own = sum(abs(piece.gap) for piece in pieces)
            # Half of the tolerance is asked for, since the errors of pieces may cancel by chance.
            if Completeness(total, difference, 0).gap <= GAP / 2 or own <= 1e-4 * abs(difference):
                break
            coarse = [piece for piece in pieces if abs(piece.gap) >= worst / 2]
            fine = [
                line.piece(low, high, _POINTS)
                for piece in coarse
                for low, high in ((piece.low, piece.middle), (piece.middle, piece.high))
            ]
            pieces = [piece for piece in pieces if piece not in coarse] + fine
    values = tuple(torch.stack(parts).sum(0) for parts in zip(*(piece.values for piece in pieces), strict=True))
    count = steps or _POINTS * len(pieces)
    found = Completeness(sum(piece.total for piece in pieces), difference, count)
    message = _silence(values)
    if not message and found.gap > GAP:
        own = sum(abs(piece.gap) for piece in pieces)
        why = (
            "torch and ONNX Runtime differ by so much"
            if own <= GAP / 10 * abs(difference)
            else "the score jumps or bends too sharply, or rounding is as large as the difference"
        )
        message = f"the sum is {found.gap:.1%} off the difference after {line.points} points; {why}"
    return Attribution("integrated-gradients", _arrays(values), True, "score", line.points, found, message)


@dataclass(frozen=True, eq=False)
class _Piece:
    """A piece of the line: its ends as shares of the whole, its attributions, and their difference to the score's rise."""

    low: float
    high: float
    values: tuple[Tensor, ...]
    total: float
    gap: float

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2


class _Line:
    """The straight line from the baseline to the input, whose pieces can be integrated."""

    def __init__(self, method: Any, score: Score, inputs: Inputs, baselines: Inputs, at_once: int) -> None:
        self.method = method
        self.score = score
        self.inputs = inputs
        self.baselines = baselines
        self.at_once = at_once
        self.points = 0
        self._scores: dict[float, float] = {}

    def piece(self, low: float, high: float, points: int) -> _Piece:
        """Return the integral from one share of the line to another."""
        start, end = self._at(low), _leaves(self._at(high))
        values = self.method.attribute(end, start, n_steps=points, internal_batch_size=self.at_once)
        self.points += points
        kept = tuple(value.detach() for value in values)
        total = float(sum(value.double().sum() for value in kept))
        return _Piece(low, high, kept, total, total - (self._score(high) - self._score(low)))

    def _at(self, share: float) -> tuple[Tensor, ...]:
        # The ends of the line are not computed, so that rounding does not move them.
        if share in (0.0, 1.0):
            return tuple(one.detach() for one in (self.inputs if share else self.baselines))
        return tuple(
            (base + (one - base) * share).detach() for one, base in zip(self.inputs, self.baselines, strict=True)
        )

    def _score(self, share: float) -> float:
        if share not in self._scores:
            with torch.no_grad():
                self._scores[share] = float(self.score(*self._at(share)))
        return self._scores[share]


class _Shifted:
    """A score as a function of the distance from a baseline."""

    def __init__(self, score: Score, baselines: Inputs) -> None:
        self.score = score
        self.baselines = tuple(base.detach() for base in baselines)

    def __call__(self, *away: Tensor) -> Tensor:
        return self.score(*(one + base for one, base in zip(away, self.baselines, strict=True)))


def _leaves(inputs: Inputs) -> tuple[Tensor, ...]:
    return tuple(one.detach().clone().requires_grad_() for one in inputs)


def _arrays(values: Sequence[Tensor]) -> tuple[np.ndarray, ...]:
    return tuple(value.detach().cpu().numpy()[0] for value in values)


def _silence(values: Sequence[Tensor]) -> str:
    if any(bool((value != 0).any()) for value in values):
        return ""
    return "the gradient is zero everywhere: the target is flat at this input (saturated, dead, or made by rounding)"
