"""The activity of the units of a tensor on one sample: its score, how far it varies, extremes, and the position of the maximum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnxviz.question import Question


@dataclass(frozen=True)
class Activity:
    """The activity of one unit.

    Attributes
    ----------
    index : int
        The number of the unit along its axis.
    score : float
        The answer to the target's question at this unit, which is the value of the target that picks this unit.
    mean : float
        The mean over all positions.
    spread : float
        The standard deviation over its positions; 0 of a constant map.
    strength : float
        The root mean square over its positions.
    low, high : float
        The lowest and the highest value.
    position : tuple of int
        The position of the highest value along the other axes.
    """

    index: int
    score: float
    mean: float
    spread: float
    strength: float
    low: float
    high: float
    position: tuple[int, ...]


def unit_activity(values: np.ndarray, axis: int, question: Question = Question.MEAN) -> list[Activity]:
    """Return the activity of every unit of a tensor, the strongest first.

    Units with positions are ranked by how far they vary over these, since a map that is the same everywhere says nothing about
    the sample. Units with a single value are ranked by that value.

    Parameters
    ----------
    values : ndarray
        The tensor for one sample, without the batch axis. A value that is no number counts as the lowest.
    axis : int
        The axis of the units.
    question : Question
        What the score of a unit answers.

    Returns
    -------
    list of Activity
        One for each unit.

    Examples
    --------
    >>> [one.index for one in unit_activity(np.array([0.1, 3.0, -5.0]), 0)]
    [1, 0, 2]
    >>> [one.index for one in unit_activity(np.array([[9.0, 9.0], [0.0, 2.0]]), 0)]
    [1, 0]
    """
    moved = np.moveaxis(np.asarray(values, np.float64), axis, 0)
    flat = moved.reshape(len(moved), -1)
    if not flat.size:
        return []
    mean, low, high = flat.mean(1), flat.min(1), flat.max(1)
    strength, spread = np.sqrt((flat**2).mean(1)), flat.std(1)
    score = np.asarray(question(moved, 1))
    # NaN is replaced, since argmax would take it for the highest value.
    highest = np.where(np.isnan(flat), -np.inf, flat).argmax(1)
    rank = mean if flat.shape[1] == 1 else spread
    order = np.argsort(-np.nan_to_num(rank, nan=-np.inf, posinf=np.inf, neginf=-np.inf), kind="stable")
    places = np.unravel_index(highest, moved.shape[1:]) if moved.ndim > 1 else ()
    return [
        Activity(
            int(unit),
            float(score[unit]),
            float(mean[unit]),
            float(spread[unit]),
            float(strength[unit]),
            float(low[unit]),
            float(high[unit]),
            tuple(int(place[unit]) for place in places),
        )
        for unit in order
    ]
