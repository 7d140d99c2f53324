"""Shapes: against ONNX Runtime, old revisions against new ones, gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from single_node import gradients_agree, integer_names, outputs_of, written

import onnxviz
from onnxviz.errors import AllocationError, EvaluationError
from onnxviz.model.operators.shapes.reshaping import shape_of

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
ONES = np.arange(6, dtype=np.float32).reshape(1, 3, 1, 2)
EMPTY = np.zeros((0, 3), np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


CASES = [
    ("y = Reshape(x, s)", {"x": X, "s": ints(4, -1)}, 13),
    ("y = Reshape(x, s)", {"x": X, "s": ints(0, 0, 2, 2)}, 13),
    ("y = Reshape(x, s)", {"x": X[:1, :1, :1], "s": ints()}, 13),
    ("y = Reshape(x, s)", {"x": EMPTY, "s": ints(-1, 3)}, 13),
    ("y = Reshape<allowzero=1>(x, s)", {"x": EMPTY, "s": ints(3, 0)}, 14),
    ("y = Flatten(x)", {"x": X}, 13),
    ("y = Flatten<axis=0>(x)", {"x": X}, 13),
    ("y = Flatten<axis=3>(x)", {"x": X}, 13),
    ("y = Flatten<axis=-1>(x)", {"x": X}, 13),
    ("y = Flatten<axis=0>(x)", {"x": np.float32(3)[...]}, 13),
    ("y = Flatten(x)", {"x": EMPTY}, 13),
    ("y = Squeeze(x)", {"x": ONES}, 13),
    ("y = Squeeze(x, a)", {"x": ONES, "a": ints(-2)}, 13),
    ("y = Squeeze(x, a)", {"x": ONES, "a": ints(0, -2)}, 13),
    ("y = Squeeze<axes=[0, 2]>(x)", {"x": ONES}, 11),
    ("y = Unsqueeze(x, a)", {"x": X, "a": ints(-1)}, 13),
    ("y = Unsqueeze(x, a)", {"x": X, "a": ints(4, 0, -3)}, 13),
    ("y = Unsqueeze<axes=[0, 4]>(x)", {"x": X}, 11),
    ("y = com.microsoft.ExpandDims(x, a)", {"x": X, "a": np.array(-2, np.int32)}, 13),
    ("y = Transpose(x)", {"x": X}, 13),
    ("y = Transpose<perm=[1, 2, 0]>(x)", {"x": X}, 13),
    ("y = Expand(x, s)", {"x": ONES, "s": ints(3, 1)}, 13),
    ("y = Expand(x, s)", {"x": ONES, "s": ints(2, 2, 1, 5, 1)}, 13),
    ("y = Expand(x, s)", {"x": ONES, "s": ints(1, 3, 0, 2)}, 13),
    ("y = Tile(x, r)", {"x": X, "r": ints(1, 3, 2)}, 13),
    ("y = Tile(x, r)", {"x": X, "r": ints(1, 0, 2)}, 13),
    ("y = Shape(x)", {"x": X}, 13),
    ("y = Shape<start=-2>(x)", {"x": X}, 15),
    ("y = Shape<start=1, end=-1>(x)", {"x": X}, 15),
    ("y = Shape<start=2, end=1>(x)", {"x": X}, 15),
    ("y = Shape<start=-9, end=9>(x)", {"x": X}, 15),
    ("y = Size(x)", {"x": X}, 13),
    ("y = Identity(x)", {"x": X}, 13),
    ("y = Trilu(x)", {"x": X}, 14),
    ("y = Trilu<upper=0>(x, k)", {"x": X, "k": np.array(1)}, 14),
    ("y = Trilu(x, k)", {"x": X, "k": np.array(2**62)}, 14),
    ("y = Trilu<upper=0>(x, k)", {"x": X.astype(np.int64), "k": np.array(-(2**62))}, 14),
    ("y = com.microsoft.Trilu<upper=0>(x, k)", {"x": X, "k": np.array(-1)}, 14),
    ("y = EyeLike(x)", {"x": X[0]}, 9),
    ("y = EyeLike<k=-1, dtype=7>(x)", {"x": X[0]}, 9),
    ("y = EyeLike<k=9>(x)", {"x": X[0]}, 9),
]


@pytest.mark.parametrize(("call", "inputs", "opset"), CASES)
def test_onnx_runtime_agrees_for_fed_shapes(compare, call, inputs, opset):
    compare(written(call, inputs, opset), inputs)


@pytest.mark.parametrize(("call", "inputs", "opset"), [case for case in CASES if integer_names(case[1])])
def test_onnx_runtime_agrees_for_constant_shapes(compare, call, inputs, opset):
    constants = [name for name in integer_names(inputs) if name != "x"]
    compare(written(call, inputs, opset, constants), {k: v for k, v in inputs.items() if k not in constants})


@pytest.mark.parametrize(
    ("old", "old_opset", "new", "extra"),
    [
        ("y = Reshape<shape=[0, -1]>(x)", 1, "y = Reshape(x, s)", {"s": ints(0, -1)}),
        ("y = Reshape<shape=[6, 4], consumed_inputs=[1]>(x)", 1, "y = Reshape(x, s)", {"s": ints(6, 4)}),
        ("y = Squeeze<axes=[0]>(x)", 1, "y = Squeeze(x, a)", {"a": ints(0)}),
        ("y = Unsqueeze<axes=[0, 1]>(x)", 1, "y = Unsqueeze(x, a)", {"a": ints(0, 1)}),
    ],
)
def test_first_revisions_say_the_same_as_later_ones(old, old_opset, new, extra):
    x = X[:1] if "queeze" in old else X
    (before,) = outputs_of(old, {"x": x}, old_opset)
    (after,) = outputs_of(new, {"x": x, **extra}, 21)
    assert torch.equal(before, after)


def test_a_size_beside_a_zero_is_what_the_other_axes_hold(compare):
    inputs = {"x": EMPTY, "s": ints(0, -1)}  # ONNX Runtime accepts it if the shape is not constant
    compare(written("y = Reshape<allowzero=1>(x, s)", inputs, 14), inputs)


def test_tile_along_one_axis_in_its_first_revision():
    (ours,) = outputs_of("y = Tile(x, n, a)", {"x": X, "n": np.float32(3)[...], "a": np.float32(1)[...]}, 1)
    assert np.array_equal(ours, np.tile(X, (1, 3, 1)))


@pytest.mark.parametrize(
    ("call", "extra", "opset"),
    [
        ("y = Reshape(x, s)", {"s": ints(4, -1)}, 13),
        ("y = Flatten(x)", {}, 13),
        ("y = Transpose<perm=[1, 2, 0]>(x)", {}, 13),
        ("y = Expand(x, s)", {"s": ints(2, 1, 1, 1)}, 13),
        ("y = Tile(x, r)", {"r": ints(1, 2, 2)}, 13),
        ("y = Trilu(x)", {}, 14),
        ("y = Identity(x)", {}, 14),
    ],
)
def test_gradients(call, extra, opset):
    assert gradients_agree(call, {"x": X, **extra}, opset)


def test_shape_is_a_host_tensor_wherever_the_data_lies():
    sizes = shape_of(torch.empty(2, 3, device="meta"))
    assert sizes.device.type == "cpu"
    assert sizes.tolist() == [2, 3]


def test_shapes_of_scalars_are_integers():
    assert shape_of(torch.tensor(1.0)).dtype == torch.int64


@pytest.mark.parametrize(
    ("call", "inputs", "opset", "message"),
    [
        ("y = Reshape(x, s)", {"x": X, "s": ints(24, 1, 1, 0)}, 13, "a 0 must stand at one of the data's own axes"),
        ("y = Reshape(x, s)", {"x": X, "s": ints(5, -1)}, 13, "refuses its inputs"),
        ("y = Flatten<axis=4>(x)", {"x": X}, 13, "of an input with 3 axes; give an axis from -3 to 3"),
        ("y = Squeeze(x, a)", {"x": ONES, "a": ints(1)}, 13, "only axes of size 1 can be dropped"),
        ("y = Squeeze(x, a)", {"x": ONES, "a": ints(0, 3)}, 13, "only axes of size 1 can be dropped"),
        ("y = Unsqueeze(x, a)", {"x": X, "a": ints(0, -5)}, 13, "must differ and lie within the 5 axes of the output"),
        ("y = Unsqueeze(x, a)", {"x": X, "a": ints(0, 7)}, 13, "must differ and lie within the 5 axes of the output"),
        ("y = Expand(x, s)", {"x": X, "s": ints(5)}, 13, "sizes must be equal, or one of them 1"),
        ("y = Expand(x, s)", {"x": ONES, "s": ints(-1, 1, 1, 1)}, 13, "sizes must not be negative"),
        ("y = Tile(x, r)", {"x": X, "r": ints(2)}, 13, "give a number for each axis"),
        ("y = EyeLike(x)", {"x": X}, 9, "it takes a matrix"),
    ],
)
def test_refusals(call, inputs, opset, message):
    network = onnxviz.load(written(call, inputs, opset)).network()
    with pytest.raises(EvaluationError, match=message):
        network(inputs)


@pytest.mark.parametrize(
    ("call", "extra"),
    [("y = Expand(x, s)", {"s": ints(1 << 40, 1, 1, 1)}), ("y = Tile(x, r)", {"r": ints(1 << 30, 1, 1)})],
)
def test_absurd_sizes_are_refused(call, extra):
    inputs = {"x": X, **extra}
    network = onnxviz.load(written(call, inputs)).network()
    with pytest.raises(AllocationError, match="elements; at most"):
        network(inputs)
