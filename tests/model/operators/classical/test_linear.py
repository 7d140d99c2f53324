"""Linear models of ai.onnx.ml: ONNX Runtime's conventions, gradients, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ml_nodes import FLOAT, INT64, STRING, labels_and_scores, ml_model

import onnxviz
from onnxviz.errors import EvaluationError
from onnxviz.model.operators.classical.linear import linear_classifier, linear_regressor
from onnxviz.model.operators.classical.scores import POST_TRANSFORMS

X = np.array([[1.0, 2.0], [0.3, -0.4], [-1.0, -1.0], [0.0, 0.0]], np.float32)
ONE_ROW = {"coefficients": [0.2, 0.1], "intercepts": [0.05]}
ROWS = {"coefficients": [0.2, 0.1, 0.3, 0.1, -0.5, 0.25], "intercepts": [0.05, 0.01, 0.0]}


@pytest.mark.parametrize("post_transform", POST_TRANSFORMS)
@pytest.mark.parametrize("x", [X, X[0], X.astype(np.float64), np.array([[1, 2], [-3, 0]])])
def test_classifier_with_a_row_for_each_class(compare, x, post_transform):
    model = ml_model(
        "LinearClassifier", {"x": x}, INT64, FLOAT, **ROWS, classlabels_ints=[7, 5, 9], post_transform=post_transform
    )
    compare(model, {"x": x})


@pytest.mark.parametrize("post_transform", POST_TRANSFORMS[:-1])
def test_classifier_with_one_row_for_two_classes(compare, post_transform):
    model = ml_model(
        "LinearClassifier", {"x": X}, INT64, FLOAT, **ONE_ROW, classlabels_ints=[7, 5], post_transform=post_transform
    )
    compare(model, {"x": X})


@pytest.mark.parametrize("post_transform", POST_TRANSFORMS)
@pytest.mark.parametrize(
    "attributes", [ONE_ROW, {**ROWS, "targets": 3}, {"coefficients": [0.2, 0.1]}, {**ONE_ROW, "intercepts": [1.0, 2.0]}]
)
def test_regressor(compare, attributes, post_transform):
    compare(ml_model("LinearRegressor", {"x": X}, FLOAT, **attributes, post_transform=post_transform), {"x": X})


def test_string_labels_become_their_index():
    names = ["no", "yes"]
    model = ml_model("LinearClassifier", {"x": X}, STRING, FLOAT, **ONE_ROW, classlabels_strings=names)
    theirs = onnxviz.load(model).session()({"x": X})
    labels, scores = labels_and_scores(model, {"x": X}, names)
    assert labels == theirs["y0"].tolist()
    np.testing.assert_allclose(scores, theirs["y1"], rtol=1e-6)


def test_without_intercepts_the_rows_are_counted_by_the_coefficients():
    label, scores = linear_classifier(torch.tensor(X), coefficients=(1.0, 0.0, 0.0, 1.0), classlabels_ints=(3, 4))
    assert torch.equal(scores, torch.tensor(X))
    assert label.tolist() == [4, 3, 3, 3]


@pytest.mark.parametrize("post_transform", POST_TRANSFORMS[:-1])
def test_gradients(post_transform):
    # The outputs are float32 by definition: the step must be large against their rounding.
    x = torch.tensor(X[:3] + 0.125, dtype=torch.float64, requires_grad=True)  # SOFTMAX_ZERO jumps at a score of zero

    def scores(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        shared = {"post_transform": post_transform}
        return (
            linear_classifier(x, **ONE_ROW, classlabels_ints=(0, 1), **shared)[1],
            linear_classifier(x, **ROWS, classlabels_ints=(0, 1, 2), **shared)[1],
            linear_regressor(x, **ROWS, targets=3, **shared),
        )

    assert torch.autograd.gradcheck(scores, x, eps=1e-3, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {**ONE_ROW, "classlabels_ints": [0, 1, 2]},
            "1 rows of coefficients for 3 classes; give a row for each class, or a single row for two classes",
        ),
        (
            {**ONE_ROW, "coefficients": [1.0], "classlabels_ints": [0, 1]},
            "1 coefficients; 1 rows for 2 features need 2",
        ),
        (ONE_ROW, "named by integers or by strings; the node has neither"),
        (
            {**ONE_ROW, "classlabels_ints": [0, 1], "post_transform": "PROBIT"},
            "second column is not defined; aim at a tensor before it",
        ),
        ({**ONE_ROW, "classlabels_ints": [0, 1], "post_transform": "CUBE"}, "post_transform is 'CUBE'"),
        (
            {**ROWS, "classlabels_ints": [0, 1, 2], "post_transform": "CUBE"},
            "post_transform is 'CUBE'; ONNX knows NONE, LOGISTIC",
        ),
    ],
)
def test_refusals(attributes, message):
    network = onnxviz.load(ml_model("LinearClassifier", {"x": X}, INT64, FLOAT, **attributes)).network()
    with pytest.raises(EvaluationError, match=message):
        network({"x": X})
