"""Attribution by gradients: the plain one, times the input, averaged over noise, integrated from a baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from onnxviz.methods.attribution.result import Attribution, Completeness
from onnxviz.methods.attribution.scores import Score

Inputs = Sequence[Tensor]
"""The explained inputs, each (1, *shape)."""

GAP = 0.01
"""The share of the difference that an integral may be off by."""

_FIRST_STEPS, _MOST_STEPS = 32, 1024


def gradient(score: Score, inputs: Inputs) -> Attribution:
    """Return the score's derivative by each element (Simonyan et al. 2014).

    Parameters
    ----------
    score : callable
        Differentiable.
    inputs : sequence of (1, *shape) Tensor
    """
    from captum.attr import Saliency

    moving = _leaves(inputs)
    values = Saliency(score).attribute(moving, abs=False)
    return Attribution("gradient", _arrays(values), False, "score per unit of input", 1, message=_silence(values))


def input_times_gradient(score: Score, inputs: Inputs, baselines: Inputs) -> Attribution:
    """Return the derivative times the distance from the baseline (Shrikumar et al. 2016); exact where the score is linear.

    Parameters
    ----------
    score : callable
        Differentiable.
    inputs, baselines : sequence of (1, *shape) Tensor
        With baselines of zero it is the textbook's input times gradient.
    """
    from captum.attr import InputXGradient

    # The distance is what moves, so that the product is with it.
    away = tuple((one - base).detach().requires_grad_() for one, base in zip(inputs, baselines, strict=True))
    values = InputXGradient(_Shifted(score, baselines)).attribute(away)
    return Attribution("input-x-gradient", _arrays(values), True, "score", 1, message=_silence(values))


def smooth_gradient(
    score: Score, inputs: Inputs, spreads: Sequence[float], samples: int = 32, seed: int = 0, noise: float = 0.15
) -> Attribution:
    """Return the mean gradient about the input (SmoothGrad, Smilkov et al. 2017).

    Parameters
    ----------
    score : callable
        Differentiable.
    inputs : sequence of (1, *shape) Tensor
    spreads : sequence of float
        The range of each input.
    samples : int
        How many noisy copies.
    seed : int
        Of the noise.
    noise : float
        Its standard deviation, as a share of the range; 0.1 to 0.2 in the paper.
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
    progress: Callable[[int], None] = lambda steps: None,
) -> Attribution:
    """Integrate the gradient along the straight line from the baseline (Sundararajan et al. 2017).

    Parameters
    ----------
    score : callable
        Differentiable.
    inputs, baselines : sequence of (1, *shape) Tensor
    difference : float
        The score of the input less that of the baseline, by whoever is to be believed; the attributions should add up to it.
    at_once : int
        How many points of the line fit into memory.
    steps : int, optional
        Points of the line (Gauss–Legendre). By default they are doubled, from 32 to 1024, until the sum is within 1 % of the difference,
        or more points no longer bring it nearer.
    progress : callable
        Told the steps before they are done.

    Returns
    -------
    Attribution
        With its completeness.
    """
    from captum.attr import IntegratedGradients

    moving, start = _leaves(inputs), tuple(base.detach() for base in baselines)
    method = IntegratedGradients(score)
    count, evaluations, former = steps or _FIRST_STEPS, 0, None
    while True:
        progress(count)
        values = method.attribute(moving, start, n_steps=count, internal_batch_size=max(1, at_once))
        evaluations += count
        total = float(sum(value.detach().double().sum() for value in values))
        found = Completeness(total, difference, count)
        # Where two roundings of the line agree, what is left is not the integral's.
        settled = former is not None and abs(total - former) <= 1e-3 * max(abs(total), abs(difference))
        if steps is not None or found.gap <= GAP or settled or count >= _MOST_STEPS:
            break
        former, count = total, 2 * count
    message = _silence(values)
    if not message and found.gap > GAP:
        why = (
            "more steps do not change it: torch and ONNX Runtime differ, or the score jumps"
            if settled
            else "the score bends too sharply for so few"
            if steps
            else "the score bends too sharply"
        )
        message = f"the sum is {found.gap:.1%} off the difference after {count} steps; {why}"
    return Attribution("integrated-gradients", _arrays(values), True, "score", evaluations, found, message)


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
