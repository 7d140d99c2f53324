"""A model that saturates outside its range distinguishes pictures only inside it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnxviz
from onnxviz.contract import InputContract
from onnxviz.model.expectations.batch_statistics import IMAGENET_MEAN, IMAGENET_STD
from onnxviz.model.expectations.contract_reading import contract
from onnxviz.model.model import Model
from onnxviz.model.probing.range_probe import probe_range
from onnxviz.model.session import Session

SHAPE = (1, 3, 16, 16)


def model(width: float) -> Model:
    """Return a network that drowns pictures of less than a width in its own bias."""
    generator = np.random.default_rng(0)
    weights = {
        "w": (generator.standard_normal((8, 3, 5, 5)) * 0.3).astype(np.float32),
        "b": (generator.standard_normal(8) * width * 3).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return onnxviz.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


@pytest.mark.parametrize(("width", "top"), [(0.01, 1.0), (255.0, 255.0)])
def test_the_range_is_the_one_in_which_pictures_differ(width: float, top: float) -> None:
    opened = model(width)
    expected = contract(opened, "x")
    assert "assumed" in expected.evidence[-1]
    assert probe_range(opened, expected, SHAPE, {}).high == (top,)


def test_a_model_is_asked_once_for_each_shape_and_setting(monkeypatch) -> None:
    opened = model(255.0)
    runs = []
    real = Session.__call__
    monkeypatch.setattr(Session, "__call__", lambda self, inputs: runs.append(1) or real(self, inputs))
    expected = contract(opened, "x")
    first = probe_range(opened, expected, SHAPE, {})
    once = len(runs)
    assert probe_range(opened, expected, SHAPE, {}) == first
    assert len(runs) == once > 0
    probe_range(opened, expected, SHAPE, {"other": np.zeros(1)})
    assert len(runs) == 2 * once
    probe_range(model(255.0), expected, SHAPE, {})
    assert len(runs) == 3 * once


def test_what_the_file_says_is_left_alone() -> None:
    known = InputContract(
        "x", SHAPE, "image", ("channel", "height", "width"), low=(0.0,), high=(1.0,), evidence=("told",)
    )
    assert probe_range(model(255.0), known, SHAPE, {}) is known
    vector = InputContract("x", (1, 3), "vector", ("feature",), evidence=("assumed",))
    assert probe_range(model(255.0), vector, (1, 3), {}) is vector


def test_no_run_is_spent_on_what_no_measurement_changes(monkeypatch) -> None:
    runs: list[int] = []
    real = Session.__call__
    monkeypatch.setattr(Session, "__call__", lambda self, inputs: runs.append(1) or real(self, inputs))
    axes = ("channel", "height", "width")
    wide = InputContract("x", SHAPE, "image", axes, high=(255.0,), evidence=("assumed 0 to 255",))
    assert probe_range(model(0.01), wide, SHAPE, {}) is wide
    assert not runs
    # All pictures give the same answer in 0 to 1: a second range has nothing to be compared with.
    deaf = onnx.ModelProto.FromString(model(1.0).original.SerializeToString())
    kernel = next(one for one in deaf.graph.initializer if one.name == "w")
    kernel.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(kernel)), "w"))
    unit = InputContract("x", SHAPE, "image", axes, evidence=("assumed",))
    assert probe_range(onnxviz.load(deaf), unit, SHAPE, {}) is unit
    assert len(runs) == 4


def test_a_model_that_onnx_runtime_refuses_keeps_its_assumption() -> None:
    proto = onnx.ModelProto.FromString(model(255.0).original.SerializeToString())
    proto.graph.node[0].op_type = "Mystery"  # nothing can be measured
    opened = onnxviz.load(proto)
    expected = InputContract("x", SHAPE, "image", ("channel", "height", "width"), evidence=("assumed",))
    assert probe_range(opened, expected, SHAPE, {}) is expected


def classifier(normalizes: bool) -> Model:
    """Return a classifier that is sure of pictures with the contrast that photographs have in -1 to 1, and of no stronger ones.

    With `normalizes` its first convolution takes back ImageNet's normalization.
    """
    scale, offset = (
        (2 * np.array(IMAGENET_STD), 2 * np.array(IMAGENET_MEAN) - 1) if normalizes else (np.ones(3), np.zeros(3))
    )
    weights = {
        "w": np.diag(scale).reshape(3, 3, 1, 1).astype(np.float32),
        "b": offset.astype(np.float32),
        "most": np.array(-0.55, np.float32),
        "steep": np.array(-30, np.float32),
        "sure": np.array(6, np.float32),
        "classes": np.array([[1, 0, 0, 0, 0, 0]], np.float32),
        "axes": np.array([1, 2, 3]),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"]),
        helper.make_node("Mul", ["c", "c"], ["square"]),
        helper.make_node("ReduceMean", ["square", "axes"], ["power"], keepdims=0),
        helper.make_node("Add", ["power", "most"], ["over"]),
        helper.make_node("Relu", ["over"], ["excess"]),
        helper.make_node("Mul", ["excess", "steep"], ["lost"]),
        helper.make_node("Add", ["lost", "sure"], ["left"]),
        helper.make_node("Relu", ["left"], ["certain"]),
        helper.make_node("Unsqueeze", ["certain", "one"], ["column"]),
        helper.make_node("MatMul", ["column", "classes"], ["y"]),
    ]
    weights["one"] = np.array([1])
    shape = (1, 3, 80, 80)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 6])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opset = helper.make_opsetid("", 18)
    return onnxviz.load(helper.make_model(graph, opset_imports=[opset], ir_version=8, producer_name="pytorch"))


@pytest.mark.parametrize("normalizes", [False, True])
def test_a_classifier_is_surer_of_photographs_in_its_own_range(normalizes: bool) -> None:
    opened = classifier(normalizes)
    expected = contract(opened, "x")
    assert "ImageNet" in " ".join(expected.evidence)
    found = probe_range(opened, expected, (1, 3, 80, 80), {})
    assert (found.low == (-1.0,)) is not normalizes
    assert ("times as sure" in found.evidence[-1]) is not normalizes
