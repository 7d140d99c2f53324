"""The input's contract: each piece of evidence alone, on a model that holds nothing else."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnxviz
from onnxviz.contract import InputContract
from onnxviz.errors import TargetError, UsageError
from onnxviz.model.expectations.contract_reading import contract, default_input, settle
from onnxviz.model.model import Model


def model(
    shape: list[int | str | None],
    *nodes: onnx.NodeProto,
    kind: int = TensorProto.FLOAT,
    metadata: dict[str, str] | None = None,
    producer: str = "",
    **weights: np.ndarray,
) -> Model:
    """Return a model from x to y; without nodes y is x."""
    graph = helper.make_graph(
        list(nodes) or [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name=producer)
    helper.set_model_props(proto, metadata or {})
    return onnxviz.load(proto)


def node(operator: str, inputs: str, outputs: str = "y", **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("shape", "kind", "layout", "color"),
    [
        (["N", 3, 32, 32], "image", "NCHW", "rgb"),
        ([1, 32, 32, 3], "image", "NHWC", "rgb"),
        ([1, 1, 28, 28], "image", "NCHW", "gray"),
        ([1, 9, 64, 64], "image", "NCHW", None),
        ([1, 3, None, None], "image", "NCHW", "rgb"),
        ([1, 3, 2, 2], "array", "NCHW", None),
        ([1, 1, 8, 8, 8], "array", "NCDHW", None),
        ([1, 20, 30], "array", "NTF", None),
        ([1, 5, 3], "sequence", "NTF", None),
        ([1, 13], "vector", "NF", None),
        ([1, None], "signal", "NT", None),
        ([7], "vector", "F", None),
    ],
)
def test_the_shape_tells_the_kind(shape: list[int | str | None], kind: str, layout: str, color: str | None) -> None:
    found = contract(model(shape), "x")
    assert (found.kind, found.layout, found.color) == (kind, layout, color)
    assert found.evidence


def test_a_convolution_tells_a_signal() -> None:
    kernels = np.ones((2, 1, 9), np.float32)
    found = contract(model(["N", 1, 100], node("Conv", "x w"), w=kernels), "x")
    assert (found.kind, found.layout) == ("signal", "NCT")


def test_a_convolution_tells_a_volume() -> None:
    kernels = np.ones((2, 1, 3, 3, 3), np.float32)
    found = contract(model(["N", 1, 9, 9, 9], node("Conv", "x w"), w=kernels), "x")
    assert (found.kind, found.layout) == ("volume", "NCDHW")


def test_whole_numbers_are_tokens() -> None:
    table = np.zeros((9, 4), np.float32)
    assert contract(model(["N", 12], node("Gather", "w x"), kind=TensorProto.INT64, w=table), "x").kind == "tokens"
    # Whole numbers that become floats are numbers.
    assert contract(model(["N", 12], node("Cast", "x", to=1), kind=TensorProto.INT64), "x").kind == "vector"


@pytest.mark.parametrize(
    ("metadata", "low", "high", "color"),
    [
        ({"Image.NominalPixelRange": "NominalRange_0_255"}, 0, 255, "rgb"),
        ({"Image.NominalPixelRange": "Normalized_1_1", "Image.BitmapPixelFormat": "Bgr8"}, -1, 1, "bgr"),
        ({"input_range": "[-2, 3.5]"}, -2, 3.5, "rgb"),
    ],
)
def test_metadata_tells_the_range(metadata: dict[str, str], low: float, high: float, color: str) -> None:
    found = contract(model([1, 3, 8, 8], metadata=metadata), "x")
    assert (found.low, found.high, found.color) == ((low,), (high,), color)
    assert any("metadata" in note for note in found.evidence)


@pytest.mark.parametrize("text", ["", "[1]", "[3, 1]", '["a", 2]', "{", "[1, 2, 3]"])
def test_metadata_that_is_no_range_is_passed_over(text: str) -> None:
    assert "metadata" not in " ".join(contract(model([1, 3, 8, 8], metadata={"input_range": text}), "x").evidence)


def test_bytes_are_0_to_255() -> None:
    found = contract(model([1, 3, 8, 8], node("Cast", "x", to=1), kind=TensorProto.UINT8), "x")
    assert (found.low, found.high) == ((0.0,), (255.0,))


@pytest.mark.parametrize(("zero", "low", "high"), [(np.uint8(128), -64.0, 63.5), (np.int8(0), -64.0, 63.5)])
def test_quantization_tells_the_range(zero: np.generic, low: float, high: float) -> None:
    opened = model(
        [1, 3, 8, 8],
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z"),
        s=np.array(0.5, np.float32),
        z=np.array(zero),
    )
    found = contract(opened, "x")
    assert (found.low, found.high) == ((low,), (high,))
    edges = np.array([low - 9, high + 9], np.float32).repeat(96).reshape(1, 3, 8, 8)
    held = opened.session()({"x": edges})["y"]
    assert (held.min(), held.max()) == (low, high)


MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("scale", [1, 255])
@pytest.mark.parametrize("last", [False, True])
def test_a_leading_normalization_tells_the_range(scale: int, last: bool) -> None:
    view = (1, 1, 1, 3) if last else (1, 3, 1, 1)
    opened = model(
        [1, 8, 8, 3] if last else [1, 3, 8, 8],
        node("Sub", "x m", "a"),
        node("Div", "a s", "y"),
        m=column(*MEAN).reshape(view) * scale,
        s=column(*STD).reshape(view) * scale,
    )
    found = contract(opened, "x")
    assert (found.low, found.high) == ((0.0,), (float(scale),))
    assert any("Sub, Div" in note for note in found.evidence)


def test_minus_one_to_one_is_known_by_its_affine_map() -> None:
    opened = model([1, 3, 8, 8], node("Mul", "x a", "h"), node("Add", "h b"), a=column(2 / 255), b=column(-1))
    assert contract(opened, "x").high == (255.0,)


def test_a_scaler_tells_center_and_spread_of_each_feature() -> None:
    layer = node("Scaler", "x", domain="ai.onnx.ml", offset=[1.0, 2.0, 3.0], scale=[0.5, 0.25, 1.0])
    found = contract(model(["N", 3], layer), "x")
    np.testing.assert_allclose(found.mean, (1, 2, 3))
    np.testing.assert_allclose(found.scale, (2, 4, 1))
    assert not found.bounded


def test_a_vector_s_sub_and_div_tell_the_same() -> None:
    opened = model(["N", 3], node("Sub", "x m", "a"), node("Div", "a s"), m=column(1, 2, 3), s=column(2, 4, 1))
    found = contract(opened, "x")
    np.testing.assert_allclose(found.mean, (1, 2, 3))
    np.testing.assert_allclose(found.scale, (2, 4, 1))


def test_an_assumption_is_called_one() -> None:
    strong, weak = np.full((4, 3, 3, 3), 0.3, np.float32), np.full((4, 3, 3, 3), 0.001, np.float32)
    shape: list[int | str | None] = [1, 3, 8, 8]
    found = contract(model(shape, node("Conv", "x w"), w=strong), "x")
    assert (found.low, found.high) == ((0.0,), (1.0,))
    assert "assumed" in found.evidence[-1]
    assert contract(model(shape, node("Conv", "x w"), w=weak), "x").high == (255.0,)
    # PyTorch's classifiers are assumed to be torchvision's. A network with a map of positions may be anything.
    assert contract(model(shape, node("Conv", "x w"), w=strong, producer="pytorch"), "x").low == (0.0,)
    classes = (node("Conv", "x w", "h"), node("GlobalAveragePool", "h", "p"), node("Flatten", "p"))
    found = contract(model([1, 3, 224, "W"], *classes, w=strong, producer="pytorch"), "x")
    np.testing.assert_allclose(found.low, -np.array(MEAN) / STD)
    np.testing.assert_allclose(found.high, (1 - np.array(MEAN)) / STD)
    assert "ImageNet" in found.evidence[-1]
    # ImageNet has no pictures of a few pixels a side.
    found = contract(model(["N", 3, 32, 32], *classes, w=strong, producer="pytorch"), "x")
    assert (found.low, found.high) == ((-1.0,), (1.0,))
    assert "assumed" in found.evidence[-1]


def test_a_tensor_inside_the_graph_has_no_range() -> None:
    found = contract(model([1, 3, 8, 8], node("Relu", "x", "h"), node("Neg", "h")), "h")
    assert not found.bounded
    assert "is inside the graph (output of Relu)" in found.evidence[-1]
    with pytest.raises(TargetError):
        contract(model([1, 3]), "none")


def test_the_default_input_is_the_only_float_one() -> None:
    opened = model([1, 3])
    assert default_input(opened).name == "x"
    proto = onnx.ModelProto.FromString(opened.original.SerializeToString())
    proto.graph.input.append(helper.make_tensor_value_info("i", TensorProto.INT64, [1]))
    assert default_input(onnxviz.load(proto)).name == "x"
    with pytest.raises(UsageError, match="only floating-point tensors can move"):
        default_input(onnxviz.load(proto), "i")
    proto.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, "M"]))
    with pytest.raises(UsageError, match=r"several inputs of numbers: x \(1x3\), z \(1xM\)"):
        default_input(onnxviz.load(proto))
    assert default_input(onnxviz.load(proto), "z").name == "z"
    with pytest.raises(UsageError, match="no input of numbers"):
        default_input(model([1], node("Equal", "x x", "e"), node("Cast", "e", to=1), kind=TensorProto.INT64))
    assert default_input(model([1, 4], node("Cast", "x", to=1), kind=TensorProto.INT64)).name == "x"


def test_open_sizes_are_settled() -> None:
    assert settle(["N", 3, "H", None], {"H": 48}, "image") == (1, 3, 48, 224)
    assert settle([4, None], {}, "vector") == (4, 1)
    assert settle(["N", "T"], {"N": 2}, "signal") == (2, 4000)
    assert settle(["N", 3], {}, "vector", (5, 3)) == (5, 3)
    assert settle([], {}, "array", (5, 3)) == (5, 3)
    with pytest.raises(UsageError, match=r"the shape 5x4 does not fit Nx3"):
        settle(["N", 3], {}, "vector", (5, 4))


@pytest.mark.parametrize(("kind", "noun"), [("image", "an image"), ("vector", "a vector"), ("tokens", "tokens")])
def test_a_kind_has_its_article(kind: str, noun: str) -> None:
    assert InputContract("x", ("N", 3), kind, ()).noun == noun


def test_a_note_leaves_the_contract_it_was_made_from() -> None:
    first = InputContract("x", (1, 3), "vector", ("feature",))
    second = first.with_note("told", low=(0.0,))
    assert (first.evidence, first.bounded) == ((), False)
    assert (second.evidence, second.bounded) == (("told",), True)


def test_denotations_are_believed() -> None:
    proto = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 8, 9, 3] x, float[1, 3, 9] t) => (float[1, 8, 9, 3] y, float[1, 3, 9] z) { y = Neg(x)
        z = Neg(t) }"""
    )
    picture, series = proto.graph.input
    picture.type.denotation = "IMAGE"
    for dim, word in zip(
        picture.type.tensor_type.shape.dim, ("DATA_BATCH", "DATA_FEATURE", "DATA_FEATURE", "DATA_CHANNEL"), strict=True
    ):
        dim.denotation = word
    for dim, word in zip(series.type.tensor_type.shape.dim, ("DATA_BATCH", "DATA_CHANNEL", "DATA_TIME"), strict=True):
        dim.denotation = word
    opened = onnxviz.load(proto)
    found = contract(opened, "x")
    assert (found.kind, found.layout, found.color) == ("image", "NHWC", "rgb")
    assert "IMAGE" in found.evidence[0]
    assert (contract(opened, "t").kind, contract(opened, "t").layout) == ("signal", "NCT")


def test_what_a_recurrent_layer_reads_first_is_no_picture() -> None:
    state = model(
        [2, 1, 33, 16],
        node("Reshape", "x steps", "s"),
        node("GRU", "s w r"),
        steps=np.array([33, 2, 16]),
        w=np.zeros((1, 12, 16), np.float32),
        r=np.zeros((1, 12, 4), np.float32),
    )
    assert contract(state, "x").kind == "array"


def test_floats_that_are_only_cast_to_whole_numbers_are_tokens() -> None:
    table = np.zeros((5, 2), np.float32)
    looked_up = (node("Cast", "x", "i", to=6), node("Gather", "t i"))
    found = contract(model(["N", 12], *looked_up, t=table), "x")
    assert (found.kind, found.layout) == ("tokens", "NT")
    assert "cast to whole" in found.evidence[0]
    both = (*looked_up[:1], node("Gather", "t i", "g"), node("Mul", "x x"))
    assert contract(model(["N", 12], *both, t=table), "x").kind == "vector"


def test_a_normalization_of_the_input_itself_tells_the_range() -> None:
    names = ("g", "b", "m", "v")
    weights = (column(2, 1, 3), column(5, 0, 1), column(*MEAN) * 255, (column(*STD) * 255) ** 2)
    layer = node("BatchNormalization", "x g b m v")
    found = contract(model([1, 3, 8, 8], layer, **dict(zip(names, weights, strict=True))), "x")
    assert (found.low, found.high) == ((0.0,), (255.0,))
    features = contract(model(["N", 3], layer, **dict(zip(names, weights, strict=True))), "x")
    np.testing.assert_allclose(features.mean, np.array(MEAN) * 255, rtol=1e-5)
    np.testing.assert_allclose(features.scale, np.array(STD) * 255, rtol=1e-5)


@pytest.mark.parametrize(("kernel", "kind"), [((4, 1, 3, 3), "spectrogram"), ((4, 1, 3, 1), "array")])
def test_kernels_that_slide_both_ways_tell_a_spectrogram(kernel: tuple[int, ...], kind: str) -> None:
    nodes = (node("Unsqueeze", "x a", "u"), node("Conv", "u w"))
    found = contract(model(["N", 40, 30], *nodes, a=np.array([1]), w=np.ones(kernel, np.float32)), "x")
    assert (found.kind, found.layout) == (kind, "NTF")


def test_a_signal_of_unknown_range_is_assumed_to_be_sound() -> None:
    kernels = np.ones((2, 1, 9), np.float32)
    found = contract(model(["N", 1, 100], node("Conv", "x w"), w=kernels), "x")
    assert (found.low, found.high) == ((-1.0,), (1.0,))
    assert "assumed" in found.evidence[-1]
    told = contract(model(["N", 1, 100], node("Conv", "x w"), metadata={"input_range": "[-3, 3]"}, w=kernels), "x")
    assert (told.low, told.high) == ((-3.0,), (3.0,))
    assert "assumed" not in told.evidence[-1]


def _trees_without_values() -> onnx.NodeProto:
    one = node(
        "TreeEnsemble",
        "x",
        domain="ai.onnx.ml",
        nodes_splits=numpy_helper.from_array(column(0.5, 1.5), "splits"),
    )
    one.attribute[0].t.raw_data = b""
    return one


@pytest.mark.parametrize(
    "damaged",
    [
        node("Scaler", "x", domain="ai.onnx.ml", offset=[1.0, 2.0, 3.0, 4.0], scale=[1.0, 2.0]),
        _trees_without_values(),
    ],
    ids=lambda one: one.op_type,
)
def test_evidence_that_is_damaged_counts_for_nothing(damaged: onnx.NodeProto) -> None:
    found = contract(model(["N", 4], damaged), "x")
    assert (found.kind, found.bounded) == ("vector", False)
