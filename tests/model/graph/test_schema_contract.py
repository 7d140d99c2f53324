"""Nodes that violate their operator's schema are refused before onnx's C++ reads them; nodes that ONNX Runtime runs are not."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper
from onnx.backend.test.case.node import collect_testcases
from unchecked_models import nodes

import onnxviz
from onnxviz.errors import ModelError
from onnxviz.model.graph import schema_contract


def refused(proto: ModelProto) -> str:
    """Return the sentence that a model is refused with."""
    with pytest.raises(ModelError) as caught:
        onnxviz.load(proto)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (helper.make_node("EyeLike", [""], ["y"], name="eye"), "the EyeLike node 'eye' has no input 1, 'input'"),
        (helper.make_node("EyeLike", [], ["y"]), "the EyeLike node that makes 'y' has no input 1, 'input'"),
        (helper.make_node("Gemm", ["x", ""], ["y"]), "has no input 2, 'B', which Gemm of opset 13 needs"),
        (helper.make_node("Concat", [""], ["y"], axis=0), "has no input 1, 'inputs'"),
        (helper.make_node("Relu", ["x", "x"], ["y"]), "has 2 inputs; Relu of opset 14 takes at most 1"),
        (helper.make_node("Relu", ["x"], ["y", "z"]), "has 2 outputs; Relu of opset 14 gives at most 1"),
        (helper.make_node("Relu", ["x"], []), "a Relu node without a name has 0 outputs; Relu of opset 14 gives at least 1"),
        (helper.make_node("Flatten", ["x"], ["y"], axis=1.5), "has the attribute 'axis' as FLOAT; Flatten of opset 13 takes it as INT"),
        (helper.make_node("LabelEncoder", [""], ["y"], domain="ai.onnx.ml"), "has no input 1, 'X'"),
        (helper.make_node("EyeLike", [""], ["y"], domain="ai.onnx"), "has no input 1, 'input'"),
    ],
    ids=lambda value: value.op_type if isinstance(value, NodeProto) else "",
)  # fmt: skip
def test_a_node_that_breaks_its_schema_is_named(node: NodeProto, words: str) -> None:
    assert words in refused(nodes(node))


def test_a_node_inside_of_a_body_or_of_a_function_is_named() -> None:
    broken = helper.make_node("EyeLike", [""], ["e"], name="deep")
    body = helper.make_graph([broken], "b", [], [helper.make_tensor_value_info("e", TensorProto.FLOAT, None)])
    choice = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
    proto = nodes(choice, weights={"c": np.array(True)})
    assert "the EyeLike node 'deep' has no input 1" in refused(proto)
    outer = helper.make_graph([choice], "o", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    proto = nodes(
        helper.make_node("If", ["c"], ["y"], then_branch=outer, else_branch=outer), weights={"c": np.array(True)}
    )
    assert "the EyeLike node 'deep' has no input 1" in refused(proto)
    opsets = [helper.make_opsetid("", 17)]
    function = helper.make_function("local", "f", [], ["e"], [broken], opsets)
    proto = nodes(helper.make_node("f", [], ["y"], domain="local"), functions=[function])
    assert "the EyeLike node 'deep' has no input 1" in refused(proto)


def test_an_input_that_the_caller_of_a_function_leaves_out_is_missed_inside_of_it() -> None:
    opsets = [helper.make_opsetid("", 17)]
    function = helper.make_function("local", "f", ["a"], ["b"], [helper.make_node("EyeLike", ["a"], ["b"])], opsets)
    proto = nodes(helper.make_node("f", [""], ["y"], domain="local"), functions=[function])
    assert "has no input 1, 'input'" in refused(proto)


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Clip", ["x", "", ""], ["y"]),
        helper.make_node("Concat", ["x", ""], ["y"], axis=0),  # ONNX Runtime runs it
        helper.make_node("Relu", ["x", ""], ["y"]),
        helper.make_node("Dropout", ["x"], ["y", ""]),
        helper.make_node("NoSuchOperator", [""], ["y"]),
        helper.make_node("Relu", ["", "x"], ["y"], domain="some.domain"),
    ],
    ids=lambda node: node.op_type,
)
def test_what_may_be_left_out_is_not_missed(node: NodeProto) -> None:
    assert list(onnxviz.load(nodes(node)).tensors)[-1] == "y"


@pytest.mark.parametrize("version", [-(2**63), -1, 0, 99, 2**31, 2**63 - 1])
def test_an_opset_of_any_number_is_looked_up(version: int) -> None:
    proto = nodes(helper.make_node("Relu", ["x"], ["y"]))
    proto.opset_import[0].version = version
    assert onnxviz.load(proto).opsets == {"": version}
    assert (schema_contract.schema_at("", "Relu", version) is None) == (version < 1)


def test_an_old_opset_has_its_own_schema() -> None:
    proto = nodes(helper.make_node("Clip", ["x"], ["y"], min=0.0, max=1.0))
    proto.opset_import[0].version = 6
    onnxviz.load(proto)
    proto.graph.node[0].input.append("x")
    assert "takes at most 1" in refused(proto)


@pytest.mark.filterwarnings("ignore")  # a warning of numpy, when the tests' values are computed
def test_onnx_s_own_operator_tests_pass() -> None:
    for case in collect_testcases(None):
        schema_contract.check(case.model, {entry.domain: entry.version for entry in case.model.opset_import})


def test_an_attribute_without_a_type_is_left_to_its_value() -> None:
    proto = nodes(helper.make_node("Flatten", ["x"], ["y"], axis=1))
    proto.graph.node[0].attribute[0].ClearField("type")
    onnxviz.load(proto)
