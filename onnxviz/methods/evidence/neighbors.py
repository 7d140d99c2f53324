"""The real samples nearest to an input, and the usual distance between real samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_ONCE = 4096
_MOST_COMPARED = 512


@dataclass(frozen=True, slots=True, eq=False)
class Neighbors:
    """The real rows nearest to a point.

    Attributes
    ----------
    rows : (k,) int
        The numbers of the rows, the nearest first.
    distances : (k,) float64
        Their Euclidean distances, in standard deviations of the features.
    usual : float
        The median distance from a real row to the real row nearest to it; 0 where there is only one row.
    """

    rows: NDArray[np.intp]
    distances: NDArray[np.float64]
    usual: float


def nearest_rows(
    table: NDArray[np.floating], point: NDArray[np.floating], scale: NDArray[np.floating], count: int = 3
) -> Neighbors:
    """Return the rows of a table that lie nearest to a point.

    Parameters
    ----------
    table : (row, feature)
        The real rows; NaN for a missing value. A distance then is that of the known features, scaled up to all of them.
    point : (feature,)
        The point.
    scale : (feature,)
        The features' standard deviations. A feature that never varies is measured in its own units.
    count : int
        How many rows to return. If there are fewer, all are returned.

    Notes
    -----
    The usual distance is taken from up to 512 rows, evenly spread over the table, to all other rows.
    """
    unit = np.where(scale > 0, scale, 1.0).astype(np.float64)
    distances = _distances(table, np.asarray(point, np.float64)[None], unit)[0]
    order = np.argsort(distances, kind="stable")[:count]
    picked = np.unique(np.linspace(0, len(table) - 1, min(len(table), _MOST_COMPARED)).astype(np.intp))
    among = _distances(table, np.asarray(table[picked], np.float64), unit)
    among[np.arange(len(picked)), picked] = np.inf
    usual = float(np.median(among.min(axis=1))) if len(table) > 1 else 0.0
    return Neighbors(order, distances[order], usual)


def _distances(
    table: NDArray[np.floating], points: NDArray[np.float64], unit: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distances of points to rows, (point, row), computed for some rows of the table at a time."""
    found = np.empty((len(points), len(table)))
    for first in range(0, len(table), _ROWS_AT_ONCE):
        rows = np.asarray(table[first : first + _ROWS_AT_ONCE], np.float64) / unit
        for number, point in enumerate(points):
            apart = rows - point / unit
            known = ~np.isnan(apart)
            part = np.sqrt(apart.shape[1] / np.maximum(known.sum(axis=1), 1))
            distance = np.linalg.norm(np.where(known, apart, 0.0), axis=1) * part
            found[number, first : first + len(rows)] = np.where(known.any(axis=1), distance, np.inf)
    return found
