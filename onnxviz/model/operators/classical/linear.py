"""Linear models of ai.onnx.ml: LinearClassifier and LinearRegressor, with ONNX Runtime's conventions for two classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.classical.attributes import DOMAIN, class_labels, constant, label_count, rows
from onnxviz.model.operators.classical.scores import transformed, two_columns
from onnxviz.model.operators.declaration import operator


def _affine(x: Tensor, coefficients: Sequence[float], intercepts: Sequence[float], count: int, name: str) -> Tensor:
    if len(coefficients) != count * x.shape[1]:
        raise EvaluationError(
            f"{name} has {len(coefficients)} coefficients; {count} rows for {x.shape[1]} features need "
            f"{count * x.shape[1]}"
        )
    weight = constant(coefficients, x.dtype, x.device).view(count, -1)
    # As in ONNX Runtime, intercepts of another length are ignored.
    bias = constant(intercepts, x.dtype, x.device) if len(intercepts) == count else None
    return F.linear(x, weight, bias)


@operator("LinearRegressor", domain=DOMAIN)
def linear_regressor(
    X: Tensor,
    *,
    coefficients: Sequence[float] = (),
    intercepts: Sequence[float] = (),
    targets: int = 1,
    post_transform: str = "NONE",
) -> Tensor:
    """Return X·Wᵀ + b, (batch, targets) float32 (ai.onnx.ml LinearRegressor 1)."""
    scores = _affine(rows(X, "LinearRegressor"), coefficients, intercepts, targets, "LinearRegressor")
    return transformed(scores, post_transform).float()


# `multi_class` changes no result.
@operator("LinearClassifier", domain=DOMAIN, ignored=("multi_class",))
def linear_classifier(
    X: Tensor,
    *,
    coefficients: Sequence[float],
    intercepts: Sequence[float] = (),
    classlabels_ints: Sequence[int] = (),
    classlabels_strings: Sequence[str] = (),
    post_transform: str = "NONE",
) -> tuple[Tensor, Tensor]:
    """Return the label and the scores of a linear classifier (ai.onnx.ml LinearClassifier 1).

    With a single row of coefficients for two classes, ONNX Runtime's conventions hold. The row gives a score s. For LOGISTIC the two
    columns are the logistic function of -s and s. Otherwise they are 1 - s and s, untransformed. The label is the second class where s > 0.

    Returns
    -------
    label : (batch,) int64
        The integer label of the class, or the position of its string label.
    scores : (batch, class) float32
    """
    x = rows(X, "LinearClassifier")
    classes = label_count(classlabels_ints, classlabels_strings, "LinearClassifier")
    count = len(intercepts) or len(coefficients) // max(x.shape[1], 1)
    if count != classes and (count, classes) != (1, 2):
        raise EvaluationError(
            f"LinearClassifier has {count} rows of coefficients for {classes} classes; give a row for each class, or a "
            "single row for two classes"
        )
    scores = _affine(x, coefficients, intercepts, count, "LinearClassifier")
    if (count, classes) == (1, 2):
        index = (scores[:, 0] > 0).long()
        scores = two_columns(scores[:, 0], post_transform, complement=True, operator="LinearClassifier")
    else:
        index = torch.argmax(scores, -1)
        scores = transformed(scores, post_transform)
    return class_labels(index, classlabels_ints, classlabels_strings), scores.float()
