"""Support vector machines: against ONNX Runtime, coupling against its closed form, gradients against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ml_nodes import FLOAT, INT64, STRING, labels_and_scores, ml_model

import onnxviz
from onnxviz.errors import EvaluationError
from onnxviz.model.operators.classical.scores import POST_TRANSFORMS
from onnxviz.model.operators.classical.support_vectors import kernel, pairwise_coupling, svm_classifier, svm_regressor

KERNELS = ("LINEAR", "POLY", "RBF", "SIGMOID")
FEATURES = 3
X = np.random.default_rng(0).standard_normal((9, FEATURES)).astype(np.float32)


def numbers(values: np.ndarray) -> list[float]:
    return np.float32(values).reshape(-1).tolist()


def regressor(kind: str, seed: int = 1) -> dict[str, Any]:
    draw = np.random.default_rng(seed).standard_normal
    return {
        "coefficients": numbers(draw(5)),
        "kernel_params": [0.25, 0.5, 3.0],
        "kernel_type": kind,
        "n_supports": 5,
        "rho": numbers(draw(1)),
        "support_vectors": numbers(draw((5, FEATURES))),
    }


def classifier(kind: str, classes: int, *, probabilities: bool, seed: int = 2) -> dict[str, Any]:
    generator = np.random.default_rng(seed + classes)
    draw = generator.standard_normal
    counts = generator.integers(1, 4, classes).tolist()
    pairs = classes * (classes - 1) // 2
    attributes: dict[str, Any] = {
        "coefficients": numbers(draw((classes - 1, sum(counts)))),
        "kernel_params": [0.25, 0.5, 2.0],
        "kernel_type": kind,
        "rho": numbers(draw(pairs)),
        "support_vectors": numbers(draw((sum(counts), FEATURES))),
        "vectors_per_class": counts,
    }
    if probabilities:
        attributes |= {"prob_a": numbers(-abs(draw(pairs))), "prob_b": numbers(draw(pairs) / 3)}
    return attributes


@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("one_class", [0, 1])
def test_regressor(compare, kind, one_class):
    compare(ml_model("SVMRegressor", {"x": X}, FLOAT, **regressor(kind), one_class=one_class), {"x": X})


def test_linear_regressor(compare):
    attributes = {"coefficients": [0.5, -1.0, 2.0], "kernel_params": [0.0, 0.0, 0.0], "rho": [0.25]}
    compare(ml_model("SVMRegressor", {"x": X}, FLOAT, **attributes, n_supports=0), {"x": X})


@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("probabilities", [False, True])
def test_classifier(compare, kind, classes, probabilities):
    attributes = classifier(kind, classes, probabilities=probabilities)
    labels = [7, 5, 9, 1, 3][:classes]
    compare(ml_model("SVMClassifier", {"x": X}, INT64, FLOAT, **attributes, classlabels_ints=labels), {"x": X})


@pytest.mark.parametrize("x", [X[0], X.astype(np.float64), np.array([[1, -2, 0], [0, 0, 3]]), X[:1]])
def test_classifier_for_other_inputs(compare, x):
    attributes = classifier("RBF", 3, probabilities=True)
    compare(ml_model("SVMClassifier", {"x": x}, INT64, FLOAT, **attributes, classlabels_ints=[0, 1, 2]), {"x": x})


@pytest.mark.parametrize("post_transform", POST_TRANSFORMS[:-1])
@pytest.mark.parametrize(("classes", "probabilities"), [(2, False), (2, True), (4, False), (4, True)])
def test_post_transforms(compare, classes, probabilities, post_transform):
    attributes = classifier("RBF", classes, probabilities=probabilities) | {"post_transform": post_transform}
    model = ml_model("SVMClassifier", {"x": X}, INT64, FLOAT, **attributes, classlabels_ints=list(range(classes)))
    compare(model, {"x": X})


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("probabilities", [False, True])
def test_linear_classifier(compare, classes, positive, probabilities):
    weights = np.random.default_rng(classes).standard_normal((classes, FEATURES))
    attributes: dict[str, Any] = {
        "coefficients": numbers(abs(weights) if positive else weights),
        "rho": [0.1],
        "kernel_params": [0.0] * 3,
    }
    if probabilities:
        attributes |= {"prob_a": [-1.0], "prob_b": [0.0]}
    model = ml_model("SVMClassifier", {"x": X}, INT64, FLOAT, **attributes, classlabels_ints=[7, 5, 9][:classes])
    compare(model, {"x": X})


def test_string_labels_become_their_index():
    names = ["ash", "elm", "oak"]
    attributes = classifier("RBF", 3, probabilities=False)
    model = ml_model("SVMClassifier", {"x": X}, STRING, FLOAT, **attributes, classlabels_strings=names)
    theirs = onnxviz.load(model).session()({"x": X})
    labels, scores = labels_and_scores(model, {"x": X}, names)
    assert labels == theirs["y0"].tolist()
    np.testing.assert_allclose(scores, theirs["y1"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_coupling_recovers_probabilities_whose_duels_are_consistent(classes):
    shares = torch.distributions.Dirichlet(torch.ones(classes, dtype=torch.float64)).sample((50,))
    first, second = torch.triu_indices(classes, classes, 1)
    duels = shares[:, first] / (shares[:, first] + shares[:, second])
    found = pairwise_coupling(duels, classes)
    torch.testing.assert_close(found.sum(-1), torch.ones(50, dtype=torch.float64))
    # The stopping rule bounds the gradient of the coupling's objective by 0.005 / classes, not the error: hence the margin.
    assert (found - shares).abs().mean() < 0.02


@pytest.mark.parametrize("kind", KERNELS)
def test_kernel_gradients(kind):
    x = torch.tensor(X[:4], dtype=torch.float64, requires_grad=True)
    vectors = torch.tensor(X[3:], dtype=torch.float64)  # one of them is a row of x
    assert torch.autograd.gradcheck(lambda x: kernel(x, vectors, kind, (0.25, 0.5, 3.0)), x)


@pytest.mark.parametrize(("classes", "probabilities"), [(2, False), (2, True), (3, False), (3, True)])
def test_classifier_gradients(classes, probabilities):
    attributes = classifier("RBF", classes, probabilities=probabilities)
    x = torch.tensor(X[:3], dtype=torch.float64, requires_grad=True)
    # The outputs are float32 by definition: the step must be large against their rounding.
    assert torch.autograd.gradcheck(
        lambda x: svm_classifier(x, **attributes, classlabels_ints=tuple(range(classes)))[1],
        x,
        eps=1e-3,
        atol=2e-3,
        rtol=2e-3,
    )


def test_regressor_gradient():
    x = torch.tensor(X[:3], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: svm_regressor(x, **regressor("POLY")), x, eps=1e-3, atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rho": [1.0]}, "needs? 3 vectors_per_class, 3 rho, and 3 of each prob_a and prob_b or none"),
        ({"prob_a": [1.0, 1.0, 1.0]}, "3 prob_a and 0 prob_b"),
        ({"vectors_per_class": [1, 1]}, "3 labels and 2 vectors_per_class"),
        ({"coefficients": [1.0]}, "1 coefficients; 3 classes and . support vectors need"),
        ({"support_vectors": [1.0]}, "support_vectors are 1 numbers; . rows for 3 features need"),
        ({"kernel_type": "WAVELET"}, "kernel_type is 'WAVELET'; ONNX knows LINEAR, POLY, RBF and SIGMOID"),
        ({"classlabels_ints": []}, "named by integers or by strings; the node has neither"),
    ],
)
def test_classifier_refusals(changes, message):
    attributes = classifier("RBF", 3, probabilities=False) | {"classlabels_ints": (0, 1, 2)} | changes
    with pytest.raises(EvaluationError, match=message):
        svm_classifier(torch.tensor(X), **attributes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rho": ()}, "has no rho; give a number, 0 for no offset"),
        ({"coefficients": [1.0]}, "1 coefficients for 5 support vectors"),
        ({"n_supports": 0}, "coefficients are 5 numbers; 1 rows for 3 features need 3"),
    ],
)
def test_regressor_refusals(changes, message):
    with pytest.raises(EvaluationError, match=message):
        svm_regressor(torch.tensor(X), **(regressor("RBF") | changes))


def test_a_linear_classifier_without_rho_is_refused():
    with pytest.raises(EvaluationError, match="has no rho"):
        svm_classifier(torch.tensor(X), coefficients=(1.0,) * 6, classlabels_ints=(0, 1))
