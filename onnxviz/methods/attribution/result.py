"""What an attribution method returns, and whether its parts add up to the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onnxviz.methods.attribution.places import Places


@dataclass(frozen=True)
class Completeness:
    """How far attributions add up to what they should explain.

    Attributes
    ----------
    total : float
        The sum of all attributions.
    difference : float
        The score of the input less that of the baseline.
    steps : int
        Of the integral; samples of Shapley's mean.
    """

    total: float
    difference: float
    steps: int

    @property
    def gap(self) -> float:
        """The distance of the two over the difference; infinite where there is no difference to explain."""
        if self.difference == 0:
            return 0.0 if self.total == 0 else float("inf")
        return abs(self.total - self.difference) / abs(self.difference)


@dataclass(frozen=True)
class Attribution:
    """What each element of the inputs did to a score.

    Attributes
    ----------
    method : str
        Its name, as on the command line.
    values : tuple of ndarray
        For each explained input, of a sample's shape; along axes whose elements were taken away as one the length is 1.
    signed : bool
        Whether a value is an element's share in the score, which may be negative; if not, only its size counts.
    unit : str
        What the values are.
    evaluations : int
        How many samples were scored.
    completeness : Completeness or None
        Where the method promises that its values add up.
    message : str
        What a reader should know, or nothing.
    """

    method: str
    values: tuple[np.ndarray, ...]
    signed: bool
    unit: str
    evaluations: int = 0
    completeness: Completeness | None = None
    message: str = ""

    def maps(self, places: Sequence[Places]) -> tuple[np.ndarray, ...]:
        """Return one number for each place of each input, the higher the more it raises the score: (*sizes) each.

        Shares are added up over what belongs to a place; of sizes the largest counts (Simonyan et al. 2014).
        """
        return tuple(
            place.total(values) if self.signed else place.largest(values)
            for place, values in zip(places, self.values, strict=True)
        )
