"""How strongly the units of a tensor answer one sample: mean, extremes, where the maximum lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Activity:
    """What one unit answers.

    Attributes
    ----------
    index : int
        The unit's place along its axis.
    mean : float
        Over all its positions: the value of the target that picks this unit.
    strength : float
        The root mean square over its positions.
    low, high : float
        Its extremes.
    position : tuple of int
        Where the highest value lies, along the other axes.
    """

    index: int
    mean: float
    strength: float
    low: float
    high: float
    position: tuple[int, ...]


def unit_activity(values: np.ndarray, axis: int) -> list[Activity]:
    """Measure every unit of a tensor, the strongest first.

    Units with positions are ranked by the root mean square over them, units of a single value by that value.

    Parameters
    ----------
    values : ndarray
        One sample, without the batch. What is no number counts as the lowest.
    axis : int
        The axis that counts the units.

    Returns
    -------
    list of Activity

    Examples
    --------
    >>> [one.index for one in unit_activity(np.array([0.1, 3.0, -5.0]), 0)]
    [1, 0, 2]
    """
    moved = np.moveaxis(np.asarray(values, np.float64), axis, 0)
    flat = moved.reshape(len(moved), -1)
    if not flat.size:
        return []
    mean, low, high = flat.mean(1), flat.min(1), flat.max(1)
    strength = np.sqrt((flat**2).mean(1))
    # A NaN would be the highest value to argmax.
    highest = np.where(np.isnan(flat), -np.inf, flat).argmax(1)
    rank = mean if flat.shape[1] == 1 else strength
    order = np.argsort(-np.nan_to_num(rank, nan=-np.inf, posinf=np.inf, neginf=-np.inf), kind="stable")
    places = np.unravel_index(highest, moved.shape[1:]) if moved.ndim > 1 else ()
    return [
        Activity(
            int(unit),
            float(mean[unit]),
            float(strength[unit]),
            float(low[unit]),
            float(high[unit]),
            tuple(int(place[unit]) for place in places),
        )
        for unit in order
    ]
