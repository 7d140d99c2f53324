"""Forests from the attributes of tree ensembles. Revisions 1 and 3 number nodes within their tree, revision 5 over all trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.classical.attributes import array, remembered
from onnxviz.model.operators.classical.forest import LEAF, MEMBER, MODES, Forest, Table, split_members


@remembered
def numbered_forest(
    tree_ids: Sequence[int],
    node_ids: Sequence[int],
    features: Sequence[int],
    modes: Sequence[str],
    splits: Sequence[float],
    splits_as_tensor: Any,
    true: Sequence[int],
    false: Sequence[int],
    missing: Sequence[int],
    vote_trees: Sequence[int],
    vote_nodes: Sequence[int],
    vote_targets: Sequence[int],
    vote_weights: Sequence[float],
    vote_weights_as_tensor: Any,
    targets: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Forest:
    """Return the forest of revisions 1 and 3, in which nodes are numbered within their tree."""
    split, weight = array(splits, splits_as_tensor), array(vote_weights, vote_weights_as_tensor)
    count = len(tree_ids)
    if count == 0 or any(len(v) != count for v in (node_ids, features, modes, split, true, false)):
        raise EvaluationError(
            "the nodes_* attributes of a tree ensemble are empty or of different lengths; give each node an entry in each attribute"
        )
    if any(len(v) != len(weight) for v in (vote_trees, vote_nodes, vote_targets)):
        raise EvaluationError(
            "the class_* or target_* attributes of a tree ensemble are of different lengths; give each vote an entry in each attribute"
        )
    names = {name: code for code, name in enumerate(MODES[:MEMBER])} | {"LEAF": LEAF}
    unknown = set(modes) - set(names)
    if unknown:
        raise EvaluationError(f"nodes_modes has {min(unknown)!r}; ONNX knows {', '.join(names)}")
    tree, node = np.array(tree_ids, np.int64), np.array(node_ids, np.int64)
    mode = np.array([names[m] for m in modes], np.int64)
    branches = np.flatnonzero(mode != LEAF)
    places = np.zeros((2, count), np.int64)
    for row, wanted in zip(places, (true, false), strict=True):
        row[branches] = _positions(tree, node, tree[branches], np.array(wanted, np.int64)[branches], "a branch")
    vote_tree, vote_node = np.array(vote_trees, np.int64), np.array(vote_nodes, np.int64)
    leaf = _positions(tree, node, vote_tree, vote_node, "a vote")
    target = np.array(vote_targets, np.int64)
    # Old converters gave votes to inner nodes, too. These votes do not count. If there is a single target, ONNX Runtime counts only the
    # first vote of a leaf.
    counts = mode[leaf] == LEAF
    if targets == 1:
        first = np.zeros(len(leaf), bool)
        first[np.unique(leaf, return_index=True)[1]] = True
        counts &= first
    # A tree begins where the number of the tree changes.
    roots = np.flatnonzero(np.concatenate(([True], tree[1:] != tree[:-1])))
    missing_true = np.zeros(count, bool)
    missing_true[: len(missing)] = np.array(missing[:count], np.int64) == 1
    table = Table(
        roots,
        mode,
        np.array(features, np.int64),
        split,
        places[0],
        places[1],
        missing_true,
        leaf[counts],
        target[counts],
        weight[counts],
    )
    return Forest.from_table(table, targets, dtype, device)


def _positions(
    tree: np.ndarray, node: np.ndarray, wanted_tree: np.ndarray, wanted_node: np.ndarray, what: str
) -> np.ndarray:
    """Return the positions in the table of the nodes with given numbers."""
    # Numbers may be any int64. Their ranks are small, so that a tree and a node fit into a single key.
    _, tree_rank = np.unique(np.concatenate((tree, wanted_tree)), return_inverse=True)
    nodes, node_rank = np.unique(np.concatenate((node, wanted_node)), return_inverse=True)
    keys = tree_rank.reshape(-1) * len(nodes) + node_rank.reshape(-1)
    own, wanted = keys[: len(tree)], keys[len(tree) :]
    order = np.argsort(own, kind="stable")
    ordered = own[order]
    if (ordered[1:] == ordered[:-1]).any():
        twice = order[1:][ordered[1:] == ordered[:-1]][0]
        raise EvaluationError(
            f"tree {tree[twice]} has two nodes with the number {node[twice]}; the number of a node must be unique in its tree"
        )
    place = np.searchsorted(ordered, wanted).clip(max=max(len(ordered) - 1, 0))
    if len(wanted) and (not len(ordered) or (ordered[place] != wanted).any()):
        lost = np.flatnonzero(ordered[place] != wanted)[0] if len(ordered) else 0
        raise EvaluationError(
            f"{what} names node {wanted_node[lost]} of tree {wanted_tree[lost]}, which does not exist; name a node of the tree"
        )
    return order[place] if len(wanted) else np.zeros(0, np.int64)


@remembered
def nested_forest(
    roots: Sequence[int],
    modes: Any,
    features: Sequence[int],
    splits: Any,
    true: Sequence[int],
    false: Sequence[int],
    true_leafs: Sequence[int],
    false_leafs: Sequence[int],
    missing: Sequence[int],
    leaf_targets: Sequence[int],
    leaf_weights: Any,
    members: Any,
    targets: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Forest:
    """Return the forest of revision 5, which numbers branches and leaves separately. In the table the leaves follow the branches."""
    mode, split, weight = array(modes).astype(np.int64), array(splits), array(leaf_weights)
    branches, leaves = len(mode), len(weight)
    if any(len(v) != branches for v in (features, split, true, false, true_leafs, false_leafs)) or len(missing) not in (
        0,
        branches,
    ):
        raise EvaluationError(
            "the nodes_* attributes of TreeEnsemble are of different lengths; give each node an entry in each attribute"
        )
    if len(leaf_targets) != leaves:
        raise EvaluationError(
            f"TreeEnsemble has {leaves} leaf_weights and {len(leaf_targets)} leaf_targetids; give each leaf a weight and a target"
        )
    if ((mode < 0) | (mode > MEMBER)).any():
        raise EvaluationError(
            f"nodes_modes has {mode[(mode < 0) | (mode > MEMBER)][0]}; "
            f"ONNX knows 0 ({MODES[0]}) to {MEMBER} ({MODES[MEMBER]})"
        )

    def children(ids: Sequence[int], leafs: Sequence[int]) -> np.ndarray:
        node, is_leaf = np.array(ids, np.int64), np.array(leafs, bool)
        wrong = (node < 0) | (node >= np.where(is_leaf, leaves, branches))
        if wrong.any():
            raise EvaluationError(
                f"TreeEnsemble has a branch to node {node[wrong][0]}; there are {branches} branches and {leaves} leaves"
            )
        return np.concatenate((node + np.where(is_leaf, branches, 0), np.zeros(leaves, np.int64)))

    def filled(values: Any, filler: float) -> np.ndarray:
        return np.concatenate((np.asarray(values), np.full(leaves, filler)))

    table = Table(
        roots=np.array(roots, np.int64),
        mode=filled(mode, LEAF).astype(np.int64),
        feature=filled(features, 0).astype(np.int64),
        split=filled(split, 0),
        true=children(true, true_leafs),
        false=children(false, false_leafs),
        missing=filled(missing if len(missing) else np.zeros(branches), 0) == 1,
        vote_leaf=branches + np.arange(leaves),
        vote_target=np.array(leaf_targets, np.int64),
        vote_weight=weight,
        members=split_members(array(members)) if members is not None else (),
    )
    return Forest.from_table(table, targets, dtype, device)
