"""Tree ensembles: against ONNX Runtime and a plain walk, the conventions for two classes, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ml_nodes import DOUBLE, FLOAT, INT64, MODES, STRING, labels_and_scores, ml_model, random_trees, votes_as
from onnx import TensorProto, numpy_helper

import onnxviz
from onnxviz.errors import EvaluationError
from onnxviz.model.operators.classical import forest as ml_forest
from onnxviz.model.operators.classical.scores import POST_TRANSFORMS
from onnxviz.model.operators.classical.trees import AGGREGATES, tree_ensemble_classifier, tree_ensemble_regressor

FEATURES = 3
STUMP = {
    "nodes_treeids": [0, 0, 0],
    "nodes_nodeids": [0, 1, 2],
    "nodes_featureids": [0, 0, 0],
    "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
    "nodes_values": [0.0, 0.0, 0.0],
    "nodes_truenodeids": [1, 0, 0],
    "nodes_falsenodeids": [2, 0, 0],
}
SIDES = np.array([[-1.0], [1.0]], np.float32)


def grid(dtype: type, seed: int = 0) -> np.ndarray:
    """Return inputs that often equal the trees' thresholds, with some NaN among floats."""
    generator = np.random.default_rng(seed)
    x = (generator.integers(-4, 5, (40, FEATURES)) / 2).astype(dtype)
    if x.dtype.kind == "f":
        x[generator.random(x.shape) < 0.1] = np.nan
    return x


def tensor(values: Any, kind: Any) -> TensorProto:
    return numpy_helper.from_array(np.array(values, kind))


def plain_walk(
    x: np.ndarray, nodes: dict[str, Any], votes: list[tuple[int, int, int, float]], columns: int
) -> np.ndarray:
    """Return the sum of votes, one sample and one node at a time."""
    place = {key: i for i, key in enumerate(zip(nodes["nodes_treeids"], nodes["nodes_nodeids"], strict=True))}
    compare = dict(
        zip(MODES, (np.less_equal, np.less, np.greater_equal, np.greater, np.equal, np.not_equal), strict=True)
    )
    total = np.zeros((len(x), columns))
    for row, sample in enumerate(x):
        for tree in sorted(set(nodes["nodes_treeids"])):
            number = 0
            while (mode := nodes["nodes_modes"][i := place[tree, number]]) != "LEAF":
                holds = compare[mode](sample[nodes["nodes_featureids"][i]], nodes["nodes_values"][i])
                number = nodes["nodes_truenodeids" if holds else "nodes_falsenodeids"][i]
            for voter, node, column, weight in votes:
                if (voter, node) == (tree, number):
                    total[row, column] += weight
    return total


@pytest.mark.parametrize(
    ("modes", "missing", "dtype"),
    [
        *(((mode,), True, np.float32) for mode in MODES),
        (MODES, False, np.float32),
        (MODES, True, np.float64),
    ],
)
def test_every_branch_mode(compare, modes, missing, dtype):
    nodes, votes = random_trees(np.random.default_rng(1), 5, FEATURES, modes, 2, missing=missing)
    x = grid(dtype)
    compare(
        ml_model("TreeEnsembleRegressor", {"x": x}, FLOAT, **nodes, **votes_as("target", votes), n_targets=2), {"x": x}
    )


@pytest.mark.parametrize(
    ("aggregate", "post_transform"),
    [*((aggregate, "NONE") for aggregate in AGGREGATES), *(("SUM", name) for name in POST_TRANSFORMS[1:])],
)
@pytest.mark.parametrize("columns", [1, 3])
def test_aggregates_base_values_and_transforms(compare, aggregate, columns, post_transform):
    nodes, votes = random_trees(np.random.default_rng(2), 4, FEATURES, ("BRANCH_LEQ",), columns, missing=False)
    x = grid(np.float32)
    attributes = {**nodes, **votes_as("target", votes), "aggregate_function": aggregate, "n_targets": columns}
    base = [0.25, -0.5, 1.0][:columns]
    model = ml_model(
        "TreeEnsembleRegressor", {"x": x}, FLOAT, **attributes, post_transform=post_transform, base_values=base
    )
    compare(model, {"x": x})


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integer_inputs_take_the_plain_walk(dtype):
    # ONNX Runtime has no regressor for them.
    nodes, votes = random_trees(np.random.default_rng(3), 6, FEATURES, MODES, 3, missing=False)
    x = np.random.default_rng(0).integers(-3, 4, (50, FEATURES)).astype(dtype)
    model = ml_model("TreeEnsembleRegressor", {"x": x}, FLOAT, **nodes, **votes_as("target", votes), n_targets=3)
    (ours,) = onnxviz.load(model).network()({"x": x}).values()
    np.testing.assert_allclose(ours.numpy(), plain_walk(x, nodes, votes, 3), rtol=1e-5)


@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("base", [False, True])
def test_classifier(compare, classes, dtype, base):
    nodes, votes = random_trees(np.random.default_rng(4), 5, FEATURES, MODES, classes, missing=True)
    x = grid(dtype)
    extra: dict[str, Any] = {"base_values": [0.5, -0.25, 0.125, 1.0][:classes]} if base else {}
    model = ml_model(
        "TreeEnsembleClassifier",
        {"x": x},
        INT64,
        FLOAT,
        **nodes,
        **votes_as("class", votes),
        classlabels_int64s=[7, 5, 9, 1][:classes],
        **extra,
    )
    compare(model, {"x": x})


def test_thresholds_and_weights_in_double_precision(compare):
    nodes, votes = random_trees(np.random.default_rng(5), 5, FEATURES, ("BRANCH_LT",), 3, missing=False)
    x = grid(np.float64) / 3
    nodes["nodes_values_as_tensor"] = tensor(np.array(nodes.pop("nodes_values")) / 3, np.float64)
    attributes = votes_as("class", votes)
    attributes["class_weights_as_tensor"] = tensor(attributes.pop("class_weights"), np.float64)
    model = ml_model(
        "TreeEnsembleClassifier", {"x": x}, INT64, FLOAT, version=3, **nodes, **attributes, classlabels_int64s=[0, 1, 2]
    )
    compare(model, {"x": x}, rtol=1e-6)


VOTES_FOR_TWO = (
    [(1, 0, 0.7), (1, 1, 0.3), (2, 0, 0.2), (2, 1, 0.8)],
    [(1, 0, 0.7), (1, 1, -0.3), (2, 0, -0.2), (2, 1, 0.8)],
    [(1, 1, 0.7), (2, 1, 0.2)],
    [(1, 1, 0.7), (2, 1, -0.2)],
    [(1, 0, 0.7), (2, 0, 0.2)],
    [(1, 0, 0.7), (2, 0, -0.2)],
)
DIVIDED = [(1, 0, 0.7), (2, 1, 0.8)]


@pytest.mark.parametrize(
    ("votes", "base"),
    [
        *((votes, base) for votes in VOTES_FOR_TWO for base in ([], [0.25], [0.25, 0.5])),
        (DIVIDED, []),
        (DIVIDED, [0.25, 0.5]),
    ],
)
@pytest.mark.parametrize("post_transform", ["NONE", "LOGISTIC", "SOFTMAX"])
def test_two_classes(compare, votes, base, post_transform):
    attributes: dict[str, Any] = {
        **STUMP,
        **votes_as("class", [(0, *vote) for vote in votes]),
        "classlabels_int64s": [10, 20],
    }
    if base:
        attributes["base_values"] = base
    compare(
        ml_model("TreeEnsembleClassifier", {"x": SIDES}, INT64, FLOAT, **attributes, post_transform=post_transform),
        {"x": SIDES},
    )


def test_a_score_that_onnx_runtime_leaves_unwritten_is_not_a_number():
    attributes = votes_as("class", [(0, 1, 0, 0.7), (0, 2, 1, 0.8)])
    _, scores = tree_ensemble_classifier(
        torch.tensor(SIDES), **STUMP, **attributes, classlabels_int64s=(10, 20), base_values=(0.25,)
    )
    assert scores[0].isnan().tolist() == [False, True]
    assert not scores[1].isnan().any()


def test_string_labels_become_their_index():
    names = ["ash", "elm", "oak"]
    nodes, votes = random_trees(np.random.default_rng(6), 5, FEATURES, MODES, 3, missing=False)
    x = grid(np.float32)
    model = ml_model(
        "TreeEnsembleClassifier",
        {"x": x},
        STRING,
        FLOAT,
        **nodes,
        **votes_as("class", votes),
        classlabels_strings=names,
    )
    theirs = onnxviz.load(model).session()({"x": x})
    labels, scores = labels_and_scores(model, {"x": x}, names)
    assert labels == theirs["y0"].tolist()
    np.testing.assert_allclose(scores, theirs["y1"], rtol=1e-5)


def test_a_lone_class(compare):
    attributes = votes_as("class", [(0, 1, 0, 0.7), (0, 2, 0, -0.2)])
    compare(
        ml_model("TreeEnsembleClassifier", {"x": SIDES}, INT64, FLOAT, **STUMP, **attributes, classlabels_int64s=[5]),
        {"x": SIDES},
    )


def test_of_several_votes_for_a_single_target_the_first_counts(compare):
    attributes = votes_as("target", [(0, 1, 0, 0.1), (0, 1, 0, 0.2), (0, 2, 0, 0.4)])
    compare(ml_model("TreeEnsembleRegressor", {"x": SIDES}, FLOAT, **STUMP, **attributes, n_targets=1), {"x": SIDES})


def test_a_target_without_a_vote_has_no_base_value(compare):
    attributes = votes_as("target", [(0, 1, 0, 0.1), (0, 2, 1, 0.2)])
    model = ml_model(
        "TreeEnsembleRegressor", {"x": SIDES}, FLOAT, **STUMP, **attributes, n_targets=2, base_values=[5.0, 6.0]
    )
    compare(model, {"x": SIDES})


def test_samples_walk_in_parts_as_they_do_together(monkeypatch):
    nodes, votes = random_trees(np.random.default_rng(7), 8, FEATURES, MODES, 2, missing=True)
    x = torch.tensor(grid(np.float32))
    together = tree_ensemble_regressor(x, **nodes, **votes_as("target", votes), n_targets=2)
    monkeypatch.setattr(ml_forest, "_MOST_STEPS", 7 * 8 * 2)
    assert torch.equal(tree_ensemble_regressor(x, **nodes, **votes_as("target", votes), n_targets=2), together)


def test_no_gradient_passes():
    x = torch.tensor(SIDES, requires_grad=True)
    attributes = votes_as("target", [(0, 1, 0, 0.1), (0, 2, 0, 0.2)])
    assert not tree_ensemble_regressor(x, **STUMP, **attributes).requires_grad


def version_5(*, seed: int, dtype: type, modes: tuple[int, ...], columns: int) -> dict[str, Any]:
    """Return the attributes of random trees of TreeEnsemble-5."""
    generator = np.random.default_rng(seed)
    nodes: list[list[Any]] = []
    leaves: list[tuple[int, float]] = []

    def grow(depth: int) -> int:
        place = len(nodes)
        mode = int(generator.choice(modes))
        members = np.unique(generator.integers(-3, 6, 4)).tolist() if mode == 6 else None
        node = [
            mode,
            int(generator.integers(FEATURES)),
            generator.integers(-2, 3) / 2,
            int(generator.random() < 0.3),
            members,
        ]
        nodes.append(node)
        for _ in range(2):
            if depth == 0 or generator.random() < 0.3:
                leaves.append((int(generator.integers(columns)), float(generator.standard_normal())))
                node += [1, len(leaves) - 1]
            else:
                node += [0, grow(depth - 1)]
        return place

    roots = [grow(int(generator.integers(4))) for _ in range(4)]
    mode, feature, split, missing, members, true_leaf, true, false_leaf, false = zip(*nodes, strict=True)
    attributes: dict[str, Any] = {
        "tree_roots": roots,
        "nodes_modes": tensor(mode, np.uint8),
        "nodes_featureids": feature,
        "nodes_splits": tensor(split, dtype),
        "nodes_truenodeids": true,
        "nodes_trueleafs": true_leaf,
        "nodes_falsenodeids": false,
        "nodes_falseleafs": false_leaf,
        "nodes_missing_value_tracks_true": missing,
        "leaf_targetids": [leaf[0] for leaf in leaves],
        "leaf_weights": tensor([leaf[1] for leaf in leaves], dtype),
        "n_targets": columns,
    }
    sets = [[*some, np.nan] for some in members if some is not None]
    if sets:
        attributes["membership_values"] = tensor(np.concatenate(sets), dtype)
    return attributes


@pytest.mark.parametrize(("dtype", "kind"), [(np.float32, FLOAT), (np.float64, DOUBLE)])
@pytest.mark.parametrize("modes", [(0,), (6,), (0, 1, 2, 3, 4, 5, 6)])
@pytest.mark.parametrize("aggregate", range(4))
def test_version_5(compare, dtype, kind, modes, aggregate):
    attributes = version_5(seed=aggregate, dtype=dtype, modes=modes, columns=2) | {"aggregate_function": aggregate}
    # Whole numbers, because ONNX Runtime searches small sets for the whole part of a fraction.
    x = np.random.default_rng(0).integers(-4, 7, (40, FEATURES)).astype(dtype)
    x[::7, 0] = np.nan
    compare(ml_model("TreeEnsemble", {"x": x}, kind, version=5, **attributes), {"x": x})


@pytest.mark.parametrize("post_transform", range(5))
def test_post_transforms_of_version_5_are_numbered_as_in_onnx_runtime(compare, post_transform):
    x = grid(np.float32)
    attributes = version_5(seed=9, dtype=np.float32, modes=(0,), columns=3) | {"post_transform": post_transform}
    compare(ml_model("TreeEnsemble", {"x": x}, FLOAT, version=5, **attributes), {"x": x})


def test_members_are_compared_exactly():
    attributes = {
        "tree_roots": [0],
        "nodes_modes": tensor([6], np.uint8),
        "nodes_featureids": [0],
        "nodes_splits": tensor([0], np.float32),
        "nodes_truenodeids": [0],
        "nodes_trueleafs": [1],
        "nodes_falsenodeids": [1],
        "nodes_falseleafs": [1],
        "leaf_targetids": [0, 0],
        "leaf_weights": tensor([1, 0], np.float32),
        "membership_values": tensor([0.0, 2.5, -7.0, np.nan], np.float32),
        "n_targets": 1,
    }
    x = np.array([[0.0], [2.5], [2.0], [-7.0], [np.nan], [1e30], [-1e30]], np.float32)
    (answer,) = (
        onnxviz.load(ml_model("TreeEnsemble", {"x": x}, FLOAT, version=5, **attributes)).network()({"x": x}).values()
    )
    assert answer.flatten().tolist() == [1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0]


def test_a_tree_that_is_one_leaf(compare):
    attributes = {
        "tree_roots": [0],
        "nodes_modes": tensor([0], np.uint8),
        "nodes_featureids": [0],
        "nodes_splits": tensor([0], np.float32),
        "nodes_truenodeids": [0],
        "nodes_trueleafs": [1],
        "nodes_falsenodeids": [0],
        "nodes_falseleafs": [1],
        "leaf_targetids": [0],
        "leaf_weights": tensor([7], np.float32),
        "n_targets": 1,
    }
    compare(ml_model("TreeEnsemble", {"x": SIDES}, FLOAT, version=5, **attributes), {"x": SIDES})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nodes_truenodeids": [0, 0, 0]}, "leads back to a node above it, so that a walk would not end"),
        ({"nodes_truenodeids": [9, 0, 0]}, "a branch names node 9 of tree 0, which does not exist"),
        ({"nodes_nodeids": [0, 1, 1]}, "tree 0 has two nodes with the number 1"),
        ({"nodes_modes": ["BRANCH_ODD", "LEAF", "LEAF"]}, "has 'BRANCH_ODD'; ONNX knows BRANCH_LEQ"),
        ({"nodes_values": [0.0]}, "nodes_\\* attributes of a tree ensemble are empty or of different lengths"),
        ({"nodes_featureids": [4, 0, 0]}, "the trees compare 5 features; the input has only 1"),
        ({"nodes_featureids": [-1, 0, 0]}, "compares the feature -1; features are counted from 0"),
        ({"target_nodeids": [1, 5]}, "a vote names node 5 of tree 0, which does not exist"),
        ({"target_ids": [0, 3]}, "a vote for column 3; give a number from 0 to 0"),
        ({"target_weights": [0.5]}, "class_\\* or target_\\* attributes of a tree ensemble are of different lengths"),
        ({"base_values": [1.0, 2.0]}, "2 base_values for 1 targets"),
        ({"aggregate_function": "MEDIAN"}, "aggregate_function is 'MEDIAN'; ONNX knows AVERAGE, SUM, MIN, MAX"),
    ],
)
def test_refusals(changes, message):
    attributes: dict[str, Any] = {**STUMP, **votes_as("target", [(0, 1, 0, 0.1), (0, 2, 0, 0.2)]), **changes}
    with pytest.raises(EvaluationError, match=message):
        tree_ensemble_regressor(torch.tensor(SIDES), **attributes)


TREES = version_5(seed=1, dtype=np.float32, modes=(0,), columns=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nodes_modes": tensor([0], np.uint8)}, "nodes_\\* attributes of TreeEnsemble are of different lengths"),
        ({"nodes_modes": tensor([9] * len(TREES["nodes_featureids"]), np.uint8)}, "nodes_modes has 9; ONNX knows 0"),
        ({"nodes_truenodeids": [99] * len(TREES["nodes_featureids"])}, "a branch to node 99; there are"),
        ({"leaf_targetids": [0]}, "leaf_weights and 1 leaf_targetids"),
        ({"tree_roots": [99]}, "a root at node 99; give a number from 0 to"),
        ({"aggregate_function": 7}, "aggregate_function 7 and post_transform 0; ONNX knows 0 to 3 and 0 to 4"),
        ({"membership_values": tensor([1, np.nan], np.float32)}, "0 BRANCH_MEMBER nodes and 1 sets"),
    ],
)
def test_refusals_of_version_5(changes, message):
    attributes = TREES | changes
    x = grid(np.float32)
    network = onnxviz.load(ml_model("TreeEnsemble", {"x": x}, FLOAT, version=5, **attributes)).network()
    with pytest.raises(EvaluationError, match=message):
        network({"x": x})
