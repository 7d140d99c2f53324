"""CDist of com.microsoft: distances between the rows of two matrices. Nearest neighbors and Gaussian processes are exported with it."""

from __future__ import annotations

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import operator


@operator("CDist", domain="com.microsoft")
def cdist(A: Tensor, B: Tensor, *, metric: str = "sqeuclidean") -> Tensor:
    """Return the distance, or its square, of each row of A to each row of B (com.microsoft CDist).

    The gradient is zero where two rows are equal.

    Parameters
    ----------
    A : (rows, features)
    B : (others, features)
    metric : {"sqeuclidean", "euclidean"}

    Returns
    -------
    (rows, others)

    Raises
    ------
    EvaluationError
        If the metric has another name.
    """
    if metric not in ("sqeuclidean", "euclidean"):
        raise EvaluationError(f'CDist has metric="{metric}"; it is "sqeuclidean" or "euclidean"')
    distances = torch.cdist(A, B, compute_mode="donot_use_mm_for_euclid_dist")
    return distances if metric == "euclidean" else distances.square()
