"""A classifier of colors tells photographs apart in the order of its own channels, and in no other."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnxviz
from onnxviz.analyses.inputs.request import InputRequest
from onnxviz.analyses.inputs.settled import settle
from onnxviz.contract import InputContract
from onnxviz.model.model import Model
from onnxviz.model.probing.order_probe import photographs, probe_order
from onnxviz.model.session import Session

SHAPE = (1, 3, 16, 24)
KNOWN = InputContract("x", SHAPE, "image", ("channel", "height", "width"), "rgb", (0.0,), (1.0,), color_told=True)
OPEN = InputContract("x", SHAPE, "image", ("channel", "height", "width"), "rgb", (0.0,), (1.0,))


def classifier(order: tuple[int, ...], probabilities: bool = False, producer: str = "") -> Model:
    """Return six classes of a picture's mean color: how much more red than blue it has, of a bias that drowns little color."""
    means = photographs(*SHAPE[2:]).mean((2, 3))  # (photograph, channel)
    # The color that tells the photographs apart best, compared with the same photographs of the other order.
    axis = np.linalg.svd(means - means.mean(0))[2]
    swapped = means[:, ::-1] - means[:, ::-1].mean(0)
    best = max(axis, key=lambda one: np.abs((means - means.mean(0)) @ one).sum() / (np.abs(swapped @ one).sum() + 1e-9))
    weights = np.outer(np.array([1, -1, 2, -2, 3, -3]), best)[:, list(order)].astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Add", ["f", "b"], ["z" if probabilities else "y"]),
        *([helper.make_node("Softmax", ["z"], ["y"])] if probabilities else []),
    ]
    held = {"k": weights.reshape(6, 3, 1, 1), "b": np.linspace(-4, 4, 6, dtype=np.float32)}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 6])],
        [numpy_helper.from_array(value, name) for name, value in held.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name=producer)
    return onnxviz.load(proto)


@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.parametrize(("order", "color"), [((0, 1, 2), "rgb"), ((2, 1, 0), "bgr")])
def test_the_order_is_the_one_in_which_photographs_differ(order, color: str, probabilities: bool) -> None:
    found = probe_order(classifier(order, probabilities), OPEN, SHAPE, {})
    assert found.color == color
    assert found.color_told
    assert "tell photographs apart" in found.evidence[-1]


def test_a_model_that_treats_all_channels_alike_is_left_open() -> None:
    model = classifier((1, 1, 1))
    found = probe_order(model, OPEN, SHAPE, {})
    assert (found.color, found.color_told) == ("rgb", False)
    assert found.evidence[-1] == "nothing tells the order of the colors: RGB is assumed (change with `channels`)"


def test_what_is_known_is_not_measured(monkeypatch) -> None:
    model = classifier((2, 1, 0))
    runs: list[int] = []
    real = Session.__call__
    monkeypatch.setattr(Session, "__call__", lambda self, inputs: runs.append(1) or real(self, inputs))
    assert probe_order(model, KNOWN, SHAPE, {}) is KNOWN
    assert not runs
    first = probe_order(model, OPEN, SHAPE, {})
    assert len(runs) == 8  # as many as for the range
    assert probe_order(model, OPEN, SHAPE, {}) == first
    assert len(runs) == 8


def test_the_second_order_is_not_run_where_the_first_tells_nothing(monkeypatch) -> None:
    few = onnxviz.load(classifier((0, 1, 2)).cut(["f"]).to_proto())
    proto = few.original
    kernel = next(one for one in proto.graph.initializer if one.name == "k")
    kernel.CopyFrom(
        numpy_helper.from_array(numpy_helper.to_array(kernel)[:4], "k")
    )  # too few classes to depend on colors
    del proto.graph.value_info[:]
    proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 4
    runs: list[int] = []
    real = Session.__call__
    monkeypatch.setattr(Session, "__call__", lambda self, inputs: runs.append(1) or real(self, inputs))
    found = probe_order(onnxviz.load(proto), OPEN, SHAPE, {})
    assert not found.color_told
    assert len(runs) == 4


def test_networks_of_caffe_take_blue_first_and_a_person_decides() -> None:
    model = classifier((0, 1, 2), producer="onnx-caffe2")
    found = settle(model, InputRequest()).contract("x")
    assert found.color == "bgr"
    assert any("producer onnx-caffe2" in note for note in found.evidence)
    given = settle(model, InputRequest(channels="rgb")).about(["x"]).contract("x")
    assert given.color == "rgb"
    assert "channels given: rgb" in given.evidence


@pytest.mark.parametrize(("height", "width"), [(160, 160), (20, 30), (300, 7)])
def test_photographs_keep_their_colors_at_any_size(height: int, width: int) -> None:
    found = photographs(height, width)
    assert found.shape == (4, 3, height, width)
    assert 0 <= found.min() <= found.max() <= 1
    if height == width:
        half = photographs(80, 80)
        blocks = found.reshape(4, 3, 80, 2, 80, 2).mean((3, 5))
        np.testing.assert_allclose(half, blocks, atol=1e-12)
