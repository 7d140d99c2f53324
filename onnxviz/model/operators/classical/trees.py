"""Tree ensembles of ai.onnx.ml. Their outputs are exact. No gradient passes, because they are piecewise constant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.classical.attributes import DOMAIN, array, class_labels, label_count, remembered, rows
from onnxviz.model.operators.classical.forest import Forest
from onnxviz.model.operators.classical.scores import POST_TRANSFORMS, transformed, two_columns
from onnxviz.model.operators.classical.tree_tables import nested_forest, numbered_forest
from onnxviz.model.operators.declaration import Gradient, operator

AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
"""Names of the aggregates. The position of a name is its number in ai.onnx.ml TreeEnsemble 5."""

_REDUCTIONS = {"AVERAGE": "sum", "SUM": "sum", "MIN": "amin", "MAX": "amax"}


@remembered
def _base_values(values: Sequence[float], tensor: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.as_tensor(array(values, tensor), dtype=dtype, device=device)


@remembered
def _sides(class_ids: Sequence[int], weights: Sequence[float], weights_as_tensor: Any) -> tuple[bool, bool]:
    """Return whether all votes are for the same class, and whether in addition no vote is negative."""
    one_sided = len(set(class_ids)) == 1
    return one_sided, one_sided and bool((array(weights, weights_as_tensor) >= 0).all())


def _aggregated(forest: Forest, x: Tensor, aggregate: str, base: Tensor | None = None) -> Tensor:
    """Return the votes reduced over the trees, plus the base values."""
    if aggregate not in AGGREGATES:
        raise EvaluationError(f"aggregate_function is {aggregate!r}; ONNX knows {', '.join(AGGREGATES)}")
    scores, voted = forest.votes(x, _REDUCTIONS[aggregate])
    if aggregate == "AVERAGE":
        scores = scores / len(forest.roots)
    if base is None or len(base) == 0:
        return scores
    if len(base) != forest.targets:
        raise EvaluationError(
            f"a tree ensemble has {len(base)} base_values for {forest.targets} targets; give each target a base value, or none"
        )
    if forest.targets == 1:
        return scores + base
    # If there are several targets, a target without votes stays 0 in ONNX Runtime, whatever its base value.
    return torch.where(voted, scores + base, scores)


# Hit rates tell how often training data passed a node. They change no result.
@operator(
    "TreeEnsembleRegressor",
    domain=DOMAIN,
    gradient=Gradient.ZERO,
    ignored=("nodes_hitrates", "nodes_hitrates_as_tensor"),
)
def tree_ensemble_regressor(
    X: Tensor,
    *,
    aggregate_function: str = "SUM",
    base_values: Sequence[float] = (),
    base_values_as_tensor: Any = None,
    n_targets: int = 1,
    nodes_falsenodeids: Sequence[int] = (),
    nodes_featureids: Sequence[int] = (),
    nodes_missing_value_tracks_true: Sequence[int] = (),
    nodes_modes: Sequence[str] = (),
    nodes_nodeids: Sequence[int] = (),
    nodes_treeids: Sequence[int] = (),
    nodes_truenodeids: Sequence[int] = (),
    nodes_values: Sequence[float] = (),
    nodes_values_as_tensor: Any = None,
    post_transform: str = "NONE",
    target_ids: Sequence[int] = (),
    target_nodeids: Sequence[int] = (),
    target_treeids: Sequence[int] = (),
    target_weights: Sequence[float] = (),
    target_weights_as_tensor: Any = None,
) -> Tensor:
    """Return the aggregated votes of all trees, (batch, target) float32 (ai.onnx.ml TreeEnsembleRegressor 1, 3 and 5)."""
    x = rows(X, "TreeEnsembleRegressor")
    forest = numbered_forest(
        nodes_treeids,
        nodes_nodeids,
        nodes_featureids,
        nodes_modes,
        nodes_values,
        nodes_values_as_tensor,
        nodes_truenodeids,
        nodes_falsenodeids,
        nodes_missing_value_tracks_true,
        target_treeids,
        target_nodeids,
        target_ids,
        target_weights,
        target_weights_as_tensor,
        n_targets,
        x.dtype,
        x.device,
    )
    scores = _aggregated(
        forest, x, aggregate_function, _base_values(base_values, base_values_as_tensor, x.dtype, x.device)
    )
    return transformed(scores, post_transform).float()


# Hit rates tell how often training data passed a node. They change no result.
@operator(
    "TreeEnsembleClassifier",
    domain=DOMAIN,
    gradient=Gradient.ZERO,
    ignored=("nodes_hitrates", "nodes_hitrates_as_tensor"),
)
def tree_ensemble_classifier(
    X: Tensor,
    *,
    base_values: Sequence[float] = (),
    base_values_as_tensor: Any = None,
    class_ids: Sequence[int] = (),
    class_nodeids: Sequence[int] = (),
    class_treeids: Sequence[int] = (),
    class_weights: Sequence[float] = (),
    class_weights_as_tensor: Any = None,
    classlabels_int64s: Sequence[int] = (),
    classlabels_strings: Sequence[str] = (),
    nodes_falsenodeids: Sequence[int] = (),
    nodes_featureids: Sequence[int] = (),
    nodes_missing_value_tracks_true: Sequence[int] = (),
    nodes_modes: Sequence[str] = (),
    nodes_nodeids: Sequence[int] = (),
    nodes_treeids: Sequence[int] = (),
    nodes_truenodeids: Sequence[int] = (),
    nodes_values: Sequence[float] = (),
    nodes_values_as_tensor: Any = None,
    post_transform: str = "NONE",
) -> tuple[Tensor, Tensor]:
    """Return the label and the scores of a forest of classifying trees (ai.onnx.ml TreeEnsembleClassifier 1, 3 and 5).

    Returns
    -------
    label : (batch,) int64
        The integer label of the class, or the position of its string label.
    scores : (batch, class) float32
    """
    x = rows(X, "TreeEnsembleClassifier")
    classes = label_count(classlabels_int64s, classlabels_strings, "TreeEnsembleClassifier")
    forest = numbered_forest(
        nodes_treeids,
        nodes_nodeids,
        nodes_featureids,
        nodes_modes,
        nodes_values,
        nodes_values_as_tensor,
        nodes_truenodeids,
        nodes_falsenodeids,
        nodes_missing_value_tracks_true,
        class_treeids,
        class_nodeids,
        class_ids,
        class_weights,
        class_weights_as_tensor,
        classes,
        x.dtype,
        x.device,
    )
    scores, voted = forest.votes(x, "sum")
    base = _base_values(base_values, base_values_as_tensor, x.dtype, x.device)
    if classes == 2:
        one_sided, positive = _sides(class_ids, class_weights, class_weights_as_tensor)
        index, scores = _two_classes(scores, voted, base, post_transform, one_sided, positive)
        # If both classes have votes, the label of ONNX Runtime is 1 or 0, whatever the labels of the node.
        label = class_labels(index, classlabels_int64s, classlabels_strings) if one_sided else index
        return label, scores.float()
    if len(base):
        if len(base) != classes:
            raise EvaluationError(
                f"TreeEnsembleClassifier has {len(base)} base_values for {classes} classes; give each class a base value, or none"
            )
        scores, voted = scores + base, torch.ones_like(voted)
    if classes == 1:
        # A single class has the same convention: the label is 1 where its score is positive.
        return (scores[:, 0] > 0).long(), transformed(scores, post_transform).float()
    index = torch.where(voted, scores, torch.full_like(scores, -torch.inf)).argmax(-1)
    return class_labels(index, classlabels_int64s, classlabels_strings), transformed(scores, post_transform).float()


def _two_classes(
    scores: Tensor, voted: Tensor, base: Tensor, post_transform: str, one_sided: bool, positive: bool
) -> tuple[Tensor, Tensor]:
    """Return the position of the class and the scores of two classes.

    ONNX does not define this case. The conventions are those of ONNX Runtime.

    Parameters
    ----------
    scores, voted : (batch, 2)
        The sums of the votes, and whether a class has votes.
    base : (0, 1 or 2,) float
        Base values.
    post_transform : str
        The transform of the node.
    one_sided : bool
        Whether all votes of the node are for the same class.
    positive : bool
        Whether in addition no vote is negative. Such votes are probabilities, with the threshold 1/2. Otherwise the threshold is 0.

    Raises
    ------
    EvaluationError
        If there are more than two base values.
    """
    first, second = scores.unbind(-1)
    both = voted[:, 1]
    if len(base) == 2:
        # Where the second class has votes, ONNX Runtime uses only the votes of the first class, as the score of the second class.
        second = base[1] + torch.where(both, first, second)
        first = torch.where(both, -second, first + base[0])
    elif len(base) == 1:
        first = first + base[0]
    elif len(base) > 2:
        raise EvaluationError(
            f"TreeEnsembleClassifier has {len(base)} base_values for 2 classes; give at most 2 base values"
        )
    index = (torch.where(both, second, first) > (0.5 if positive else 0.0)).long()
    pair = torch.stack((first, second), -1)
    pair = transformed(torch.where(voted, pair, torch.zeros_like(pair)), post_transform)
    if len(base) == 2:
        return index, pair
    # A sample without a vote for the second class has a single score, which gives both columns. Where ONNX Runtime does not write the
    # second column, it is NaN here.
    if post_transform == "PROBIT" or (len(base) == 1 and not one_sided):
        alone = transformed(first.unsqueeze(-1), post_transform)
        spread = torch.cat((alone, torch.full_like(alone, torch.nan)), -1)
    else:
        spread = two_columns(
            first,
            post_transform,
            complement=positive,
            operator="TreeEnsembleClassifier",
        )
    return index, torch.where(both.unsqueeze(-1), pair, spread)


# Hit rates tell how often training data passed a node. They change no result.
@operator("TreeEnsemble", since=5, domain=DOMAIN, gradient=Gradient.ZERO, ignored=("nodes_hitrates",))
def tree_ensemble(
    X: Tensor,
    *,
    aggregate_function: int = 1,
    leaf_targetids: Sequence[int],
    leaf_weights: Any,
    membership_values: Any = None,
    n_targets: int = 1,
    nodes_falseleafs: Sequence[int],
    nodes_falsenodeids: Sequence[int],
    nodes_featureids: Sequence[int],
    nodes_missing_value_tracks_true: Sequence[int] = (),
    nodes_modes: Any,
    nodes_splits: Any,
    nodes_trueleafs: Sequence[int],
    nodes_truenodeids: Sequence[int],
    post_transform: int = 0,
    tree_roots: Sequence[int],
) -> Tensor:
    """Return the aggregated votes of all trees, (batch, target) in the type of the input (ai.onnx.ml TreeEnsemble 5)."""
    x = rows(X, "TreeEnsemble")
    if not 0 <= aggregate_function < len(AGGREGATES) or not 0 <= post_transform < len(POST_TRANSFORMS):
        raise EvaluationError(
            f"TreeEnsemble has aggregate_function {aggregate_function} and post_transform {post_transform}; "
            f"ONNX knows 0 to {len(AGGREGATES) - 1} and 0 to {len(POST_TRANSFORMS) - 1}"
        )
    forest = nested_forest(
        tree_roots,
        nodes_modes,
        nodes_featureids,
        nodes_splits,
        nodes_truenodeids,
        nodes_falsenodeids,
        nodes_trueleafs,
        nodes_falseleafs,
        nodes_missing_value_tracks_true,
        leaf_targetids,
        leaf_weights,
        membership_values,
        n_targets,
        x.dtype,
        x.device,
    )
    return transformed(_aggregated(forest, x, AGGREGATES[aggregate_function]), POST_TRANSFORMS[post_transform])
