"""Ranges of features from classical models, against the numbers that they were built from."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper

import onnxviz
from onnxviz.model.expectations.contract_reading import contract


def model_of(node: onnx.NodeProto, features: int, *before: onnx.NodeProto) -> onnxviz.Model:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", features])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return onnxviz.load(
        helper.make_model(helper.make_graph([*before, node], "g", [x], [y]), opset_imports=opsets, ir_version=8)
    )


def stumps(splits: list[tuple[int, float]], source: str = "x") -> onnx.NodeProto:
    """Return a regressor with a tree of one split for each (feature, threshold); it counts how many are exceeded."""
    many = len(splits)
    return helper.make_node(
        "TreeEnsembleRegressor",
        [source],
        ["y"],
        domain="ai.onnx.ml",
        nodes_treeids=[tree for tree in range(many) for _ in range(3)],
        nodes_nodeids=[0, 1, 2] * many,
        nodes_featureids=[entry for feature, _ in splits for entry in (feature, 0, 0)],
        nodes_values=[entry for _, value in splits for entry in (value, 0.0, 0.0)],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"] * many,
        nodes_truenodeids=[1, 0, 0] * many,
        nodes_falsenodeids=[2, 0, 0] * many,
        target_treeids=list(range(many)),
        target_nodeids=[2] * many,
        target_ids=[0] * many,
        target_weights=[1.0] * many,
        n_targets=1,
    )


@pytest.mark.parametrize("through", [False, True])
def test_both_sides_of_every_threshold_are_within(through: bool) -> None:
    before = (helper.make_node("Identity", ["x"], ["z"]),) if through else ()
    expected = contract(model_of(stumps([(0, 10.0), (0, 30.0), (2, -4.0)], "z" if through else "x"), 3, *before), "x")
    low, high = np.array(expected.low), np.array(expected.high)
    np.testing.assert_allclose(low, [10 - 5, 0, -4 - 2])
    np.testing.assert_allclose(high, [30 + 5, 0, -4 + 2])
    np.testing.assert_allclose(expected.mean, [20, 0, -4])
    assert "1 of 3 features" in expected.evidence[-1]


def test_leaves_are_no_thresholds() -> None:
    # A leaf has feature 0 and value 0, which would wrongly widen the range to 0.
    expected = contract(model_of(stumps([(0, 10.0), (0, 30.0)]), 1), "x")
    assert expected.low == (5.0,)


def test_trees_that_read_something_computed_tell_nothing_of_the_input() -> None:
    expected = contract(model_of(stumps([(0, 10.0)], "z"), 1, helper.make_node("Neg", ["x"], ["z"])), "x")
    assert not expected.bounded


def test_support_vectors_are_samples() -> None:
    vectors = np.array([[0.0, 5.0], [2.0, 7.0], [1.0, 9.0]])
    node = helper.make_node(
        "SVMRegressor",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        support_vectors=vectors.ravel().tolist(),
        coefficients=[1.0, -1.0, 1.0],
        n_supports=3,
        rho=[0.0],
        kernel_type="RBF",
        kernel_params=[0.1, 0.0, 3.0],
    )
    expected = contract(model_of(node, 2), "x")
    assert (expected.low, expected.high) == ((0.0, 5.0), (2.0, 9.0))
    np.testing.assert_allclose(expected.mean, vectors.mean(0))
    np.testing.assert_allclose(expected.scale, vectors.std(0))


COMPARED = {
    "gathered features": """p = Gather<axis = 1>(x, places)
    y = Less(p, bounds)""",
    "the other way round": """p = Gather<axis = 1>(x, places)
    y = Greater(bounds, p)""",
    "a one-hot matrix": """p = MatMul(x, choice)
    y = GreaterOrEqual(p, bounds)""",
    "tables gathered together": """i = Gather<axis = 0>(places, step)
    f = Reshape(i, flat)
    t = Gather<axis = 0>(bounds, step)
    p = GatherElements<axis = 1>(x, f)
    y = Less(p, t)""",
    "a mask": """i = Gather<axis = 0>(places, step)
    t = Gather<axis = 0>(bounds, step)
    h = OneHot(i, depth, ends)
    u = Unsqueeze(x, last)
    m = Mul(u, h)
    p = ReduceSum(m, axis)
    y = Less(p, t)""",
}


@pytest.mark.parametrize("nodes", COMPARED.values(), ids=COMPARED)
def test_comparisons_with_constants_tell_what_trees_as_tensors_split_at(nodes: str) -> None:
    opened = onnxviz.load(
        onnx.parser.parse_model(
            f"""<ir_version: 8, opset_import: ["" : 17]> g (float[N, 3] x) => (bool[N, M] y)
            <int64[4] places = {{0, 2, 2, 0}}, float[4] bounds = {{1, -4, 8, 5}}, int64[2] step = {{0, 1}}, int64[2] flat = {{1, -1}},
            float[3, 4] choice = {{1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 0}}, int64 depth = {{3}}, float[2] ends = {{0, 1}},
            int64[1] last = {{2}}, int64[1] axis = {{1}}> {{ {nodes} }}"""
        )
    )
    found = contract(opened, "x")
    # The ranges are 1 to 5 and -4 to 8, widened by a quarter at each end; the middle feature is never compared.
    assert found.low == (0.0, 0.0, -7.0)
    assert found.high == (6.0, 0.0, 11.0)
    assert "compares features with" in found.evidence[-1]


@pytest.mark.parametrize(
    ("used", "low", "high"), [(0, (11.5, 0.0), (14.5, 2.0)), (1, (-1.0, 1 - 13 / 4), (1.0, 14 + 13 / 4))]
)
def test_what_fills_up_tables_of_trees_is_no_threshold(
    used: int, low: tuple[float, ...], high: tuple[float, ...]
) -> None:
    opened = onnxviz.load(
        onnx.parser.parse_model(
            f"""<ir_version: 8, opset_import: ["" : 17]> g (float[N, 2] x) => (bool[N, M] y)
            <int64[6] places = {{0, 0, {used}, {used}, 1, 0}}, float[6] bounds = {{0, -0.0, 12, 14, 1, 0}}>
            {{ p = Gather<axis = 1>(x, places)
            y = Less(p, bounds) }}"""
        )
    )
    found = contract(opened, "x")
    # Where feature 0 is compared with nothing else, 0 may be meant.
    np.testing.assert_allclose(found.low, low)
    np.testing.assert_allclose(found.high, high)


@pytest.mark.parametrize(
    "nodes", ["h = MatMul(x, mixed)\ny = Less(h, two)", "y = Less(x, x)", "n = Neg(x)\ny = Less(n, two)"]
)
def test_comparisons_of_anything_else_tell_nothing(nodes: str) -> None:
    opened = onnxviz.load(
        onnx.parser.parse_model(
            f"""<ir_version: 8, opset_import: ["" : 17]> g (float[N, 2] x) => (bool[N, 2] y)
            <float[2, 2] mixed = {{1, 2, 0.5, -1}}, float[2] two = {{1, 3}}> {{ {nodes} }}"""
        )
    )
    assert not contract(opened, "x").bounded
