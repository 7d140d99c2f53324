"""The score as a function of which elements are present: an absent element has its baseline's value."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from onnxviz.methods.attribution.scores import Score


def of_presence(score: Score, inputs: Sequence[Tensor], baselines: Sequence[Tensor]) -> Score:
    """Return a score as a function of masks, in which 1 takes an element from the input and 0 from the baseline.

    Elements are chosen and not mixed, so that a missing value, NaN, stays where it is.

    Parameters
    ----------
    score : callable
        The score.
    inputs, baselines : sequence of (1, *shape) Tensor
        The explained inputs, and the values of absent elements.
    """

    def masked(*masks: Tensor) -> Tensor:
        return score(
            *(torch.where(mask > 0.5, one, base) for mask, one, base in zip(masks, inputs, baselines, strict=True))
        )

    return masked
