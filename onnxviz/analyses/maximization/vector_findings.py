"""Findings about a vector: whole numbers and one-hot codes settled, contributions of features, the nearest real rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.methods.ascent.lattice import Lattice
from onnxviz.methods.ascent.swaps import greedy_swaps
from onnxviz.methods.evidence.contributions import Contributions, contributions
from onnxviz.methods.evidence.neighbors import Neighbors, nearest_rows
from onnxviz.wording import number_text

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.features import Features
    from onnxviz.analyses.maximization.task import Search
    from onnxviz.methods.ascent.scorer import Scorer
    from onnxviz.methods.ascent.search import Found
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.objectives.objectives import Objective

Climb = Callable[["Space", "Objective"], "Found"]
"""Climbs one objective from one start in a space."""

# Whole numbers and codes are swapped, then the other features climb on: so many times, while it pays.
# On five small networks with four discrete parts, rounding alone reached 91 % of the best of a fine grid, this 97 %;
# starting from several restarts changed nothing.
_TURNS = 3
_MOST_LOOKS = 16384


@dataclass(frozen=True, eq=False)
class VectorFindings:
    """Findings about a vector.

    Attributes
    ----------
    array : (feature,) float32
        The input that is fed.
    reference : (feature,) float32
        The vector that contributions are measured against.
    contributions : Contributions
        Contributions of features to the target's score.
    neighbors : Neighbors or None
        The nearest real rows, where there is data.
    neighbor_rows : (k, feature) float32
        The nearest real rows.
    neighbor_scores : (k,) ndarray
        The scores of the nearest real rows.
    """

    array: np.ndarray
    reference: np.ndarray
    contributions: Contributions
    neighbors: Neighbors | None
    neighbor_rows: np.ndarray
    neighbor_scores: np.ndarray

    def drops(self) -> np.ndarray:
        """Return contributions, (feature,): of a one-hot code at the member that is set; NaN where nothing was measured."""
        drops = np.full(self.array.shape, np.nan)
        for part, drop in zip(self.contributions.parts, self.contributions.drops, strict=True):
            drops[max(part, key=lambda place: self.array[place])] = drop if np.isfinite(drop) else np.nan
        return drops

    def drawn(self) -> dict[str, Any]:
        """Return the fields of `FeatureVector` that tell of contributions and of the nearest rows."""
        told: dict[str, Any] = {"drops": self.drops(), "reference": self.reference}
        if self.neighbors is not None:
            told |= {"rows": self.neighbor_rows, "row_names": self.row_names()}
        return told

    def row_names(self) -> list[str]:
        """Return a few words for each of the nearest rows."""
        if self.neighbors is None:
            return []
        return [
            f"real row {row}: score {number_text(score)}, {distance:.2g}σ away"
            for row, distance, score in zip(
                self.neighbors.rows, self.neighbors.distances, self.neighbor_scores, strict=True
            )
        ]

    def distance_text(self) -> str:
        """Return how far the nearest real row is, beside how far real rows are from one another."""
        if self.neighbors is None or not len(self.neighbors.distances):
            return ""
        return (
            f" · nearest real row {self.neighbors.distances[0]:.2g}σ away; "
            f"real rows have theirs at {self.neighbors.usual:.2g}σ"
        )

    def summary(self, features: Features) -> dict[str, Any]:
        """Return what result.json tells, with the names of features."""
        told: dict[str, Any] = {
            "names": list(features.names),
            "contributions": [
                {
                    "features": list(part),
                    "name": features.name(max(part, key=lambda place: self.array[place])),
                    "value": [float(self.array[place]) for place in part],
                    "reference": [float(self.reference[place]) for place in part],
                    "drop": float(drop),
                }
                for part, drop in zip(self.contributions.parts, self.contributions.drops, strict=True)
            ],
            "unmeasured": self.contributions.unmeasured,
        }
        if features.unordered is not None:
            told["texts"] = {
                features.name(place): texts[round(float(self.array[place]))]
                for place, texts in enumerate(features.texts)
                if texts
            }
        if self.neighbors is not None:
            told["nearest"] = [
                {"row": int(row), "distance": float(distance), "ort_score": float(score)}
                for row, distance, score in zip(
                    self.neighbors.rows, self.neighbors.distances, self.neighbor_scores, strict=True
                )
            ]
            told["usual_distance"] = self.neighbors.usual
        return told


def vector_findings(
    search: Search,
    features: Features,
    objective: Objective,
    found: Found,
    score: Scorer,
    score_climbed: Scorer,
    climb: Climb,
) -> VectorFindings:
    """Return a vector with whole numbers and codes settled, the contribution of each feature, and the nearest real rows.

    Parameters
    ----------
    search : Search
        Of a vector.
    features : Features
        The features.
    objective : Objective
        The target.
    found : Found
        The result of the ascents; the climbed objective may differ from the target.
    score, score_climbed : Scorer
        Scorers of the target's tensors, and of the climbed tensors.
    climb : callable
        Climbs the other features, once whole numbers and codes are settled.
    """
    free = np.stack([ascent.array for ascent in found.ascents]).astype(np.float32)
    array, groups, lattice = free[found.best], features.groups, search.lattice
    if lattice is not None:
        array = _settled(search, lattice, free, found, score_climbed, climb)
    reference = _reference(search, features)
    scale = _scale(search, features)
    grouped = {place for group in groups for place in group}
    parts = [*groups, *((place,) for place in range(array.size) if place not in grouped)]
    told = contributions(partial(score.alone, objective), array, reference, parts, (array - reference) / scale)
    table = features.rows
    if table is None:
        return VectorFindings(array, reference, told, None, np.empty((0, array.size), np.float32), np.empty(0))
    near = nearest_rows(*_apart(features, table, array, scale))
    neighbors, rows = near, table[near.rows].astype(np.float32)
    return VectorFindings(array, reference, told, neighbors, rows, score.alone(objective, rows))


def _apart(
    features: Features, table: np.ndarray, point: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, a point and scales in which two texts that differ lie one unit apart, whatever their codes."""
    if features.unordered is None:
        return table, point, scale
    rows, points, scales = [], [], []
    for place, texts in enumerate(features.texts):
        if texts:
            codes = np.arange(len(texts))
            rows.append((table[:, place, None] == codes) / np.sqrt(2))
            points.append((point[place] == codes) / np.sqrt(2))
            scales.append(np.ones(len(texts)))
        else:
            rows.append(table[:, place, None])
            points.append(point[place, None])
            scales.append(scale[place, None])
    return np.concatenate(rows, axis=1), np.concatenate(points), np.concatenate(scales)


def _settled(
    search: Search,
    lattice: Lattice,
    free: np.ndarray,
    found: Found,
    score: Scorer,
    climb: Climb,
) -> np.ndarray:
    """Return the best input after swaps of whole numbers and codes; the other features climb on from there."""
    measured = partial(score.alone, found.objective)
    every = lattice.nearest(free)
    best = int(np.nan_to_num(measured(every), nan=-np.inf).argmax())
    array: np.ndarray = every[best]
    moved = not np.array_equal(array, free[best])
    members = lattice.members
    for _ in range(_TURNS):
        looks = max(1, len(lattice.neighbors(array)))
        swapped = greedy_swaps(measured, array, lattice.neighbors, rounds=max(1, min(256, _MOST_LOOKS // looks)))
        array = swapped.point
        moved = moved or swapped.rounds > 0
        # Where nothing was rounded or swapped, the others stand at their best already.
        if not moved or members.all() or search.space.low is None or search.space.high is None:
            break
        ends = [
            np.array(np.broadcast_to(end, array.shape), np.float64) for end in (search.space.low, search.space.high)
        ]
        for end in ends:
            end[members] = array[members]
        pinned = replace(search.space, low=ends[0], high=ends[1], mean=array.astype(np.float64), groups=())
        other = lattice.nearest(climb(pinned, found.objective).ascent.array)
        before, after = measured(np.stack([array, other]))
        if not after > before:
            break
        array = other
        if not swapped.rounds and after - before <= 1e-4 * abs(before):
            break
    return array


def _reference(search: Search, features: Features) -> np.ndarray:
    """Return the data's mean, the middle of the box, or the center of the ball; of whole numbers and codes an allowed one."""
    space, count = search.space, search.shape[1]
    if space.low is not None and space.high is not None and not bool(space.mean.any()):
        middle = np.clip(np.broadcast_to((space.low + space.high) / 2, (count,)), -3e38, 3e38)
    else:
        middle = np.broadcast_to(space.mean, (count,))
    if features.unordered is not None and features.mean is None:
        middle = np.where(features.unordered, 0.0, middle)  # the first text, as where nothing is set
    reference = np.array(search.settled(middle.astype(np.float32)))
    for place, value in features.kept.items():
        reference[place] = value
    return reference


def _scale(search: Search, features: Features) -> np.ndarray:
    """Return units in which the features' moves compare."""
    space, count = search.space, search.shape[1]
    if features.scale is not None:
        scale = features.scale
    elif space.low is not None and space.high is not None and bool((space.scale == 1).all()):
        scale = (np.asarray(space.high) - space.low) / 4
    else:
        scale = space.scale
    scale = np.broadcast_to(scale, (count,))
    units: np.ndarray = np.where((scale > 0) & np.isfinite(scale), scale, 1.0)
    return units
