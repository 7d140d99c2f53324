"""The first layer's kernels: each equals the layer's output for one-hot inputs, by ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnxviz
from onnxviz.errors import ModelError, TargetError, UsageError
from onnxviz.model.expectations.first_layer import first_layer
from onnxviz.model.model import Model

RANDOM = np.random.default_rng(0)


def model(
    *nodes: onnx.NodeProto,
    shape: list[int | str],
    kind: int = TensorProto.FLOAT,
    out: int = TensorProto.FLOAT,
    **weights: np.ndarray,
) -> Model:
    """Return a model from x to y."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", out, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [
        helper.make_opsetid("", 17),
        helper.make_opsetid("com.microsoft", 1),
        helper.make_opsetid("ai.onnx.ml", 3),
    ]
    return onnxviz.load(helper.make_model(graph, opset_imports=opsets, ir_version=8))


def node(operator: str, inputs: str, outputs: str = "y", **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("kernels", "groups", "size"),
    [
        (normal(5, 3, 3, 3), 1, (6, 6)),
        (normal(4, 1, 3, 3), 4, (6, 6)),
        (normal(4, 2, 3, 3), 2, (6, 6)),
        (normal(5, 2, 7), 1, (9,)),
        (normal(2, 2, 3, 3, 3), 1, (4, 4, 4)),
    ],
)
def test_a_convolution_s_kernels_are_its_weights(kernels: np.ndarray, groups: int, size: tuple[int, ...]) -> None:
    channels = kernels.shape[1] * groups
    found = first_layer(model(node("Conv", "x w", group=groups), shape=["N", channels, *size], w=kernels))
    assert (found.layer, found.operator, found.weight, found.groups) == ("y", "Conv", "w", groups)
    assert found.path == ("Initializer",)
    np.testing.assert_array_equal(found.kernels, kernels)


def test_a_transposed_convolution_s_kernels_are_what_one_pixel_becomes() -> None:
    opened = model(node("ConvTranspose", "x w", group=2), shape=[1, 4, 1, 1], w=normal(4, 3, 3, 3))
    found = first_layer(opened)
    assert found.kernels.shape == (6, 2, 3, 3)
    for channel in range(4):
        x = np.zeros((1, 4, 1, 1), np.float32)
        x[0, channel] = 1
        drawn = opened.session()({"x": x})["y"][0]
        group, place = divmod(channel, 2)
        np.testing.assert_allclose(drawn[3 * group : 3 * group + 3], found.kernels[3 * group : 3 * group + 3, place])
        assert not drawn[3 * (1 - group) : 3 * (1 - group) + 3].any()


def test_a_convolution_of_integers_is_freed_of_its_zero_point() -> None:
    kernels = RANDOM.integers(0, 255, (3, 2, 3, 3)).astype(np.uint8)
    opened = model(
        node("ConvInteger", "x w xz wz"),
        shape=[1, 2, 3, 3],
        kind=TensorProto.UINT8,
        out=TensorProto.INT32,
        w=kernels,
        xz=np.array(0, np.uint8),
        wz=np.array(7, np.uint8),
    )
    np.testing.assert_array_equal(first_layer(opened).kernels, kernels.astype(float) - 7)


def test_integer_kernels_with_a_zero_point_each() -> None:
    kernels = RANDOM.integers(0, 255, (2, 3, 3, 3)).astype(np.uint8)
    zero = np.array([7, 9], np.uint8)
    opened = model(
        node("ConvInteger", "x w xz wz"),
        shape=[1, 3, 3, 3],
        kind=TensorProto.UINT8,
        out=TensorProto.INT32,
        w=kernels,
        xz=np.array(0, np.uint8),
        wz=zero,
    )
    np.testing.assert_array_equal(first_layer(opened).kernels, kernels.astype(float) - zero.reshape(2, 1, 1, 1))


def test_a_quantized_convolution_s_kernels_are_dequantized() -> None:
    kernels, scale = RANDOM.integers(-99, 99, (2, 3, 3, 3)).astype(np.int8), np.array([0.5, 0.25], np.float32)
    opened = model(
        node("QuantizeLinear", "x xs xz", "q"),
        node("QLinearConv", "q xs xz w ws wz ys yz"),
        shape=[1, 3, 3, 3],
        out=TensorProto.UINT8,
        xs=np.array(0.1, np.float32),
        xz=np.array(128, np.uint8),
        w=kernels,
        ws=scale,
        wz=np.zeros(2, np.int8),
        ys=np.array(0.1, np.float32),
        yz=np.array(128, np.uint8),
    )
    found = first_layer(opened)
    np.testing.assert_allclose(found.kernels, kernels * scale.reshape(2, 1, 1, 1))
    assert found.path == ("Initializer", "QLinearConv")


def test_kernels_behind_a_dequantize_linear() -> None:
    kernels, scale = RANDOM.integers(-99, 99, (2, 3, 3, 3)).astype(np.int8), np.array([0.5, 0.25], np.float32)
    opened = model(
        node("DequantizeLinear", "w ws wz", "wf", axis=0),
        node("Identity", "wf", "wi"),
        node("Conv", "x wi"),
        shape=[1, 3, 5, 5],
        w=kernels,
        ws=scale,
        wz=np.array([1, -1], np.int8),
    )
    found = first_layer(opened)
    np.testing.assert_allclose(
        found.kernels, (kernels - np.array([1, -1]).reshape(2, 1, 1, 1)) * scale.reshape(2, 1, 1, 1)
    )
    assert found.path == ("Initializer", "DequantizeLinear", "Identity")


W = normal(4, 3)


@pytest.mark.parametrize(
    ("layer", "weights"),
    [
        (node("MatMul", "x w"), {"w": W}),
        (node("Gemm", "x w"), {"w": W}),
        (node("Gemm", "x w", transB=1), {"w": np.ascontiguousarray(W.T)}),
        (node("FusedMatMul", "x w", domain="com.microsoft", transB=1), {"w": np.ascontiguousarray(W.T)}),
    ],
)
def test_a_matrix_has_a_row_for_each_unit(layer: onnx.NodeProto, weights: dict[str, np.ndarray]) -> None:
    opened = model(layer, shape=["N", 4], **weights)
    found = first_layer(opened)
    answered = opened.session()({"x": np.eye(4, dtype=np.float32)})["y"]  # row i is the output for feature i
    np.testing.assert_allclose(found.kernels, answered.T, rtol=1e-6)


def test_a_quantized_matrix_has_a_scale_for_each_column() -> None:
    weights, scale = RANDOM.integers(-99, 99, (4, 3)).astype(np.int8), np.array([0.5, 0.25, 2], np.float32)
    opened = model(
        node("QuantizeLinear", "x xs xz", "q"),
        node("QLinearMatMul", "q xs xz w ws wz ys yz"),
        shape=[1, 4],
        out=TensorProto.UINT8,
        xs=np.array(0.1, np.float32),
        xz=np.array(128, np.uint8),
        w=weights,
        ws=scale,
        wz=np.zeros(3, np.int8),
        ys=np.array(0.1, np.float32),
        yz=np.array(128, np.uint8),
    )
    np.testing.assert_allclose(first_layer(opened).kernels, (weights * scale).T)


def test_a_recurrent_layer_has_a_row_for_each_gate_of_each_unit() -> None:
    weights = normal(1, 8, 3)
    opened = model(node("LSTM", "x w r", hidden_size=2), shape=[5, 1, 3], w=weights, r=normal(1, 8, 2))
    np.testing.assert_array_equal(first_layer(opened).kernels, weights[0])


def test_coefficients_in_an_attribute() -> None:
    layer = node("LinearRegressor", "x", domain="ai.onnx.ml", coefficients=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], targets=2)
    opened = model(layer, shape=["N", 3])
    found = first_layer(opened)
    answered = opened.session()({"x": np.eye(3, dtype=np.float32)})["y"]
    np.testing.assert_allclose(found.kernels, answered.T)
    assert found.path == ("Attribute",)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_classifier_of_two_classes_has_as_many_rows_as_intercepts(rows: int) -> None:
    coefficients = [1.0, 2.0, 3.0, -1.0, -2.0, -3.0][: 3 * rows]
    layer = node(
        "LinearClassifier",
        "x",
        "y p",
        domain="ai.onnx.ml",
        coefficients=coefficients,
        intercepts=[0.5] * rows,
        classlabels_ints=[0, 1],
    )
    found = first_layer(model(layer, shape=["N", 3], out=TensorProto.INT64))
    np.testing.assert_array_equal(found.kernels, np.reshape(coefficients, (rows, 3)))


def test_a_matrix_that_sees_a_whole_picture_has_its_axes() -> None:
    opened = model(node("Flatten", "x", "f"), node("MatMul", "f w"), shape=[1, 1, 4, 5], w=normal(20, 3))
    found = first_layer(opened)
    assert found.kernels.shape == (3, 1, 4, 5)
    np.testing.assert_array_equal(found.kernels.reshape(3, -1), opened.weight("w").T)


def test_a_convolution_along_one_axis_written_as_two() -> None:
    kernels = normal(3, 2, 1, 9)
    found = first_layer(model(node("Conv", "x w"), shape=[1, 2, 1, 20], w=kernels))
    np.testing.assert_array_equal(found.kernels, kernels[:, :, 0])


def test_what_depends_on_another_input_is_no_weight() -> None:
    opened = model(
        node("MatMul", "x h", "a"),
        node("Neg", "z", "h"),
        node("MatMul", "a w"),
        shape=[2, 4],
        w=normal(3, 2),
        z=normal(4, 3),
    )
    proto = onnx.ModelProto.FromString(opened.original.SerializeToString())
    proto.graph.initializer.pop()
    proto.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [4, 3]))
    assert first_layer(onnxviz.load(proto), "x").weight == "w"


def test_a_layer_is_found_by_its_weight_or_by_what_it_makes() -> None:
    opened = model(
        node("Conv", "x w", "h"),
        node("Relu", "h", "r"),
        node("Conv", "r v", "y"),
        shape=[1, 2, 6, 6],
        w=normal(3, 2, 3, 3),
        v=normal(4, 3, 1, 1),
    )
    assert first_layer(opened).weight == "w"
    assert first_layer(opened, weight="v").layer == "y"
    assert first_layer(opened, weight="y").weight == "v"
    with pytest.raises(TargetError, match="r is made by Relu, which has no kernels"):
        first_layer(opened, weight="r")
    with pytest.raises(TargetError, match="no tensor of that name"):
        first_layer(opened, weight="none")
    with pytest.raises(UsageError, match="none is no input"):
        first_layer(opened, "none")


def test_a_network_without_layers_says_so() -> None:
    with pytest.raises(UsageError, match="no convolution or matrix with constant weights"):
        first_layer(model(node("Relu", "x"), shape=[1, 3]))


@pytest.mark.parametrize(
    ("one", "weight", "words"),
    [
        (node("ConvTranspose", "x w"), np.ones(3, np.float32), "has the shape 3; ConvTranspose needs 3 axes or more"),
        (node("Conv", "x w"), np.float32(1).reshape(()), "has the shape no axes; Conv needs 3 axes or more"),
        (node("Conv", "x w"), np.ones((0, 1, 3), np.float32), "has the shape 0x1x3"),
        (node("ConvTranspose", "x w", group=0), np.ones((2, 1, 3), np.float32), "its 2 channels cannot be divided into 0 groups"),
        (node("ConvTranspose", "x w", group=3), np.ones((2, 1, 3), np.float32), "its 2 channels cannot be divided into 3 groups"),
        (node("Conv", "x w"), np.array([[["a"]]], object), "holds text; Conv takes numbers"),
    ],
)  # fmt: skip
def test_a_weight_of_which_no_kernels_can_be_made_is_told_of(one, weight, words) -> None:
    damaged = model(one, shape=[1, 2, 8], w=weight)
    with pytest.raises(ModelError, match=words):
        first_layer(damaged)
    assert onnxviz.load(damaged.original).inputs["x"].shape == (1, 2, 8)
