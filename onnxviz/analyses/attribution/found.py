"""The result of one attribution method, and its faithfulness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnxviz.methods.attribution.faithfulness import Faithfulness
    from onnxviz.methods.attribution.result import Attribution


@dataclass(frozen=True)
class Found:
    """The result of one method.

    Attributes
    ----------
    attribution : Attribution
        A value for each number of the input.
    maps : tuple of ndarray
        A value for each place of each explained tensor.
    faithfulness : Faithfulness
        How the score falls and rises as the most important places are deleted and inserted.
    seconds : float
        The seconds that the method took.
    """

    attribution: Attribution
    maps: tuple[np.ndarray, ...]
    faithfulness: Faithfulness
    seconds: float
