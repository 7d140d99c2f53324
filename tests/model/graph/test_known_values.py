"""Values that folding computes by numpy equal those of ONNX Runtime, and open values stay open."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from onnxviz.model.graph.known_values import ANY, Known, computable, compute, sizes_of
from onnxviz.model.graph.size_operators import MOST_ELEMENTS, RULES

NUMBERS = np.array([[-7, 3, 0], [5, -2, 9]], np.int64)
OTHERS = np.array([2, -3, 4], np.int64)
FLOATS = np.array([[-2.5, 0.5, 1.5], [3.0, 7.25, -0.25]], np.float32)
FLAGS = np.array([[True, False, True], [False, False, True]])


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


CASES: list[tuple[str, int, dict[str, Any], list[np.ndarray | None]]] = [
    ("Abs", 17, {}, [NUMBERS]),
    ("Add", 17, {}, [NUMBERS, OTHERS]),
    ("And", 17, {}, [FLAGS, ~FLAGS]),
    ("Cast", 17, {"to": TensorProto.FLOAT}, [NUMBERS]),
    ("Cast", 17, {"to": TensorProto.INT64}, [FLOATS]),
    ("Cast", 17, {"to": TensorProto.BOOL}, [NUMBERS]),
    ("Ceil", 17, {}, [FLOATS]),
    ("Clip", 17, {}, [NUMBERS, np.array(-1), np.array(4)]),
    ("Clip", 17, {}, [NUMBERS, None, np.array(4)]),
    ("Clip", 10, {"min": -1.0, "max": 2.0}, [FLOATS]),
    ("Concat", 17, {"axis": -1}, [NUMBERS, NUMBERS[:, :1]]),
    ("Constant", 17, {"value_ints": [3, 4]}, []),
    ("Constant", 17, {"value_int": 3}, []),
    ("Constant", 17, {"value_float": 0.5}, []),
    ("Constant", 17, {"value_floats": [0.5, 2.0]}, []),
    ("ConstantOfShape", 17, {}, [ints(2, 3)]),
    ("ConstantOfShape", 17, {"value": helper.make_tensor("v", TensorProto.INT64, [1], [7])}, [ints(2)]),
    ("CumSum", 17, {}, [NUMBERS, np.array(1)]),
    ("Div", 17, {}, [NUMBERS, OTHERS]),
    ("Div", 17, {}, [-NUMBERS, OTHERS]),
    ("Div", 17, {}, [FLOATS, np.array(3, np.float32)]),
    ("Equal", 17, {}, [NUMBERS, NUMBERS[:1]]),
    ("Expand", 17, {}, [OTHERS, ints(2, 1)]),
    ("Flatten", 17, {"axis": 1}, [np.arange(24).reshape(2, 3, 4)]),
    ("Flatten", 17, {"axis": -1}, [np.arange(24).reshape(2, 3, 4)]),
    ("Flatten", 17, {"axis": 0}, [np.arange(24).reshape(2, 3, 4)]),
    ("Floor", 17, {}, [FLOATS]),
    ("Gather", 17, {}, [OTHERS, np.array(-1)]),
    ("Gather", 17, {"axis": 1}, [NUMBERS, ints(2, 0)]),
    ("GatherElements", 17, {"axis": 1}, [NUMBERS, np.array([[2, -1], [0, 1]])]),
    ("GatherND", 17, {}, [NUMBERS, np.array([[0, 1], [1, -1]])]),
    ("GatherND", 17, {}, [NUMBERS, np.array([[1], [0], [0]])]),
    ("Greater", 17, {}, [NUMBERS, OTHERS]),
    ("GreaterOrEqual", 17, {}, [NUMBERS, OTHERS]),
    ("Identity", 17, {}, [NUMBERS]),
    ("Less", 17, {}, [NUMBERS, OTHERS]),
    ("LessOrEqual", 17, {}, [NUMBERS, OTHERS]),
    ("Max", 17, {}, [NUMBERS, OTHERS, ints(0)]),
    ("Min", 17, {}, [NUMBERS, OTHERS]),
    ("Mod", 17, {}, [NUMBERS, OTHERS]),
    ("Mod", 17, {"fmod": 1}, [NUMBERS, OTHERS]),
    ("Mul", 17, {}, [FLOATS, FLOATS]),
    ("Neg", 17, {}, [NUMBERS]),
    ("NonZero", 17, {}, [NUMBERS]),
    ("Not", 17, {}, [FLAGS]),
    ("Or", 17, {}, [FLAGS, ~FLAGS[:1]]),
    ("Pow", 17, {}, [NUMBERS, ints(2)]),
    ("Pow", 17, {}, [np.abs(FLOATS), np.array(0.5, np.float32)]),
    ("Pow", 17, {}, [NUMBERS, np.array(2, np.float32)]),
    ("Range", 17, {}, [np.array(2), np.array(9), np.array(3)]),
    ("Range", 17, {}, [np.array(5), np.array(-4), np.array(-2)]),
    ("Range", 17, {}, [np.array(0, np.float32), np.array(1, np.float32), np.array(0.3, np.float32)]),
    ("Reciprocal", 17, {}, [FLOATS]),
    ("ReduceMax", 17, {"axes": [1]}, [NUMBERS]),
    ("ReduceMax", 18, {"keepdims": 0}, [NUMBERS, ints(1)]),
    ("ReduceMin", 17, {"axes": [0], "keepdims": 0}, [NUMBERS]),
    ("ReduceProd", 17, {"keepdims": 0}, [OTHERS]),
    ("ReduceProd", 18, {}, [OTHERS]),
    ("ReduceSum", 17, {}, [NUMBERS, ints(-1)]),
    ("ReduceSum", 17, {"noop_with_empty_axes": 1}, [NUMBERS]),
    ("ReduceSum", 11, {"axes": [1]}, [NUMBERS]),
    ("Reshape", 17, {}, [NUMBERS, ints(0, -1, 1)]),
    ("Reshape", 17, {}, [NUMBERS, ints(6)]),
    ("Round", 17, {}, [FLOATS]),
    ("ScatterND", 17, {}, [OTHERS, np.array([[1], [-1]]), ints(8, 9)]),
    ("Sign", 17, {}, [NUMBERS]),
    ("Slice", 17, {}, [NUMBERS, ints(1), ints(2**63 - 1), ints(1)]),
    ("Slice", 17, {}, [NUMBERS, ints(-1, 5), ints(-9, -(2**62)), ints(0, 1), ints(-1, -2)]),
    ("Slice", 17, {}, [NUMBERS, ints(0, 1), ints(1, 9)]),
    ("Slice", 9, {"starts": [1], "ends": [9], "axes": [1]}, [NUMBERS]),
    ("Slice", 9, {"starts": [0], "ends": [-1]}, [NUMBERS]),
    ("Split", 17, {"axis": 1}, [np.arange(12).reshape(2, 6)]),
    ("Split", 17, {"axis": 1}, [np.arange(12).reshape(2, 6), ints(1, 5)]),
    ("Split", 11, {"axis": 1, "split": [4, 2]}, [np.arange(12).reshape(2, 6)]),
    ("Split", 18, {"axis": 0, "num_outputs": 2}, [np.arange(7)]),
    ("Sqrt", 17, {}, [np.abs(FLOATS)]),
    ("Squeeze", 17, {}, [NUMBERS[None, :, None], ints(0, -2)]),
    ("Squeeze", 17, {}, [OTHERS[None, :, None]]),
    ("Squeeze", 11, {"axes": [0]}, [OTHERS[None, :]]),
    ("Sub", 17, {}, [NUMBERS, OTHERS]),
    ("Sum", 17, {}, [FLOATS, FLOATS[:1], FLOATS[:, :1]]),
    ("Tile", 17, {}, [NUMBERS, ints(2, 1)]),
    ("Transpose", 17, {"perm": [1, 0]}, [NUMBERS]),
    ("Transpose", 17, {}, [NUMBERS]),
    ("Unsqueeze", 17, {}, [OTHERS, ints(0, -1)]),
    ("Unsqueeze", 11, {"axes": [1]}, [OTHERS]),
    ("Where", 17, {}, [FLAGS, NUMBERS, OTHERS]),
    ("Xor", 17, {}, [FLAGS, FLAGS[:1]]),
]


def node_of(operator: str, attributes: dict[str, Any], inputs: list[np.ndarray | None]) -> onnx.NodeProto:
    names = ["" if value is None else f"i{place}" for place, value in enumerate(inputs)]
    count = 2 if operator == "Split" else 1
    return helper.make_node(operator, names, [f"o{place}" for place in range(count)], **attributes)


def by_onnx_runtime(node: onnx.NodeProto, opset: int, inputs: list[np.ndarray | None]) -> list[np.ndarray]:
    given = {f"i{place}": value for place, value in enumerate(inputs) if value is not None}
    graph = helper.make_graph(
        [node],
        "g",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in given.items()
        ],
        [onnx.ValueInfoProto(name=name) for name in node.output],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, given)


def test_every_operator_is_tried() -> None:
    assert {operator for operator, *_ in CASES} == set(RULES)


@pytest.mark.parametrize(("operator", "opset", "attributes", "inputs"), CASES)
def test_a_value_is_that_of_onnx_runtime(
    operator: str, opset: int, attributes: dict[str, Any], inputs: list[np.ndarray | None]
) -> None:
    node = node_of(operator, attributes, inputs)
    assert computable(node, opset)
    found = compute(node, opset, [None if value is None else Known(value) for value in inputs])
    assert found is not None
    for known, wanted in zip(found, by_onnx_runtime(node, opset, inputs), strict=True):
        assert known.open is None
        assert (known.array.dtype, known.array.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_array_equal(known.array, wanted)


@pytest.mark.parametrize(("operator", "opset", "attributes", "inputs"), CASES)
def test_what_is_said_of_open_sizes_holds_for_every_size(
    operator: str, opset: int, attributes: dict[str, Any], inputs: list[np.ndarray | None]
) -> None:
    """One element after the other is left open: what the outputs say then must fit what is computed for any number in its place."""
    node = node_of(operator, attributes, inputs)
    for place, value in enumerate(inputs):
        if value is None or value.dtype != np.int64:
            continue
        for element in range(value.size):
            names = np.empty(value.shape, object)
            names.reshape(-1)[element] = "N"
            filler = value.copy()
            filler.reshape(-1)[element] = 1
            values = [None if one is None else Known(one) for one in inputs]
            values[place] = Known(filler, names)
            found = compute(node, opset, values)
            if found is None:
                continue
            for size in (1, 2, 17):
                actual = value.copy()
                actual.reshape(-1)[element] = size
                values[place] = Known(actual)
                truth = compute(node, opset, values)
                for known, wanted in zip(found, truth or (), strict=False):
                    assert known.array.shape == wanted.array.shape
                    for said, is_so in zip(known.entries, wanted.array.reshape(-1).tolist(), strict=True):
                        assert said == ANY or (size if said == "N" else said) == is_so


def test_sizes_are_told_as_far_as_they_are_known() -> None:
    shape = sizes_of(helper.make_node("Shape", ["x"], ["s"]), 17, ("N", 3, None, 7))
    assert shape is not None
    assert shape.entries == ["N", 3, ANY, 7]
    part = sizes_of(helper.make_node("Shape", ["x"], ["s"], start=1, end=-2), 17, ("N", 3, None, 7))
    assert part is not None
    assert part.entries == [3]
    assert part.open is None
    assert sizes_of(helper.make_node("Size", ["x"], ["s"]), 17, ("N", 3)) is None
    whole = sizes_of(helper.make_node("Size", ["x"], ["s"]), 17, (2, 3))
    assert whole is not None
    assert whole.array == 6


def test_an_open_size_is_not_minus_one_and_may_be_anything_else() -> None:
    shape = Known.of(["N", 3])
    node = helper.make_node("Equal", ["a", "b"], ["c"])
    (found,) = compute(node, 17, [shape, Known(ints(-1))]) or ()
    assert found.open is None
    assert found.array.tolist() == [False, False]
    (other,) = compute(node, 17, [shape, Known(ints(5))]) or ()
    assert other.entries == [ANY, False]
    (unknown,) = compute(node, 17, [Known.of([None, 3]), Known(ints(-1))]) or ()
    assert unknown.entries == [ANY, False]


LARGE = 1 << 40
REFUSED: list[tuple[str, dict[str, Any], list[np.ndarray]]] = [
    ("ConstantOfShape", {}, [ints(LARGE)]),
    ("ConstantOfShape", {}, [ints(-1)]),
    ("Expand", {}, [OTHERS, ints(LARGE, 3)]),
    ("Tile", {}, [OTHERS, ints(LARGE)]),
    ("Range", {}, [np.array(0), np.array(LARGE), np.array(1)]),
    ("Range", {}, [np.array(0), np.array(4), np.array(0)]),
    ("Add", {}, [np.zeros((MOST_ELEMENTS, 1), np.int64), np.zeros((1, 2), np.int64)]),
    ("Where", {}, [np.zeros((MOST_ELEMENTS, 1), bool), np.zeros((1, 2), np.int64), ints(0)]),
    ("Clip", {}, [np.zeros((MOST_ELEMENTS, 1), np.int64), np.zeros((1, 2), np.int64)]),
    ("Gather", {}, [np.zeros((1, MOST_ELEMENTS), np.int64), ints(0, 0)]),
    ("GatherND", {}, [np.zeros((1, MOST_ELEMENTS), np.int64), np.zeros((2, 1), np.int64)]),
    ("Div", {}, [OTHERS, ints(0)]),
    ("Mod", {}, [OTHERS, ints(0)]),
    ("Cast", {"to": TensorProto.INT64}, [np.array([np.inf], np.float32)]),
    ("Cast", {"to": TensorProto.STRING}, [OTHERS]),
    ("Cast", {"to": TensorProto.BFLOAT16}, [OTHERS]),
    ("Concat", {"axis": 3}, [OTHERS, OTHERS]),
    ("Reshape", {}, [OTHERS, ints(2, 2)]),
    ("Split", {}, [OTHERS, ints(1, 1)]),
    ("Gather", {}, [OTHERS, ints(9)]),
    ("Pow", {}, [OTHERS, ints(-1)]),
]


@pytest.mark.parametrize(("operator", "attributes", "inputs"), REFUSED)
def test_what_makes_no_sense_or_too_much_is_not_known(
    operator: str, attributes: dict[str, Any], inputs: list[np.ndarray]
) -> None:
    node = node_of(operator, attributes, list(inputs))
    assert compute(node, 17, [Known(one) for one in inputs]) is None


def test_older_revisions_of_another_meaning_are_left_alone() -> None:
    for operator, version in (("Add", 6), ("Reshape", 1), ("Tile", 1), ("Clip", 1)):
        assert not computable(helper.make_node(operator, ["a", "b"], ["c"]), version)
    assert not computable(helper.make_node("Add", ["a", "b"], ["c"], domain="com.microsoft"), 17)
    assert not computable(helper.make_node("RandomNormalLike", ["a"], ["c"]), 17)
