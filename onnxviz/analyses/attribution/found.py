"""What one attribution method found, and how true it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnxviz.methods.attribution.faithfulness import Faithfulness
    from onnxviz.methods.attribution.result import Attribution


@dataclass(frozen=True)
class Found:
    """One method's attribution.

    Attributes
    ----------
    attribution : Attribution
        A value for each number of the input.
    maps : tuple of ndarray
        For each explained tensor a value for each place.
    faithfulness : Faithfulness
        How the score falls and rises as the most important places are deleted and inserted.
    seconds : float
        The time that the method took.
    """

    attribution: Attribution
    maps: tuple[np.ndarray, ...]
    faithfulness: Faithfulness
    seconds: float
