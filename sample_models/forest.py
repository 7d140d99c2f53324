"""A random forest on breast-cancer measurements: a model without a gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from accuracy import accuracy, run
from graph import Graph, write
from onnx import TensorProto
from samples import write_table
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split


def not_above(thresholds: np.ndarray) -> np.ndarray:
    """Round float64 thresholds down to float32.

    A float32 feature is at most the float64 threshold exactly where it is at most the largest float32 number below it;
    rounding to nearest could send a sample that lies on the threshold to the other side.
    """
    single = thresholds.astype(np.float32)
    return np.where(single > thresholds, np.nextafter(single, np.float32(-np.inf)), single).astype(np.float32)


def tree_attributes(forest: RandomForestClassifier) -> dict[str, list[Any]]:
    """Describe scikit-learn's trees by the attributes of ONNX's TreeEnsembleClassifier (ai.onnx.ml, revision 3).

    Each leaf votes with class 1's share of its training samples, divided by the number of trees. The votes bear the
    number 0: runtimes take a two-class ensemble with a single column of votes for class 1's probability and give the
    rest to class 0. With a column for each class, ONNX Runtime's label is 1 wherever class 1 has any vote at all.
    """
    attributes: dict[str, list[Any]] = {
        f"nodes_{key}": []
        for key in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids")
    }
    attributes |= {f"class_{key}": [] for key in ("treeids", "nodeids", "ids", "weights")}
    for number, estimator in enumerate(forest.estimators_):
        tree = estimator.tree_
        leaf = tree.children_left < 0
        attributes["nodes_treeids"] += [number] * tree.node_count
        attributes["nodes_nodeids"] += range(tree.node_count)
        attributes["nodes_featureids"] += np.where(leaf, 0, tree.feature).tolist()
        attributes["nodes_modes"] += np.where(leaf, "LEAF", "BRANCH_LEQ").tolist()
        attributes["nodes_values"] += np.where(leaf, 0, not_above(tree.threshold)).tolist()
        attributes["nodes_truenodeids"] += np.where(leaf, 0, tree.children_left).tolist()
        attributes["nodes_falsenodeids"] += np.where(leaf, 0, tree.children_right).tolist()
        votes = tree.value[leaf, 0, 1] / tree.value[leaf, 0].sum(axis=1) / len(forest.estimators_)
        attributes["class_treeids"] += [number] * len(votes)
        attributes["class_nodeids"] += np.flatnonzero(leaf).tolist()
        attributes["class_ids"] += [0] * len(votes)
        attributes["class_weights"] += votes.tolist()
    return attributes


def build(folder: Path) -> str:
    """Write forest.onnx and two held-out patients; return the accuracy.

    Raises
    ------
    RuntimeError
        If ONNX Runtime and scikit-learn disagree on any sample.
    """
    cancer = load_breast_cancer()
    names, classes = [str(name) for name in cancer.feature_names], [str(name) for name in cancer.target_names]
    rows = cancer.data.astype(np.float32)
    train, test, train_labels, test_labels = train_test_split(
        rows, cancer.target, test_size=0.3, stratify=cancer.target, random_state=0
    )
    forest = RandomForestClassifier(n_estimators=24, max_depth=6, random_state=0).fit(train, train_labels)

    graph = Graph("forest", "Tells malignant from benign tumors by thirty measurements of cell nuclei.")
    graph.input(
        "features", ["batch", 30], "one tumor per row: " + ", ".join(names), axes=["DATA_BATCH", "DATA_FEATURE"]
    )
    graph.nodes(
        "TreeEnsembleClassifier",
        ["features"],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        classlabels_int64s=range(len(classes)),
        post_transform="NONE",
        **tree_attributes(forest),
    )
    graph.output("label", ["batch"], TensorProto.INT64)
    graph.output("probabilities", ["batch", len(classes)])

    model = graph.model()
    gap = np.abs(run(model, rows, "probabilities") - forest.predict_proba(rows)).max()
    same = np.array_equal(run(model, rows, "label"), forest.predict(rows))
    if gap > 1e-5 or not same:
        raise RuntimeError(
            f"forest: ONNX Runtime's probabilities differ from scikit-learn's by up to {gap:.2g} (1e-5 is allowed), "
            f"its labels {'agree' if same else 'do not agree'}; check tree_attributes against this version's trees"
        )
    score = accuracy(model, test, test_labels)
    metadata = {
        "feature_names": names,
        "class_names": classes,
        "training_data": "Breast Cancer Wisconsin (Diagnostic), W. Wolberg et al., UCI, CC BY 4.0",
        "test_accuracy": score,
        "license": "Apache-2.0",
    }
    write(model, folder, metadata)
    right = run(model, test, "label") == test_labels
    for index, name in enumerate(classes):
        write_table(folder / f"forest_{name}.csv", names, test[right & (test_labels == index)][:1])
    return score
