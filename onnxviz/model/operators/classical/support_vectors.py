"""Support vector machines of ai.onnx.ml: SVMRegressor, and SVMClassifier with votes, Platt probabilities and coupling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz import kinks
from onnxviz.errors import EvaluationError
from onnxviz.model.operators.classical.attributes import DOMAIN, class_labels, constant, label_count, remembered, rows
from onnxviz.model.operators.classical.scores import transformed, two_columns
from onnxviz.model.operators.declaration import operator
from onnxviz.model.operators.shapes.allocation import allowed

_MOST_ROUNDS = 100  # the largest number of rounds of pairwise coupling, as in LIBSVM
_SMALLEST_PROBABILITY = 1e-7


def kernel(x: Tensor, vectors: Tensor, kernel_type: str, parameters: Sequence[float]) -> Tensor:
    """Return the kernel of each row of the input with each support vector.

    Parameters
    ----------
    x : (batch, feature) float
    vectors : (vector, feature) float
    kernel_type : str
        LINEAR x·v, POLY (γ x·v + c)^d, RBF exp(-γ |x - v|²) or SIGMOID tanh(γ x·v + c).
    parameters : sequence of float
        γ, c and d. Missing numbers are zeros.

    Returns
    -------
    (batch, vector) float

    Raises
    ------
    EvaluationError
        If the kernel has another name.
    """
    gamma, offset, degree = [*parameters, 0.0, 0.0, 0.0][:3]
    if kernel_type == "LINEAR":
        return x @ vectors.T
    if kernel_type == "RBF":
        # The distance is computed from differences. In float32 the sum |x|² - 2 x·v + |v|² loses digits where x is near v.
        distance = torch.cdist(x, vectors, compute_mode="donot_use_mm_for_euclid_dist")
        return torch.exp(-gamma * distance.square())
    if kernel_type == "POLY":
        return (gamma * (x @ vectors.T) + offset).pow(degree)
    if kernel_type == "SIGMOID":
        return torch.tanh(gamma * (x @ vectors.T) + offset)
    raise EvaluationError(f"kernel_type is {kernel_type!r}; ONNX knows LINEAR, POLY, RBF and SIGMOID")


def _matrix(values: Sequence[float], count: int, x: Tensor, what: str) -> Tensor:
    if len(values) != count * x.shape[1]:
        raise EvaluationError(
            f"{what} are {len(values)} numbers; {count} rows for {x.shape[1]} features need {count * x.shape[1]} numbers"
        )
    return constant(values, x.dtype, x.device).view(count, -1)


# ONNX Runtime ignores `post_transform` of this operator. Only PROBIT would change a single column.
@operator("SVMRegressor", domain=DOMAIN, ignored=("post_transform",))
def svm_regressor(
    X: Tensor,
    *,
    coefficients: Sequence[float] = (),
    kernel_params: Sequence[float] = (),
    kernel_type: str = "LINEAR",
    n_supports: int = 0,
    one_class: int = 0,
    rho: Sequence[float] = (),
    support_vectors: Sequence[float] = (),
) -> Tensor:
    """Return Σ αᵢ k(xᵢ, x) + ρ, or its sign if `one_class`, (batch, 1) float32 (ai.onnx.ml SVMRegressor 1).

    Without support vectors the model is linear: α·x + ρ.
    """
    x = rows(X, "SVMRegressor")
    if not rho:
        raise EvaluationError("SVMRegressor has no rho; give a number, 0 for no offset")
    if n_supports > 0:
        vectors = _matrix(support_vectors, n_supports, x, "SVMRegressor's support_vectors")
        weight = constant(coefficients, x.dtype, x.device)
        if len(weight) != n_supports:
            raise EvaluationError(
                f"SVMRegressor has {len(weight)} coefficients for {n_supports} support vectors; give each vector a coefficient"
            )
        score = kernel(x, vectors, kernel_type, kernel_params) @ weight.unsqueeze(1) + rho[0]
    else:
        score = x @ _matrix(coefficients, 1, x, "SVMRegressor's coefficients").T + rho[0]
    if one_class:
        score = torch.where(score > 0, torch.ones_like(score), -torch.ones_like(score))
    return score.float()


@remembered
def _pair_weights(
    coefficients: Sequence[float], vectors_per_class: Sequence[int], dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Return the weights of all support vectors in the decision function of each pair of classes, (pair, vector).

    The coefficients have LIBSVM's layout, (class - 1, vector). For classes i < j row j - 1 holds the weights of the vectors of i, and row i
    those of the vectors of j.
    """
    classes, total = len(vectors_per_class), sum(vectors_per_class)
    if len(coefficients) != (classes - 1) * total:
        raise EvaluationError(
            f"SVMClassifier has {len(coefficients)} coefficients; {classes} classes and {total} support vectors need "
            f"{(classes - 1) * total}"
        )
    table = np.array(coefficients, np.float64).reshape(classes - 1, total)
    first, second = np.triu_indices(classes, 1)
    allowed((len(first), total), "SVMClassifier")
    owner = np.repeat(np.arange(classes), vectors_per_class)
    of_first, of_second = owner[None] == first[:, None], owner[None] == second[:, None]
    weights = np.where(of_first, table[second - 1], 0) + np.where(of_second, table[first], 0)
    return torch.as_tensor(weights, dtype=dtype, device=device)


def _pairs(classes: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the first and the second class of each pair, both (pair,) int64. The pairs are (0, 1), (0, 2), …, (1, 2), …."""
    first, second = torch.triu_indices(classes, classes, 1, device=device)
    return first, second


def pairwise_coupling(first_wins: Tensor, classes: int) -> Tensor:
    """Return the probabilities of classes from the probabilities that a class wins against another.

    The source is Wu, Lin and Weng, "Probability estimates for multi-class classification by pairwise coupling", 2004, the second method.
    Iteration and stopping rule are those of LIBSVM. The rule stops early, so the result depends on the number of rounds.

    Parameters
    ----------
    first_wins : (batch, pair) float
        The probability that the first class of a pair wins, for the pairs (0, 1), (0, 2), …, (1, 2), ….
    classes : int
        The number of classes.

    Returns
    -------
    (batch, class) float
    """
    first, second = _pairs(classes, first_wins.device)
    place = torch.zeros(classes, classes, dtype=torch.int64, device=first_wins.device)
    place[first, second] = place[second, first] = torch.arange(len(first), device=first_wins.device)
    wins = first_wins[:, place]
    unit = torch.eye(classes, dtype=wins.dtype, device=wins.device)
    above = torch.ones_like(unit).triu(1)
    duels = above * wins + above.T * (1 - wins)  # [i, j]: the probability that i wins against j
    lost = duels.transpose(1, 2)
    system = torch.diag_embed(lost.square().sum(-1)) - lost * duels
    diagonal = system.diagonal(dim1=1, dim2=2)
    share = first_wins.new_full((first_wins.shape[0], classes), 1 / classes)
    for _ in range(_MOST_ROUNDS):
        gradient = (system @ share.unsqueeze(-1)).squeeze(-1)
        value = (share * gradient).sum(-1, keepdim=True)
        unsettled = (gradient - value).abs().amax(-1, keepdim=True) >= 0.005 / classes
        if not bool(unsettled.any()):
            break
        better = share
        for i in range(classes):
            step = (value - gradient[:, i : i + 1]) / diagonal[:, i : i + 1]
            value = (value + step * (step * diagonal[:, i : i + 1] + 2 * gradient[:, i : i + 1])) / (1 + step).square()
            gradient = (gradient + step * system[:, i]) / (1 + step)
            better = (better + step * unit[i]) / (1 + step)
        share = torch.where(unsettled, better, share)
    return share


@operator("SVMClassifier", domain=DOMAIN)
def svm_classifier(
    X: Tensor,
    *,
    classlabels_ints: Sequence[int] = (),
    classlabels_strings: Sequence[str] = (),
    coefficients: Sequence[float] = (),
    kernel_params: Sequence[float] = (),
    kernel_type: str = "LINEAR",
    post_transform: str = "NONE",
    prob_a: Sequence[float] = (),
    prob_b: Sequence[float] = (),
    rho: Sequence[float] = (),
    support_vectors: Sequence[float] = (),
    vectors_per_class: Sequence[int] = (),
) -> tuple[Tensor, Tensor]:
    """Return the label and the scores of a support vector classifier (ai.onnx.ml SVMClassifier 1).

    Without support vectors the model is linear, with a row of coefficients per class. With support vectors each pair of classes has a
    decision function. Its sign is a vote, and the label is the class with the most votes.
    With `prob_a` and `prob_b` the scores are coupled Platt probabilities. Without them the scores are the decisions of the pairs. For two
    classes with the decision s they are -s and s, or 1 - s and s if there is a `post_transform`.

    Returns
    -------
    label : (batch,) int64
        The integer label of the class, or the position of its string label.
    scores : (batch, class or pair) float32
    """
    x = rows(X, "SVMClassifier")
    classes = label_count(classlabels_ints, classlabels_strings, "SVMClassifier")
    if sum(vectors_per_class) == 0:
        index, scores = _linear(x, classes, coefficients, rho, bool(prob_a))
        scores = transformed(scores, post_transform)
        return class_labels(index, classlabels_ints, classlabels_strings), scores.float()
    first, second = _pairs(classes, x.device)
    pairs = len(first)
    duels = pairs if prob_a else 0
    met = (len(vectors_per_class), len(rho), len(prob_a), len(prob_b))
    if classes < 2 or met != (classes, pairs, duels, duels):
        raise EvaluationError(
            f"SVMClassifier has {classes} labels and {met[0]} vectors_per_class, {met[1]} rho, {met[2]} prob_a "
            f"and {met[3]} prob_b; {classes} classes need {classes} vectors_per_class, {pairs} rho, and {pairs} of each "
            "prob_a and prob_b or none"
        )
    vectors = _matrix(support_vectors, sum(vectors_per_class), x, "SVMClassifier's support_vectors")
    similarity = kernel(x, vectors, kernel_type, kernel_params)
    decisions = F.linear(
        similarity, _pair_weights(coefficients, vectors_per_class, x.dtype, x.device), constant(rho, x.dtype, x.device)
    )
    winner = torch.where(decisions > 0, first, second)
    index = torch.argmax(F.one_hot(winner, classes).sum(1), -1)
    if prob_a:
        slope, shift = constant(prob_a, x.dtype, x.device), constant(prob_b, x.dtype, x.device)
        wins = torch.sigmoid(-(decisions * slope + shift))
        wins = kinks.clamped(wins, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
        scores = transformed(pairwise_coupling(wins, classes), post_transform)
    elif classes == 2:
        scores = two_columns(
            decisions[:, 0], post_transform, complement=post_transform != "NONE", operator="SVMClassifier"
        )
    else:
        scores = transformed(decisions, post_transform)
    return class_labels(index, classlabels_ints, classlabels_strings), scores.float()


def _linear(
    x: Tensor, classes: int, coefficients: Sequence[float], rho: Sequence[float], probabilities: bool
) -> tuple[Tensor, Tensor]:
    """Return the position of the class and the scores of a model without support vectors."""
    if not rho:
        raise EvaluationError("SVMClassifier has no rho; give a number, 0 for no offset")
    scores = x @ _matrix(coefficients, classes, x, "SVMClassifier's coefficients").T + rho[0]
    largest, index = scores.max(-1)
    if classes == 2 and not probabilities:
        # In ONNX Runtime the second class also wins where the larger score passes a threshold. The threshold depends on the signs of the
        # coefficients.
        passes = largest >= 0.5 if min(coefficients) >= 0 else largest > 0
        index = torch.where(passes, torch.ones_like(index), index)
    return index, scores
