"""Pools: against ONNX Runtime, their identities, gradients against finite differences."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
import pytest
import torch
from runtime_oracle import Compare
from single_node import gradients_agree, outputs_of, written

from onnxviz.errors import AllocationError, EvaluationError, UnsupportedOperators
from onnxviz.model.operators.pooling import average_pool, lp_pool
from onnxviz.model.operators.shapes.windows import same_padding, windows

RANDOM = np.random.default_rng(2)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


LINE, PLANE, VOLUME = {"x": normal(2, 3, 9)}, {"x": normal(2, 3, 7, 8)}, {"x": normal(1, 2, 5, 6, 7)}

ATTRIBUTES = [
    (LINE, "kernel_shape=[3]"),
    (LINE, "kernel_shape=[4], strides=[3], pads=[1, 2]"),
    (LINE, 'kernel_shape=[2], strides=[2], auto_pad="SAME_LOWER"'),
    (PLANE, "kernel_shape=[2, 2], strides=[2, 2]"),
    (PLANE, "kernel_shape=[3, 2], strides=[2, 1], pads=[1, 1, 1, 1]"),
    (PLANE, "kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1]"),
    (PLANE, "kernel_shape=[3, 3], pads=[2, 0, 2, 2]"),
    (PLANE, 'kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"'),
    (PLANE, 'kernel_shape=[3, 4], strides=[2, 3], auto_pad="VALID"'),
    (PLANE, 'kernel_shape=[1, 2], strides=[3, 3], auto_pad="SAME_UPPER"'),
    (VOLUME, "kernel_shape=[2, 3, 2], strides=[1, 2, 3]"),
    (VOLUME, "kernel_shape=[2, 3, 2], strides=[2, 2, 2], pads=[1, 0, 0, 0, 2, 1]"),
]
CEILING = [
    (LINE, "kernel_shape=[2], strides=[2], ceil_mode=1"),
    (LINE, "kernel_shape=[1], strides=[4], pads=[0, 0], ceil_mode=1"),
    (LINE, "kernel_shape=[4], strides=[3], pads=[1, 3], ceil_mode=1"),
    (PLANE, "kernel_shape=[3, 3], strides=[2, 3], pads=[1, 1, 1, 1], ceil_mode=1"),
    (PLANE, 'kernel_shape=[3, 3], strides=[2, 3], auto_pad="VALID", ceil_mode=1'),
    (VOLUME, "kernel_shape=[2, 3, 2], strides=[2, 2, 3], ceil_mode=1"),
]
DILATED = [
    (LINE, "kernel_shape=[3], dilations=[3], strides=[2]"),
    (PLANE, "kernel_shape=[3, 2], dilations=[2, 3], pads=[1, 1, 1, 0]"),
    (PLANE, "kernel_shape=[3, 2], dilations=[2, 1], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1"),
    (PLANE, 'kernel_shape=[3, 2], dilations=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER"'),
    (VOLUME, "kernel_shape=[2, 2, 2], dilations=[2, 1, 3]"),
]

POOLS = [
    "average = AveragePool<{}>(x)",
    "counted = AveragePool<{}, count_include_pad=1>(x)",
    "maximum, rows = MaxPool<{}>(x)",
    "again, columns = MaxPool<{}, storage_order=1>(x)",
    "norm = LpPool<{}, p=3>(x)",
]


def side_by_side(calls: list[str], attributes: str, inputs: dict[str, np.ndarray], opset: int) -> onnx.ModelProto:
    """Return a model with one node per call, whose outputs are all outputs."""
    model = written(" ".join(call.format(attributes) for call in calls), inputs, opset)
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for node in model.graph.node for name in node.output)
    return model


@pytest.mark.parametrize(("inputs", "attributes"), ATTRIBUTES + CEILING + DILATED)
def test_pools_are_those_of_onnx_runtime(inputs: dict[str, np.ndarray], attributes: str, compare: Compare) -> None:
    compare(side_by_side(POOLS, attributes, inputs, 22), inputs)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("length", [4, 7, 8, 9, 10])
def test_windows_shorter_than_their_stride_leave_out_what_onnx_runtime_leaves_out(
    length: int, kernel: int, auto_pad: str, compare: Compare
) -> None:
    inputs = {"x": normal(1, 2, length)}
    # ONNX Runtime's MaxPool accepts such windows only if the indices are requested.
    pools = [POOLS[0], POOLS[1], POOLS[3], POOLS[4]]
    for stride in (3, 4, 5):
        attributes = f'kernel_shape=[{kernel}], strides=[{stride}], auto_pad="{auto_pad}"'
        compare(side_by_side(pools, attributes, inputs, 22), inputs)


OLD = [(["maximum = MaxPool<{}>(x)"], 1), ([*POOLS[:3], "norm = LpPool<{}, p=1>(x)"], 8)]


@pytest.mark.parametrize(("calls", "opset"), OLD)
@pytest.mark.parametrize(("inputs", "attributes"), ATTRIBUTES[1::3])
def test_pools_of_old_files_are_those_of_onnx_runtime(
    inputs: dict[str, np.ndarray], attributes: str, calls: list[str], opset: int, compare: Compare
) -> None:
    compare(side_by_side(calls, attributes, inputs, opset), inputs)


def test_indices_point_at_the_maxima() -> None:
    maxima, places = outputs_of("y, i = MaxPool<kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 2, 1]>(x)", PLANE)
    assert torch.equal(torch.from_numpy(PLANE["x"]).flatten()[places], maxima)


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_small_integers_are_pooled_as_integers(kind: type, compare: Compare) -> None:
    inputs = {"x": (normal(1, 2, 6, 6) * 30).clip(0, 100).astype(kind)}
    compare(written("y = MaxPool<kernel_shape=[2, 3], pads=[1, 1, 0, 0]>(x)", inputs, 12), inputs)


WHOLE = [
    "mean = GlobalAveragePool(x)",
    "peak = GlobalMaxPool(x)",
    "cube = GlobalLpPool<p=3>(x)",
    "norm = GlobalLpPool(x)",
]


@pytest.mark.parametrize("inputs", [LINE, PLANE, VOLUME])
def test_pools_over_planes_are_those_of_onnx_runtime(inputs: dict[str, np.ndarray], compare: Compare) -> None:
    compare(side_by_side(WHOLE, "", inputs, 21), inputs)


def test_padding_may_be_wider_than_half_a_window() -> None:
    # Closed form: the outermost windows hold one number each.
    x = torch.arange(1.0, 5.0).reshape(1, 1, 4)
    wide = average_pool(x, kernel_shape=(3,), pads=(2, 2))
    assert torch.equal(wide, torch.tensor([[[1, 1.5, 2, 3, 3.5, 4]]]))
    counted = average_pool(x, kernel_shape=(3,), pads=(2, 2), count_include_pad=1)
    assert torch.allclose(counted, torch.tensor([[[1, 3, 6, 9, 7, 4]]]) / 3)


def test_the_norm_of_zeros_has_a_gradient() -> None:
    x = torch.zeros(1, 1, 4, requires_grad=True)
    lp_pool(x, kernel_shape=(2,)).sum().backward()
    assert torch.equal(x.grad, torch.zeros(1, 1, 4))


def test_a_pool_finds_what_an_unpool_put_back() -> None:
    pooled = {"x": normal(1, 2, 4, 6) + 5}
    maxima, places = outputs_of("y, i = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(x)", pooled)
    back = {"x": maxima.numpy(), "i": places.numpy()}
    (sparse,) = outputs_of("y = MaxUnpool<kernel_shape=[2, 2], strides=[2, 2]>(x, i)", back)
    assert sparse.shape == pooled["x"].shape
    again = outputs_of("y, i = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(x)", {"x": sparse.numpy()})
    assert torch.equal(again[0], maxima)
    assert torch.equal(again[1], places)


UNPOOLED = {"x": normal(1, 1, 2, 2), "i": np.array([[[[1, 3], [10, 12]]]])}


@pytest.mark.parametrize("opset", [9, 11, 22])
def test_unpool_is_that_of_onnx_runtime(opset: int, compare: Compare) -> None:
    compare(written("y = MaxUnpool<kernel_shape=[2, 2], strides=[2, 2]>(x, i)", UNPOOLED, opset), UNPOOLED)
    inputs = {**UNPOOLED, "s": np.array([1, 1, 4, 4])}
    compare(written("y = MaxUnpool<kernel_shape=[2, 2], strides=[2, 2]>(x, i, s)", inputs, opset, ["s"]), inputs)


SLOPES = [
    ("y = AveragePool<kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 1, 1], dilations=[2, 1]>(x)", PLANE),
    ("y = AveragePool<kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1>(x)", PLANE),
    ("y, i = MaxPool<kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 2, 1]>(x)", PLANE),
    ("y = LpPool<kernel_shape=[3], p=3>(x)", LINE),
    ("y = GlobalLpPool(x)", LINE),
    ("y = GlobalMaxPool(x)", LINE),
    ("y = MaxUnpool<kernel_shape=[2, 2], strides=[2, 2]>(x, i)", UNPOOLED),
]


@pytest.mark.parametrize(("call", "inputs"), SLOPES)
def test_gradients_agree_with_finite_differences(call: str, inputs: dict[str, np.ndarray]) -> None:
    assert gradients_agree(call, inputs, 22)


REFUSALS = [
    ("y = AveragePool<kernel_shape=[2]>(x)", {"x": normal(1, 1, 2, 2, 2, 2)}, "4 spatial axes is not supported"),
    ("y = MaxPool<kernel_shape=[2]>(x)", PLANE, "kernel_shape is .2.; .* needs 2"),
    ("y = LpPool<kernel_shape=[9]>(x)", {"x": normal(1, 1, 4)}, "a window of 9 does not fit into an axis of 4"),
    ("y = MaxPool<kernel_shape=[2], strides=[1, 1]>(x)", LINE, "strides has 2 values"),
    ("y = GlobalMaxPool(x)", {"x": normal(2, 3)}, "at least one spatial axis"),
    (
        "y = MaxUnpool<kernel_shape=[2, 2], strides=[2, 2]>(x, i, s)",
        {**UNPOOLED, "s": np.array([1, 1, 5, 5])},
        "disagree about the meaning of the indices; leave output_shape out",
    ),
]


@pytest.mark.parametrize(("call", "inputs", "sentence"), REFUSALS)
def test_refusals_say_what_would_do(call: str, inputs: dict[str, np.ndarray], sentence: str) -> None:
    with pytest.raises((EvaluationError, UnsupportedOperators), match=sentence):
        outputs_of(call, inputs, 22)


def test_an_absurd_stride_of_an_unpool_is_refused() -> None:
    with pytest.raises(AllocationError, match="MaxUnpool asks for"):
        outputs_of("y = MaxUnpool<kernel_shape=[2, 2], strides=[1000000, 1000000]>(x, i)", UNPOOLED)


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("kernel", [1, 2, 4])
@pytest.mark.parametrize("size", [5, 6, 7])
def test_same_padding_gives_one_window_per_stride(size: int, kernel: int, stride: int) -> None:
    for lower, pool in itertools.product((False, True), repeat=2):
        before, after = same_padding(size, kernel, stride, 1, lower, pool)
        placed = windows((size,), (kernel,), (stride,), (), (before, after), "NOTSET", 0)
        assert placed.outputs == (-(-size // stride),)
        if before + after >= 0:
            assert 0 <= (before - after if lower else after - before) <= 1
