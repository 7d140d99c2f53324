"""The question that a target asks of the values which its index leaves: their mean, the highest, the one in the middle."""

from __future__ import annotations

from enum import Enum
from typing import Any


class Question(Enum):
    """How the values that an index leaves of a sample become one number.

    The same reduction is used for arrays of numpy and for tensors of torch, so that ONNX Runtime's scores and torch's scores are
    scores of the same question.

    Attributes
    ----------
    value : str
        The name. ``mean``, ``max`` and ``center`` are functions of the notation too: ``max(scores[..., 1])``.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.array([[-3.0, 1.0, 2.0]])
    >>> [float(one(values)[0]) for one in (Question.MEAN, Question.HIGHEST, Question.CENTER, Question.RECTIFIED)]
    [0.0, 2.0, 1.0, 1.0]
    """

    VALUE = "value"
    MEAN = "mean"
    HIGHEST = "max"
    CENTER = "center"
    RECTIFIED = "rectified"
    LOUD = "loud"

    @property
    def sentence(self) -> str:
        """The question in a few words."""
        return _SENTENCES[self]

    @property
    def rectifies(self) -> bool:
        """Whether values below 0 count as 0."""
        return self in (Question.RECTIFIED, Question.LOUD)

    def __call__(self, values: Any, kept: int = 1) -> Any:
        """Return one number for the values of each sample.

        Parameters
        ----------
        values : (batch, *kept, *places) ndarray or Tensor
            Floating-point values.
        kept : int
            The number of axes in front that stay: the batch, and perhaps the units.

        Returns
        -------
        (batch, *kept) ndarray or Tensor
            The mean (MEAN, and VALUE, where one value is left), the highest value, the value at the middle of every axis (of
            two middle ones the later); the mean of the rectified values, where those below 0 count as 0 (RECTIFIED); or the
            root mean square of these, which lies between their mean and the highest (LOUD).
        """
        if values.ndim == kept:
            return values.clip(min=0) if self.rectifies else values
        if self is Question.CENTER:
            middle = tuple(size // 2 for size in values.shape[kept:])
            return values[(slice(None),) * kept + middle]
        flat = values.reshape(*values.shape[:kept], -1)
        if self is Question.HIGHEST:
            return _highest(flat)
        if self.rectifies:
            flat = flat.clip(min=0)
        return _root_mean_square(flat) if self is Question.LOUD else flat.mean(-1)


ASKED = {one.value: one for one in (Question.MEAN, Question.HIGHEST, Question.CENTER)}
"""The questions that the notation can ask for, by the name of their function."""

_SENTENCES = {
    Question.VALUE: "single value",
    Question.MEAN: "mean over places",
    Question.HIGHEST: "highest place",
    Question.CENTER: "center",
    Question.RECTIFIED: "mean after the rectifier",
    Question.LOUD: "mean over loud places",
}


def _highest(flat: Any) -> Any:
    return flat.amax(-1) if hasattr(flat, "amax") else flat.max(-1)  # torch's `max` returns places too


def _root_mean_square(flat: Any) -> Any:
    """Return the root mean square of values of 0 and above.

    Quiet places hardly count, and all loud ones do. Of pictures of one norm the kernel repeated wherever it fits has the highest
    value, where the plain mean is highest for an even color. The values are divided by the highest first, so that no square
    overflows.
    """
    top = _highest(flat)
    safe = top + (top == 0)
    ratio = flat / safe[..., None]
    mean = (ratio * ratio).mean(-1)
    # The root has no finite slope at 0, so zeros go around it.
    return safe * (mean + (mean == 0)) ** 0.5 * (mean != 0)
