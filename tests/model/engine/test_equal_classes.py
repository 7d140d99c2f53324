"""Softmax over equal classes: each value is one over their number for scores of any size, and the gradient is zero."""

from __future__ import annotations

import numpy as np
import onnx.helper as oh
import onnx.numpy_helper as nh
import pytest
import torch
from onnx import NodeProto, TensorProto

import onnxviz
from onnxviz.model.model import Model

CLASSES = 1000
MICROSOFT = "com.microsoft"
RANDOM = np.random.default_rng(0)


def classifier(nodes: list[NodeProto], shape: list[int], weights: dict[str, np.ndarray], opset: int = 13) -> Model:
    graph = oh.make_graph(
        nodes,
        "g",
        [oh.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [oh.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [nh.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    return onnxviz.load(
        oh.make_model(graph, opset_imports=[oh.make_opsetid("", opset), oh.make_opsetid(MICROSOFT, 1)], ir_version=8)
    )


def same(*kernel: int) -> np.ndarray:
    """Return one filter of large numbers, for every class."""
    return np.broadcast_to(1e9 * RANDOM.standard_normal((1, *kernel)), (CLASSES, *kernel)).copy()


def chained(*operators: str, **attributes: int) -> list[NodeProto]:
    names = ["s", *(f"t{place}" for place in range(1, len(operators))), "y"]
    last = len(operators) - 1
    return [
        oh.make_node(operator, [names[place]], [names[place + 1]], **(attributes if place == last else {}))
        for place, operator in enumerate(operators)
    ]


CONVOLVED = [oh.make_node("Conv", ["x", "w", "b"], ["s"])]
MULTIPLIED = [oh.make_node("MatMul", ["x", "w"], ["s"])]
CASES = {
    "convolution, pool": (
        [*CONVOLVED, *chained("Relu", "GlobalAveragePool", "Softmax", axis=1)],
        [2, 5, 4, 3],
        same(5, 1, 1),
    ),
    "fused convolution": (
        [
            oh.make_node("FusedConv", ["x", "w", "b"], ["s"], domain=MICROSOFT, activation="Relu"),
            *chained("Softmax", axis=1),
        ],
        [2, 5, 1, 1],
        same(5, 1, 1),
    ),
    "fused gemm": (
        [
            oh.make_node("FusedGemm", ["x", "w", "b"], ["s"], domain=MICROSOFT, activation="Relu"),
            *chained("Softmax", axis=1),
        ],
        [2, 64],
        same(64).T,
    ),
    "gemm": ([oh.make_node("Gemm", ["x", "w", "b"], ["s"], transB=1), *chained("Softmax", axis=-1)], [2, 64], same(64)),
    "gemm, turned": ([oh.make_node("Gemm", ["x", "w", "b"], ["s"]), *chained("Softmax", axis=1)], [2, 64], same(64).T),
    "product": ([*MULTIPLIED, *chained("Softmax", axis=-1)], [2, 3, 64], same(64).T),
    "product, logarithm": ([*MULTIPLIED, *chained("LogSoftmax", axis=2)], [2, 3, 64], same(64).T),
    "product and bias": (
        [
            oh.make_node("MatMul", ["x", "w"], ["p"]),
            oh.make_node("Add", ["p", "b"], ["s"]),
            *chained("Softmax", axis=-1),
        ],
        [2, 64],
        same(64).T,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_equal_classes_share_evenly_and_pass_nothing(case: str) -> None:
    nodes, shape, weight = CASES[case]
    model = classifier(nodes, shape, {"w": weight, "b": np.full(CLASSES, 3.0)})
    x = torch.tensor(RANDOM.standard_normal(shape), dtype=torch.float32, requires_grad=True)
    y = model.network(["y"])({"x": x})["y"]
    even = -np.log(CLASSES) if nodes[-1].op_type == "LogSoftmax" else 1 / CLASSES
    np.testing.assert_allclose(y.detach(), np.full(y.shape, even), rtol=1e-6)
    (gradient,) = torch.autograd.grad(y.reshape(-1)[7], x)
    assert not gradient.any()


def test_before_opset_13_the_other_axes_count_as_classes() -> None:
    nodes = [*CONVOLVED, *chained("Softmax", axis=1)]
    x = RANDOM.standard_normal((1, 5, 2, 2)).astype(np.float32)
    weights = {"w": same(5, 1, 1) / 1e9, "b": np.zeros(CLASSES)}
    model = classifier(nodes, [1, 5, 2, 2], weights, opset=11)
    y = model.network(["y"])({"x": x})["y"]
    np.testing.assert_allclose(y, model.session(["y"])({"x": x})["y"], rtol=1e-4)
    assert y.std() > 0
    np.testing.assert_allclose(y.sum(), 1, rtol=1e-5)


@pytest.mark.parametrize("what", ["filter", "bias", "groups", "sum", "pool along the classes"])
def test_classes_that_may_differ_are_left_alone(what: str) -> None:
    weight, bias, nodes, shape = same(4, 1, 1) / 1e9, np.zeros(CLASSES), [*CONVOLVED], [1, 4, 1, 1]
    more: dict[str, np.ndarray] = {}
    last = chained("Softmax", axis=1)
    if what == "filter":
        weight[700] *= 2
    elif what == "bias":
        bias[700] = 1
    elif what == "sum":
        names, more = ["x", "w", "b", "z"], {"z": RANDOM.standard_normal((1, CLASSES, 1, 1))}
        nodes = [oh.make_node("FusedConv", names, ["s"], domain=MICROSOFT, activation="Tanh")]
    elif what == "groups":
        weight, nodes = weight[:, :2], [oh.make_node("Conv", ["x", "w", "b"], ["s"], group=2)]
    else:
        weight, nodes, shape = weight[:, :, 0, 0].T, MULTIPLIED, [1, 2, 4]
        pool = oh.make_node("AveragePool", ["s"], ["p"], kernel_shape=[3], pads=[1, 1], count_include_pad=1)
        last = [pool, oh.make_node("Softmax", ["p"], ["y"], axis=-1)]
    model = classifier([*nodes, *last], shape, {"w": weight, "b": bias, **more})
    x = torch.tensor(RANDOM.standard_normal(shape), dtype=torch.float32, requires_grad=True)
    y = model.network(["y"])({"x": x})["y"]
    np.testing.assert_allclose(y.detach(), model.session(["y"])({"x": x.detach().numpy()})["y"], rtol=1e-4, atol=1e-7)
    (gradient,) = torch.autograd.grad(y.reshape(-1)[700] - y.reshape(-1)[0], x)
    if what != "pool along the classes":
        assert gradient.any()


def test_scores_that_are_no_numbers_stay_so() -> None:
    nodes, shape, weight = CASES["gemm"]
    model = classifier(nodes, shape, {"w": weight, "b": np.zeros(CLASSES)})
    x = np.full(shape, 3e38, np.float32)
    assert model.network(["y"])({"x": x})["y"].isnan().all()


def test_scores_that_are_asked_for_are_computed() -> None:
    nodes, shape, weight = CASES["gemm"]
    model = classifier(nodes, shape, {"w": weight, "b": np.zeros(CLASSES)})
    x = torch.tensor(RANDOM.standard_normal(shape), dtype=torch.float32, requires_grad=True)
    scores = model.network(["s", "y"])({"x": x})["s"]
    (gradient,) = torch.autograd.grad(scores[0, 0], x)
    np.testing.assert_allclose(gradient[0], weight[0], rtol=1e-6)
