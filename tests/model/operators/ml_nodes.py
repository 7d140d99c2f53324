"""Models of one ai.onnx.ml node, written by its attributes, and random trees for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

import onnxviz

Attributes = dict[str, Any]

FLOAT, DOUBLE, INT64, STRING = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING

MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")


def ml_model(
    operator: str, inputs: dict[str, np.ndarray], *outputs: int, version: int = 1, **attributes: Any
) -> onnx.ModelProto:
    """Return a model around one node.

    Parameters
    ----------
    operator : str
        In the domain ai.onnx.ml.
    inputs : mapping of str to ndarray
        What the node reads; only types and ranks are used.
    *outputs : int
        Element types of the outputs y0, y1, ….
    version : int
        Of the domain.
    **attributes
        The node's.
    """
    names = [f"y{place}" for place in range(len(outputs))]
    node = helper.make_node(operator, list(inputs), names, domain="ai.onnx.ml", **attributes)
    kinds = {name: helper.np_dtype_to_tensor_dtype(array.dtype) for name, array in inputs.items()}
    fed = [helper.make_tensor_value_info(name, kinds[name], [None] * array.ndim) for name, array in inputs.items()]
    made = [helper.make_tensor_value_info(name, kind, None) for name, kind in zip(names, outputs, strict=True)]
    opsets = [helper.make_opsetid("ai.onnx.ml", version), helper.make_opsetid("", 17)]
    return helper.make_model(helper.make_graph([node], "one", fed, made), opset_imports=opsets, ir_version=9)


def labels_and_scores(
    model: onnx.ModelProto, inputs: dict[str, np.ndarray], names: list[str]
) -> tuple[list[str], np.ndarray]:
    """Return what torch makes of a classifier with string labels: the names behind its indices, and the scores."""
    answer = onnxviz.load(model).network()(inputs)
    return [names[index] for index in answer["y0"].tolist()], answer["y1"].numpy()


def random_trees(
    generator: np.random.Generator, trees: int, features: int, modes: tuple[str, ...], columns: int, *, missing: bool
) -> tuple[Attributes, list[tuple[int, int, int, float]]]:
    """Return the nodes_* attributes of random trees, and votes: (tree, node, column, weight)."""
    nodes: dict[str, list[Any]] = {
        key: [] for key in ("treeids", "nodeids", "modes", "featureids", "values", "truenodeids", "falsenodeids")
    }
    tracks: list[int] = []
    votes: list[tuple[int, int, int, float]] = []

    def grow(tree: int, number: int, depth: int) -> int:
        """Append a node and all below it; return the next free number."""
        place = len(nodes["treeids"])
        leaf = depth == 0 or generator.random() < 0.2
        values = (
            tree,
            number,
            "LEAF" if leaf else str(generator.choice(modes)),
            int(generator.integers(features)),
            generator.integers(-2, 3) / 2,
            0,
            0,
        )
        for key, value in zip(nodes, values, strict=True):
            nodes[key].append(value)
        tracks.append(int(generator.random() < 0.3))
        if leaf:
            votes.extend((tree, number, column, float(np.float32(generator.random()))) for column in range(columns))
            return number + 1
        nodes["truenodeids"][place] = number + 1
        middle = grow(tree, number + 1, depth - 1)
        nodes["falsenodeids"][place] = middle
        return grow(tree, middle, depth - 1)

    for tree in range(trees):
        grow(tree, 0, int(generator.integers(5)))
    attributes: Attributes = {f"nodes_{key}": values for key, values in nodes.items()}
    if missing:
        attributes["nodes_missing_value_tracks_true"] = tracks
    return attributes, votes


def votes_as(kind: str, votes: list[tuple[int, int, int, float]]) -> Attributes:
    """Return votes as the attributes of a regressor ("target") or a classifier ("class")."""
    trees, nodes, columns, weights = zip(*votes, strict=True)
    return {f"{kind}_treeids": trees, f"{kind}_nodeids": nodes, f"{kind}_ids": columns, f"{kind}_weights": weights}
