"""Packed convolutions against the plan without them: the same values and gradients, and the same refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnx.parser
import pytest
import torch
from torch import Tensor

import onnxviz
from onnxviz.errors import EvaluationError
from onnxviz.model.engine.convolution_gradients import gradient_of
from onnxviz.model.engine.network import Network
from onnxviz.model.engine.packed_convolutions import PackedConvolution, packed

# Channels, filters, kernel, stride, padding, dilation, group.
SHAPES = [
    (3, 8, (7, 7), (2, 2), (3, 3), (1, 1), 1),
    (3, 8, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (3, 8, (3, 3), (2, 2), (0, 0), (1, 1), 1),
    (3, 8, (11, 11), (4, 4), (2, 2), (1, 1), 1),
    (3, 8, (4, 4), (4, 4), (0, 0), (1, 1), 1),
    (1, 5, (5, 3), (1, 2), (2, 1), (1, 1), 1),
    (2, 4, (2, 2), (3, 3), (0, 0), (1, 1), 1),
    (16, 8, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (16, 8, (3, 3), (2, 2), (1, 1), (1, 1), 1),
    (16, 8, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (16, 8, (3, 5), (1, 1), (0, 4), (1, 1), 1),
    (16, 8, (3, 3), (1, 1), (2, 2), (2, 2), 1),
    (8, 8, (3, 3), (1, 1), (1, 1), (1, 1), 8),
    (8, 12, (3, 3), (1, 1), (1, 1), (1, 1), 4),
    (8, 8, (3, 3), (2, 2), (1, 1), (1, 1), 2),
    (3, 4, (1, 1), (1, 1), (2, 2), (1, 1), 1),
]


@pytest.mark.parametrize(("channels", "filters", "kernel", "stride", "padding", "dilation", "group"), SHAPES)
@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("size", [(17, 22), (16, 16)])
def test_values_and_gradients_are_those_of_float64(
    channels: int,
    filters: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    group: int,
    rectified: bool,
    size: tuple[int, int],
) -> None:
    torch.manual_seed(0)
    kernels, bias = torch.randn(filters, channels // group, *kernel), torch.randn(filters)
    attributes = {"strides": stride, "pads": padding * 2, "dilations": dilation, "group": group}
    convolve = PackedConvolution(kernels, bias, attributes, rectified)
    for batch in (2, 1):
        x = torch.randn(batch, channels, *size, requires_grad=True)
        y = convolve(x)
        exact = x.detach().double().requires_grad_()
        wanted = torch.conv2d(exact, kernels.double(), bias.double(), stride, padding, dilation, group)
        wanted = torch.relu(wanted) if rectified else wanted
        direction = torch.randn_like(y)
        (gradient,) = torch.autograd.grad(y, x, direction)
        (expected,) = torch.autograd.grad(wanted, exact, direction.double())
        _close(y.detach(), wanted.detach())
        _close(gradient, expected)
        _close(convolve(x.detach()), wanted.detach())


def _close(found: Tensor, wanted: Tensor) -> None:
    assert found.shape == wanted.shape
    scale = max(float(wanted.abs().max()), 1e-9)
    assert float((found.double() - wanted).abs().max()) < 1e-5 * scale


@pytest.mark.parametrize(("channels", "kernel", "stride"), [(3, 3, 2), (3, 3, 1), (16, 3, 1), (16, 1, 1), (16, 3, 2)])
@pytest.mark.parametrize("spread", [False, True], ids=["bias", "one number for a bias"])
def test_what_lies_in_memory_otherwise_is_read_as_it_should_be(
    channels: int, kernel: int, stride: int, spread: bool
) -> None:
    torch.manual_seed(0)
    kernels = torch.randn(8, channels, kernel, kernel)
    bias = torch.tensor(0.7).expand(8) if spread else torch.randn(16)[::2]
    attributes = {"pads": (kernel // 2,) * 4, "strides": (stride, stride)}
    convolve = PackedConvolution(kernels, bias, attributes, rectified=False)
    inputs = [
        torch.randn(1, channels, 12, 12).expand(4, channels, 12, 12),
        torch.randn(1, 1, 12, 12).expand(1, channels, 12, 12),
        torch.tensor(1.5).expand(2, channels, 12, 12),
        torch.randn(2, channels, 24, 24)[:, :, ::2, ::2],
        torch.randn(2, 12, 12, 2 * channels).permute(0, 3, 1, 2)[:, channels:],
        torch.randn(2, channels, 12, 12).transpose(2, 3),
    ]
    for x in inputs:
        leaf, exact = x.clone().requires_grad_(), x.double().requires_grad_()
        wanted = torch.conv2d(exact, kernels.double(), bias.double(), stride, kernel // 2)
        _close(convolve(x), wanted.detach())
        y = convolve(leaf)
        for direction in (
            torch.ones(()).expand_as(y),
            torch.randn(len(y), 1, *y.shape[2:]).expand_as(y),
            torch.randn(len(y), 16, *y.shape[2:])[:, 8:],
        ):
            (gradient,) = torch.autograd.grad(y, leaf, direction, retain_graph=True)
            (expected,) = torch.autograd.grad(wanted, exact, direction.double(), retain_graph=True)
            _close(gradient, expected)


def test_each_way_to_the_gradient_is_taken() -> None:
    def way(channels: int, kernel: int, stride: int) -> str:
        given = (stride, stride), (kernel // 2, kernel // 2), (1, 1), 1
        return type(gradient_of(torch.zeros(64, channels, kernel, kernel), *given)).__name__

    assert way(3, 7, 2) == way(3, 3, 1) == way(1, 3, 1) == "_Blocks"
    assert way(64, 3, 1) == "_Turned"
    assert way(64, 3, 2) == "_Torch"


def _network(nodes: list[onnx.NodeProto], asked: list[str], weights: dict[str, Any]) -> Network:
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in weights.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return onnxviz.load(model).network(asked)


def _weights() -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {"a": random.normal(size=(8, 3, 3, 3)), "b": random.normal(size=(8, 8, 3, 3)), "c": random.normal(size=8)}


def _residual() -> list[onnx.NodeProto]:
    make = onnx.helper.make_node
    return [
        make("Conv", ["x", "a", "c"], ["h"], pads=[1, 1, 1, 1], strides=[2, 2]),
        make("Relu", ["h"], ["r"]),
        make("MaxPool", ["r"], ["p"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        make("Conv", ["p", "b"], ["k"], auto_pad="SAME_UPPER"),
        make("Relu", ["k"], ["l"]),
        make("Conv", ["l", "b", "c"], ["m"], pads=[1, 0, 1, 2]),
        make("Add", ["m", "p"], ["s"]),
        make("Relu", ["s"], ["y"]),
    ]


@pytest.mark.parametrize("asked", [["y"], ["y", "h"], ["y", "r"], ["k", "y"], ["p"], ["s", "y"]])
def test_a_network_gives_what_its_plan_gives(asked: list[str]) -> None:
    network = _network(_residual(), asked, _weights())
    plain = network.replacing({})  # the plan as it was written
    for shape in ((1, 3, 21, 24), (3, 3, 16, 16)):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(1), requires_grad=True)
        ours, wanted = network({"x": x}), plain({"x": x})
        for name in asked:
            direction = torch.randn(ours[name].shape, generator=torch.Generator().manual_seed(2))
            _close(ours[name].detach(), wanted[name].detach().double())
            (gradient,) = torch.autograd.grad(ours[name], x, direction, retain_graph=True)
            (expected,) = torch.autograd.grad(wanted[name], x, direction, retain_graph=True)
            _close(gradient, expected.double())


CLIPS = {
    "ReLU6": "y = Clip(h, zero, six)",
    "from below": "y = Clip(h, six)",
    "from above": "y = Clip(h, , zero)",
    "nothing inside": "y = Clip(h, six, zero)",
    "attributes": "y = Clip<min=0.0, max=6.0>(h)",
    "no bounds": "y = Clip(h)",
    "a computed bound": "most = ReduceMax<keepdims=0>(x) y = Clip(h, zero, most)",
}


@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_after_a_convolution_gives_what_the_plan_gives_at_its_bounds_too(name: str) -> None:
    # Whole numbers, so that many values lie exactly at a bound.
    random = np.random.default_rng(0)
    kernels = onnx.numpy_helper.from_array(random.integers(-1, 2, (8, 3, 3, 3)).astype(np.float32), "a")
    model = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : {6 if name == "attributes" else 17}]>
        g (float[N, 3, H, W] x) => (float[N, 8, H, W] y) <float zero = {{0}}, float six = {{6}}>
        {{ h = Conv<pads=[1, 1, 1, 1]>(x, a) {CLIPS[name]} }}
    """)
    model.graph.initializer.append(kernels)
    network = onnxviz.load(model).network()
    plain, faster = network.replacing({}), packed(network.plan)
    if faster is not network.plan:
        assert len(network.plan.steps) - len(faster.steps) == (name not in ("no bounds", "a computed bound"))
    x = torch.randint(-2, 3, (2, 3, 9, 8), generator=torch.Generator().manual_seed(1)).float().requires_grad_()
    ours, wanted = network({"x": x})["y"], plain({"x": x})["y"]
    assert torch.equal(ours, wanted)
    assert torch.equal(network({"x": x.detach()})["y"], wanted)
    direction = torch.randint(-9, 9, ours.shape, generator=torch.Generator().manual_seed(2)).float()
    (gradient,) = torch.autograd.grad(ours, x, direction)
    (expected,) = torch.autograd.grad(wanted, x, direction)
    assert torch.equal(gradient, expected)
    assert name == "nothing inside" or gradient.any()


def test_what_is_no_number_stays_none() -> None:
    network = _network(_residual(), ["y", "p"], _weights())
    x = torch.zeros(1, 3, 16, 16)
    x[0, 1, 4, 4] = torch.nan
    found, wanted = network({"x": x}), network.replacing({})({"x": x})
    for name in ("y", "p"):
        assert bool(torch.isnan(wanted[name]).any())
        assert torch.equal(torch.isnan(found[name]), torch.isnan(wanted[name]))


def test_another_rectifier_meets_what_the_convolution_gave() -> None:
    network = _network(_residual(), ["y"], _weights())
    seen: list[Tensor] = []

    def noted(values: Tensor) -> Tensor:
        seen.append(values)
        return torch.relu(values)

    network.replacing({"Relu": noted})({"x": torch.randn(1, 3, 16, 16)})
    assert len(seen) == 3
    assert all(bool((values < 0).any()) for values in seen)


@pytest.mark.parametrize("shape", [(1, 4, 16, 16), (1, 3, 0, 16)])
def test_refuses_as_a_convolution_does(shape: tuple[int, ...]) -> None:
    network = _network(_residual(), ["h"], _weights())
    for run in (network, network.replacing({})):
        with pytest.raises(EvaluationError, match="Conv at h"):
            run({"x": torch.zeros(shape)})


def test_a_kernel_larger_than_the_picture_is_refused() -> None:
    nodes = [onnx.helper.make_node("Conv", ["x", "w"], ["y"])]
    network = _network(nodes, ["y"], {"w": np.zeros((2, 3, 5, 5))})
    with pytest.raises(EvaluationError, match="Conv at y"):
        network({"x": torch.zeros(1, 3, 4, 9)})


def test_a_sample_is_the_same_in_any_batch() -> None:
    network = _network(_residual(), ["y"], _weights())
    x = torch.randn(5, 3, 32, 32, requires_grad=True)
    y = network({"x": x})["y"]
    (together,) = torch.autograd.grad(y.sum(), x)
    one = x[2:3].detach().requires_grad_()
    alone = network({"x": one})["y"]
    assert torch.equal(alone, y[2:3])
    assert torch.equal(torch.autograd.grad(alone.sum(), one)[0], together[2:3])
