"""The values of questions as they are climbed: the same numbers, with a gradient that an ascent can follow."""

from __future__ import annotations

import torch
from torch import Tensor

from onnxviz.question import Question

_WIDTH = 0.5
"""The temperature of the soft maximum, in standard deviations of the values."""


def climbed_value(question: Question, values: Tensor) -> Tensor:
    """Return the answer to a question for each sample, with a slope to climb.

    Only the gradient differs from the question's own. The highest place is raised together with the places nearly as high: each has
    the weight of a soft maximum, whose temperature is half the standard deviation of the values. So the start, where no place
    stands out, is smooth, and in the end, where one does, the gradient is that of the maximum. Where all values are 0 after a
    rectifier there is no slope: there the highest value itself, which is not above 0, takes the place of the 0.

    Parameters
    ----------
    question : Question
        The question.
    values : (batch, *places) Tensor
        What the target's index leaves.

    Returns
    -------
    Tensor
        (batch,).
    """
    answer: Tensor = question(values)
    if values.ndim == 1 or not (question is Question.HIGHEST or question.rectifies):
        return answer
    flat = values.flatten(1)
    with torch.no_grad():
        top = flat.amax(1, keepdim=True)
        scale = (_WIDTH * flat.std(1, correction=0, keepdim=True)).clamp_min(torch.finfo(flat.dtype).tiny)
        weights = torch.softmax((flat - top) / scale, 1)
    soft = (flat * weights).sum(1)
    highest = soft + (top[:, 0] - soft).detach()
    return highest if question is Question.HIGHEST else torch.where(top[:, 0] > 0, answer, highest)
