"""The order of color channels, from the means in a file: pictures with known means are recovered."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnxviz
from onnxviz.model.expectations.contract_reading import contract
from onnxviz.model.model import Model

MEANS = np.array([0.485, 0.456, 0.406])
SHAPE = [1, 3, 64, 64]


def model(*nodes: onnx.NodeProto, metadata: dict[str, str] | None = None, **weights: np.ndarray) -> Model:
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(proto, metadata or {})
    return onnxviz.load(proto)


@pytest.mark.parametrize(("order", "color"), [((0, 1, 2), "rgb"), ((2, 1, 0), "bgr")])
@pytest.mark.parametrize("scale", [1, 255])
def test_subtracted_means_tell_the_order(order: tuple[int, ...], color: str, scale: int) -> None:
    mean = (MEANS[list(order)] * scale).reshape(1, 3, 1, 1)
    nodes = (
        helper.make_node("Sub", ["x", "m"], ["a"]),
        helper.make_node("Mul", ["a", "f"], ["y"]),
    )
    found = contract(model(*nodes, m=mean, f=np.full(1, 4 / scale)), "x")
    assert found.color == color
    assert "the graph subtracts the means" in found.evidence[-1]
    told = contract(model(*nodes, m=mean, f=np.full(1, 4 / scale), metadata={"Image.BitmapPixelFormat": "Rgb8"}), "x")
    assert told.color == "rgb"


def test_equal_means_tell_nothing() -> None:
    found = contract(model(helper.make_node("Sub", ["x", "m"], ["y"]), m=np.full((1, 3, 1, 1), 0.5)), "x")
    assert found.color == "rgb"
    assert not any("channels:" in note for note in found.evidence)


def normalized(means: np.ndarray, noise: float = 0.0) -> Model:
    """Return a convolution whose batch normalization remembers pictures of such means, in -1 to 1."""
    generator = np.random.default_rng(0)
    kernels = generator.standard_normal((16, 3, 3, 3)) * 0.2
    bias = generator.standard_normal(16)
    variance = np.square(kernels.sum((2, 3))).sum(1) * 0.25 + 0.01
    answered = kernels.sum((2, 3)) @ means + bias + noise * np.sqrt(variance) * generator.standard_normal(16)
    nodes = (
        helper.make_node("Conv", ["x", "w", "c"], ["h"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["h", "g", "b", "m", "v"], ["y"]),
    )
    return model(
        *nodes,
        metadata={"input_range": "[-1, 1]"},
        w=kernels,
        c=bias,
        g=np.ones(16),
        b=np.zeros(16),
        m=answered,
        v=variance,
    )


@pytest.mark.parametrize(("order", "color"), [((0, 1, 2), "rgb"), ((2, 1, 0), "bgr")])
def test_remembered_answers_tell_the_order(order: tuple[int, ...], color: str) -> None:
    means = (2 * MEANS - 1)[list(order)]
    found = contract(normalized(means, noise=0.002), "x")
    assert found.color == color
    # The means of the pictures are recovered.
    told = [
        float(word.strip(",")) for word in found.evidence[-1].split() if word.strip(",-").replace(".", "").isdigit()
    ]
    np.testing.assert_allclose(told, means, atol=0.01)


@pytest.mark.parametrize(("means", "noise"), [((-0.03, -0.09, -0.19), 3.0), ((-0.1, -0.3, -0.2), 0.0)])
def test_what_photographs_do_not_explain_tells_nothing(means: tuple[float, ...], noise: float) -> None:
    found = contract(normalized(np.array(means), noise), "x")
    assert found.color == "rgb"
    assert not any("channels:" in note for note in found.evidence)
