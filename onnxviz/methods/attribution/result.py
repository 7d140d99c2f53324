"""The result of an attribution method, and how well its values add up to the difference that they explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onnxviz.methods.attribution.places import Places


@dataclass(frozen=True)
class Completeness:
    """The sum of the attributions, and the difference of scores that they should add up to.

    Attributes
    ----------
    total : float
        The sum of all attributions.
    difference : float
        The score of the input minus that of the baseline.
    steps : int
        The points of the integral, or the samples of the mean of Shapley values.
    """

    total: float
    difference: float
    steps: int

    @property
    def gap(self) -> float:
        """The error of the sum as a share of the difference; infinite where the difference is 0."""
        if self.difference == 0:
            return 0.0 if self.total == 0 else float("inf")
        return abs(self.total - self.difference) / abs(self.difference)


@dataclass(frozen=True)
class Attribution:
    """The effect of each element of the inputs on a score.

    Attributes
    ----------
    method : str
        The name of the method, as a person gives it.
    values : tuple of ndarray
        The values for each explained input, of a sample's shape. Axes whose elements were removed together have the length 1.
    signed : bool
        Whether a value is an element's share of the score, which may be negative. If not, only its magnitude has a meaning.
    unit : str
        The unit of the values.
    evaluations : int
        How many samples were scored.
    completeness : Completeness or None
        The completeness, for methods whose values should add up.
    message : str
        A warning about the values, or "".
    """

    method: str
    values: tuple[np.ndarray, ...]
    signed: bool
    unit: str
    evaluations: int = 0
    completeness: Completeness | None = None
    message: str = ""

    def maps(self, places: Sequence[Places]) -> tuple[np.ndarray, ...]:
        """Return one number for each place of each input, (*sizes) each; a higher number means that the place raises the score more.

        Signed values are summed over the elements of a place. Of magnitudes the largest is taken (Simonyan et al. 2014).
        """
        return tuple(
            place.total(values) if self.signed else place.largest(values)
            for place, values in zip(places, self.values, strict=True)
        )
