"""The channel axis of a tensor, from the operators before it."""

from __future__ import annotations

import numpy as np
import pytest

import onnxviz
from onnxviz.model.tensors.channel_axis import channel_axis, channels_before

PICTURE = """agraph (float[N, 6, 5, 3] x) => (float[N, 6, 5, 4] y) {
    first = Transpose <perm = [0, 3, 1, 2]> (x)
    conv = Conv <kernel_shape = [1, 1]> (first, w)
    relu = Relu (conv)
    sum = Add (b, relu)
    y = Transpose <perm = [0, 2, 3, 1]> (sum)
    turned = Transpose <perm = [0, 1, 3, 2]> (y)
    flat = Reshape (sum, s)
    mixed = Reshape (sum, m)
}"""


def axes(path, *names: str) -> list[int | None]:
    model = onnxviz.load(path)
    return [channel_axis(model, name) for name in names]


def test_a_convolution_decides_and_transposes_are_followed(written) -> None:
    path = written(
        PICTURE,
        w=np.ones((4, 3, 1, 1), np.float32),
        b=np.ones((4, 1, 1), np.float32),
        s=np.array([0, 4, 30]),
        m=np.array([0, 6, 20]),
    )
    assert axes(path, "conv", "relu", "sum", "y", "turned") == [0, 0, 0, 2, 1]
    # The input's own layout, before any convolution.
    assert axes(path, "x", "first") == [2, 0]
    # A Reshape that keeps an axis keeps its meaning; one that does not tells nothing.
    assert axes(path, "flat", "mixed") == [0, None]


def test_a_linear_layer_over_steps_has_its_channels_last(written) -> None:
    path = written(
        "agraph (float[N, 20, 8] x) => (float[N, 20, 5] y) { y = MatMul(x, w)\nz = Tanh(y) }",
        w=np.ones((8, 5), np.float32),
    )
    assert axes(path, "y", "z") == [1, 1]


def test_a_number_for_each_place_of_the_last_axis_tells_channels(written) -> None:
    path = written(
        "agraph (float[N, 20, 8] x) => (float[N, 20, 8] y) { r = Reshape (x, s)\ne = Exp (r)\ny = Mul (e, g) }",
        s=np.array([0, -1, 8]),
        g=np.ones(8, np.float32),
    )
    # Where no operator before a tensor tells, those after it do.
    assert axes(path, "y", "e") == [1, 1]


def test_of_a_tensor_without_a_shape_the_measured_rank_is_enough(written) -> None:
    path = written(
        "agraph (float[N, 96] x, int64[K] s) => (float[N, A, 5] y) { r = Reshape (x, s)\nm = MatMul (r, w)\ne = Exp (m)\ny = Relu (e) }",
        w=np.ones((8, 5), np.float32),
    )
    model = onnxviz.load(path)
    assert model.tensors["m"].shape is model.tensors["e"].shape is None
    assert [channel_axis(model, name, 3) for name in ("m", "e", "y")] == [1, 1, 1]
    assert [channel_axis(model, name) for name in ("m", "e")] == [None, None]


@pytest.mark.parametrize(("name", "tensor"), [("wine", "relu1"), ("digits", "logits"), ("tones", "conv2")])
def test_sample_models(samples, name: str, tensor: str) -> None:
    assert axes(samples / f"{name}.onnx", tensor) == [0]


def test_the_nearest_tensor_with_enough_channels_is_found_on_the_way(written) -> None:
    path = written(
        PICTURE,
        w=np.ones((4, 3, 1, 1), np.float32),
        b=np.ones((4, 1, 1), np.float32),
        s=np.array([0, 4, 30]),
        m=np.array([0, 6, 20]),
    )
    model = onnxviz.load(path)
    assert channels_before(model, ["flat"], 4) == ("sum", 0)
    assert channels_before(model, ["turned"], 4) == ("y", 2)
    # The requested tensor is skipped, and so is an input.
    assert channels_before(model, ["conv"], 3) == ("first", 0)
    assert channels_before(model, ["flat"], 5) is None
