"""The logits inside an If, against the logarithm of the probabilities by ONNX Runtime on the untouched file."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnxviz
from onnxviz.model.graph.branch_logits import LOGITS, with_branch_logits
from onnxviz.model.graph.graph import Graph
from onnxviz.model.tensors.data_choices import chooses_by_data
from onnxviz.model.tensors.twin import unsquashed, with_twins
from onnxviz.target import Target

WEIGHTS = np.random.default_rng(0).standard_normal((2, 6, 4)).astype(np.float32) * 3
ROWS = np.random.default_rng(1).uniform(-1, 1, (8, 6)).astype(np.float32)


def value(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


def branch(name: str, weight: str, tail: str) -> onnx.GraphProto:
    """A branch that ends in a Softmax, maybe followed by operators that move values, or by none at all."""
    nodes = [helper.make_node("MatMul", ["x", weight], [f"l_{name}"])]
    out = f"l_{name}"
    if tail != "logits":
        nodes.append(helper.make_node("Softmax", [out], [f"p_{name}"], axis=-1))
        out = f"p_{name}"
    if tail == "moved":
        nodes.append(helper.make_node("Transpose", [out], [f"t_{name}"], perm=[1, 0]))
        nodes.append(helper.make_node("Transpose", [f"t_{name}"], [f"u_{name}"], perm=[1, 0]))
        out = f"u_{name}"
    if tail == "nested":
        inner = [
            helper.make_graph(
                [helper.make_node("Identity", [out], [f"i_{name}_{side}"])], side, [], [value(f"i_{name}_{side}")]
            )
            for side in ("yes", "no")
        ]
        nodes.append(helper.make_node("If", ["c"], [f"n_{name}"], then_branch=inner[0], else_branch=inner[1]))
        out = f"n_{name}"
    return helper.make_graph(nodes, name, [], [value(out)])


def model_of(tail: str, other: str | None = None) -> onnx.ModelProto:
    """A model whose first feature chooses between two linear classifiers."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], keepdims=0),
        helper.make_node("Greater", ["m", "zero"], ["c"]),
        helper.make_node(
            "If", ["c"], ["y"], then_branch=branch("a", "w0", tail), else_branch=branch("b", "w1", other or tail)
        ),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
        [
            *(numpy_helper.from_array(one, f"w{place}") for place, one in enumerate(WEIGHTS)),
            numpy_helper.from_array(np.array(0, np.float32), "zero"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made


@pytest.mark.parametrize("tail", ["plain", "moved", "nested"])
def test_the_added_output_holds_the_logits_of_the_branch_that_runs(tail: str) -> None:
    made = with_twins(onnxviz.load(model_of(tail)))
    twin = unsquashed(made, Target.parse("y[2]"))
    assert str(twin) == f"y{LOGITS}[2]"
    for row in ROWS:
        fed = {"x": row[None]}
        found = made.session([f"y{LOGITS}"])(fed)[f"y{LOGITS}"]
        np.testing.assert_allclose(found[0], row @ WEIGHTS[0 if row.mean() > 0 else 1], rtol=1e-4, atol=1e-5)
        ours = made.network([f"y{LOGITS}", "y"])(fed)
        np.testing.assert_allclose(ours[f"y{LOGITS}"].numpy(), found, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(ours["y"].numpy(), made.session(["y"])(fed)["y"], atol=1e-6)


def test_the_untouched_file_is_scored() -> None:
    made = with_twins(onnxviz.load(model_of("plain")))
    assert made.session(["y"]).untouched
    assert not made.session([f"y{LOGITS}"]).untouched


def test_a_branch_that_squashes_nothing_gives_its_own_value() -> None:
    made = with_twins(onnxviz.load(model_of("plain", "logits")))
    for row in ROWS:
        both = made.session(["y", f"y{LOGITS}"])({"x": row[None]})
        assert (both["y"] == both[f"y{LOGITS}"]).all() == (row.mean() <= 0)


def test_a_graph_without_a_squashing_branch_stays_as_it_is() -> None:
    model = onnxviz.load(model_of("logits"))
    assert with_twins(model) is model
    assert with_branch_logits(model, {"Tanh"}) is model


def test_an_if_that_chooses_by_values_is_known() -> None:
    model: Graph = onnxviz.load(model_of("plain"))
    assert chooses_by_data(model, {"x"})
    assert not chooses_by_data(model, set())


@pytest.mark.parametrize("unit", range(4))
def test_a_probability_inside_an_if_is_climbed_by_its_logit_and_each_start_has_its_own_branch(unit: int) -> None:
    found = onnxviz.maximize(model_of("plain"), f"y[{unit}]", bounds=(-1, 1), steps=80)
    row = found.row()
    # The best corner of the box for the logit margin in either branch, found by trying all corners.
    corners = np.array(np.meshgrid(*[[-1.0, 1.0]] * 6)).reshape(6, -1).T.astype(np.float32)
    best = 0.0
    for corner in corners:
        logits = corner @ WEIGHTS[0 if corner.mean() > 0 else 1]
        best = max(best, float(np.exp(logits - logits.max())[unit] / np.exp(logits - logits.max()).sum()))
    assert row["ort_score"] > 0.95 * best
    assert row["ort_score"] == pytest.approx(row["score"], rel=1e-3)
    assert row["climbed"] in (f"y{LOGITS}[{unit}]", f"y[{unit}]")
    if row["climbed"] == f"y[{unit}]":
        assert f"raising y{LOGITS}[{unit}] left" in row["message"]
