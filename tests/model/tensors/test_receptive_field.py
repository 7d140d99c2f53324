"""Receptive fields against an oracle: the rows and columns of the input that change a position, by ONNX Runtime."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
import torch

import onnxviz
from onnxviz.errors import TargetError, UsageError
from onnxviz.model.expectations.sample_inputs import settled_shape
from onnxviz.model.model import Model
from onnxviz.model.tensors.receptive_field import ReceptiveField, receptive_field

RNG = np.random.default_rng(0)
# No values cancel and no unit is dead, so that every path from a pixel to a position has an effect.
W3 = RNG.uniform(0.5, 1, (4, 4, 3, 3)).astype(np.float32)
W1 = RNG.uniform(0.5, 1, (4, 1, 3, 3)).astype(np.float32)
W15 = RNG.uniform(0.5, 1, (4, 4, 1, 5)).astype(np.float32)
W2 = RNG.uniform(0.5, 1, (4, 4, 2, 2)).astype(np.float32)
ONES = np.ones(4, np.float32)
NHWC = "(float[1, 11, 13, 4] x)"

# A graph for each operator: its input, its nodes, and its opset, if it needs another one.
GRAPHS = {
    "conv": "{ y = Conv <pads = [1, 1, 1, 1]> (x, w3) }",
    "conv strides": "{ y = Conv <pads = [0, 1, 2, 0], strides = [2, 3]> (x, w3) }",
    "conv dilations": "{ y = Conv <pads = [2, 3, 1, 0], dilations = [2, 3]> (x, w3) }",
    "conv groups": "{ y = Conv <group = 4, pads = [1, 1, 1, 1]> (x, w1) }",
    "conv same upper": '{ y = Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (x, w2) }',
    "conv same lower": '{ y = Conv <auto_pad = "SAME_LOWER", strides = [2, 3]> (x, w2) }',
    "conv valid": '{ y = Conv <auto_pad = "VALID"> (x, w15) }',
    "stack": """{ a = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (x, w3)  b = Relu(a)
        c = MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (b)  y = Conv <pads = [1, 1, 1, 1]> (c, w3) }""",
    "max pool ceil": "{ y = MaxPool <kernel_shape = [2, 3], strides = [2, 2], ceil_mode = 1> (x) }",
    "max pool dilated": "{ y = MaxPool <kernel_shape = [2, 3], dilations = [2, 3]> (x) }",
    "average pool": "{ y = AveragePool <kernel_shape = [3, 2], strides = [2, 1], pads = [1, 0, 1, 1]> (x) }",
    "lp pool same, short": '{ y = LpPool <kernel_shape = [1, 2], strides = [4, 5], auto_pad = "SAME_UPPER"> (x) }',
    "average pool same": '{ y = AveragePool <kernel_shape = [3, 2], strides = [2, 2], auto_pad = "SAME_UPPER"> (x) }',
    "lp pool": "{ y = LpPool <kernel_shape = [2, 2], strides = [2, 1]> (x) }",
    "transposed": "{ y = ConvTranspose <strides = [2, 3], pads = [1, 0, 0, 1]> (x, w3) }",
    "transposed shape": "{ y = ConvTranspose <strides = [2, 2], output_shape = [21, 27]> (x, w3) }",
    "transposed dilated": "{ y = ConvTranspose <strides = [2, 2], dilations = [2, 1], output_padding = [1, 1]> (x, w3) }",
    "transposed same": '{ y = ConvTranspose <strides = [2, 2], auto_pad = "SAME_LOWER"> (x, w3) }',
    "pad": "{ p = Constant <value = int64[8] {0, 0, 2, -1, 0, 0, 1, 3}> ()  y = Pad(x, p) }",
    "pad reflect": '{ p = Constant <value = int64[8] {0, 0, 2, 1, 0, 0, 3, 2}> ()  y = Pad <mode = "reflect"> (x, p) }',
    "pad edge": '{ p = Constant <value = int64[8] {0, 0, 0, 2, 0, 0, 3, 0}> ()  y = Pad <mode = "edge"> (x, p) }',
    "batch norm": "{ y = BatchNormalization(x, ones, ones, ones, ones) }",
    "pointwise": "{ a = Sigmoid(x)  b = Mul(a, x)  k = Reshape(ones, s)  c = Add(b, k)  d = Clip(c)  y = PRelu(d, k) } ",
    "concat of branches": """{ a = Conv <pads = [1, 1, 1, 1]> (x, w3)  b = Conv <pads = [0, 2, 0, 2]> (x, w15)
        y = Concat <axis = 1> (a, b, x) }""",
    "sum of branches": "{ a = Conv <pads = [1, 1, 1, 1]> (x, w3)  b = Conv <pads = [0, 2, 0, 2]> (x, w15)  y = Add(a, b) }",
    "concat of rows": "{ a = Conv <pads = [1, 1, 1, 1]> (x, w3)  y = Concat <axis = 2> (a, x) }",
    "split": "{ a, b = Split <axis = 3> (x, thirds)  c = Conv(a, w3)  y = MaxPool <kernel_shape = [2, 2]> (b) }",
    "transpose": "{ a = Transpose <perm = [0, 2, 3, 1]> (x)  b = Relu(a)  c = Transpose <perm = [0, 3, 2, 1]> (b)  y = Conv(c, w15) }",
    "resize nearest": '{ y = Resize <mode = "nearest"> (x, , double) }',
    "resize linear": '{ a = Resize <mode = "linear"> (x, , double)  y = Conv(a, w3) }',
    "resize smaller": '{ y = Resize <mode = "linear", coordinate_transformation_mode = "align_corners"> (x, , , fewer) }',
    "resize cubic": '{ y = Resize <mode = "cubic", coordinate_transformation_mode = "asymmetric"> (x, , , fewer) }',
    "depth to space": "{ a = Conv <pads = [1, 1, 1, 1]> (x, w3)  y = DepthToSpace <blocksize = 2> (a) }",
    "pixel shuffle": """{ a = Reshape(x, six)  b = Transpose <perm = [0, 1, 4, 2, 5, 3]> (a)  y = Reshape(b, four) }""",
    "space to depth": "{ a = Slice(x, from, to, places)  b = SpaceToDepth <blocksize = 2> (a)  y = Conv <pads = [1, 1, 1, 1]> (b, w16) }",
    "slice": "{ y = Slice(x, from, to, places) }",
    "slice backwards": "{ y = Slice(x, to, from, places, back) }",
    "gather": "{ i = Constant <value = int64[3] {4, 1, -1}> ()  y = Gather <axis = 2> (x, i) }",
    "gather one": "{ i = Constant <value = int64 {4}> ()  y = Gather <axis = 3> (x, i) }",
    "tile": "{ r = Constant <value = int64[4] {1, 1, 2, 1}> ()  y = Tile(x, r) }",
    "reduce channel": "{ a = ReduceMean <axes = [1], keepdims = 0> (x)  y = Relu(a) }",
    "reduce width": "{ y = ReduceMax <axes = [-1], keepdims = 0> (x) }",
    "softmax of channels": "{ y = Softmax <axis = 1> (x) }",
    "softmax of rows": "{ y = Softmax <axis = 2> (x) }",
    "layer norm": "{ a = Transpose <perm = [0, 2, 3, 1]> (x)  y = LayerNormalization <axis = -1> (a, ones) }",
    "matrix of channels": "{ a = Transpose <perm = [0, 2, 3, 1]> (x)  y = MatMul(a, m) }",
    "tokens": "{ a = Reshape(x, flat)  b = Transpose <perm = [0, 2, 1]> (a)  y = MatMul(b, m) }",
    "flatten": "{ y = Flatten(x) }",
    "global pool": "{ g = GlobalAveragePool(x)  y = Conv(g, m1) }",
    "squeeze-excite": "{ a = Conv <pads = [1, 1, 1, 1]> (x, w3)  g = GlobalAveragePool(a)  h = Sigmoid(g)  y = Mul(a, h) }",
    "instance norm": "{ y = InstanceNormalization(x, ones, ones) }",
    "two paths of one axis": """{ a = Transpose <perm = [0, 1, 3, 2]> (x)  b = Slice(a, zero, eleven, last)
        c = Slice(x, zero, eleven, last2)  y = Add(b, c) }""",
    "nothing but padding": "{ p = Constant <value = int64[8] {0, 0, 6, 0, 0, 0, 0, 0}> ()  a = Pad(x, p)  y = Conv(a, w3) }",
    "gaps": "{ a = Slice(x, zero, far, row, two)  y = Conv <pads = [2, 0, 2, 0], dilations = [2, 1]> (a, w3) }",
}
CONSTANTS = {
    "w3": W3,
    "w1": W1,
    "w15": W15,
    "w2": W2,
    "w16": RNG.uniform(0.5, 1, (4, 16, 3, 3)).astype(np.float32),
    "m": RNG.uniform(0.5, 1, (4, 4)).astype(np.float32),
    "m1": RNG.uniform(0.5, 1, (4, 4, 1, 1)).astype(np.float32),
    "ones": ONES,
    "s": np.array([4, 1, 1]),
    "thirds": np.array([4, 9]),
    "double": np.array([1, 1, 2, 3], np.float32),
    "fewer": np.array([1, 4, 7, 6]),
    "six": np.array([1, 1, 2, 2, 11, 13]),
    "four": np.array([1, 1, 22, 26]),
    "from": np.array([1, -9]),
    "to": np.array([9, 12]),
    "places": np.array([2, 3]),
    "back": np.array([-2, -3]),
    "zero": np.array([0]),
    "eleven": np.array([11]),
    "last": np.array([2]),
    "last2": np.array([3]),
    "far": np.array([99]),
    "flat": np.array([1, 4, -1]),
    "row": np.array([2]),
    "two": np.array([2]),
}


def opened(body: str, head: str = "(float[1, 4, 11, 13] x)") -> Model:
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> g {head} => (float y) {body}')
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    for name, array in CONSTANTS.items():
        if re.search(rf"[(, ]{name}[,)]", body):
            proto.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return onnxviz.load(proto)


def seen(model: Model, tensor: str, found: ReceptiveField, at: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last row of the input that changes each position of a tensor, by ONNX Runtime."""
    info = next(iter(model.inputs.values()))
    session = model.session([tensor])
    # Values are far apart, so that a maximum has one place, and small, so that nothing saturates.
    x = np.random.default_rng(1).uniform(0.1, 0.2, settled_shape(model, info.name, {}, {})).astype(np.float32)
    still = session({info.name: x})[tensor]
    place, along = found.places[at], found.along[at]
    changed = np.zeros((found.sizes[at], still.shape[along] if along is not None else 1), bool)
    for row in range(found.sizes[at]):
        for push in (1.0, 3.0):
            moved = x.copy()
            rows = np.moveaxis(moved, place, 0)
            rows[row] += push * np.random.default_rng(row).uniform(0.5, 1, rows[row].shape)
            apart = np.abs(session({info.name: moved})[tensor] - still) > 1e-7
            others = tuple(axis for axis in range(still.ndim) if axis != along)
            changed[row] |= apart.any(others) if along is not None else apart.any()
    first = changed.argmax(0)
    last = len(changed) - 1 - changed[::-1].argmax(0)
    return np.where(changed.any(0), first, 0), np.where(changed.any(0), last, -1)


def assert_exact(model: Model, tensor: str) -> ReceptiveField:
    found = receptive_field(model, tensor)
    assert found is not None
    for at, track in enumerate(found.tracks):
        first, last = seen(model, tensor, found, at)
        empty = track.low > track.high
        np.testing.assert_array_equal(np.where(empty, 0, track.low), first, err_msg=f"{tensor}, {found.axes[at]}")
        np.testing.assert_array_equal(np.where(empty, -1, track.high), last, err_msg=f"{tensor}, {found.axes[at]}")
    return found


@pytest.mark.parametrize("name", [name for name in GRAPHS if name not in ("two paths of one axis", "gaps")])
def test_what_is_seen_is_what_changes_a_position(name: str) -> None:
    model = opened(GRAPHS[name])
    for tensor in model.producers:
        info = model.tensors[tensor]
        if info.is_float and info.shape and len(info.shape) > 1 and receptive_field(model, tensor) is not None:
            assert_exact(model, tensor)
    assert receptive_field(model, "y") is not None


@pytest.mark.parametrize("name", ["two paths of one axis", "gaps"])
def test_it_is_never_too_little(name: str) -> None:
    model = opened(GRAPHS[name])
    found = receptive_field(model, "y")
    assert found is not None
    for at, track in enumerate(found.tracks):
        first, last = seen(model, "y", found, at)
        assert (track.low <= first)[last >= 0].all()
        assert (track.high >= last).all()


def test_channels_last_pictures_have_their_axes_first() -> None:
    model = opened(
        "{ a = Transpose <perm = [0, 3, 1, 2]> (x)  b = Conv(a, w3)  y = Transpose <perm = [0, 2, 3, 1]> (b) }",
        NHWC,
    )
    found = assert_exact(model, "y")
    assert (found.axes, found.places, found.along) == (("height", "width"), (1, 2), (1, 2))
    assert found.window((2, 3)) == (slice(2, 5), slice(3, 6))


@pytest.mark.parametrize("file", ["digits.onnx", "photo_patches.onnx", "tones.onnx"])
def test_gradients_of_trained_models_stay_inside_and_reach_the_ends(file: str, samples: Path) -> None:
    model = onnxviz.load(samples / file)
    name = next(iter(model.inputs))
    x = torch.rand(settled_shape(model, name, {}, {}), generator=torch.Generator().manual_seed(0), requires_grad=True)
    reached = 0
    for tensor in ("conv2", "conv3"):
        found = receptive_field(model, tensor)
        assert found is not None
        values = model.network([tensor])({name: x})[tensor]
        for part in (0.0, 0.4, 0.99):
            position = [int(part * values.shape[axis]) for axis in found.spatial]
            picked = values.movedim(found.spatial, tuple(range(len(found.spatial))))[tuple(position)]
            slopes = torch.autograd.grad(picked.sum(), x, retain_graph=True)[0][0].abs()
            for place, window in zip(found.places, found.window(position), strict=True):
                others = [axis for axis in range(slopes.ndim) if axis != place - 1]
                seen_at = torch.nonzero(slopes.sum(others)).flatten().tolist()
                assert window.start <= seen_at[0] <= seen_at[-1] < window.stop
                reached += window == slice(seen_at[0], seen_at[-1] + 1)
    assert reached >= 3


def test_size_stride_and_offset_follow_the_arithmetic_of_convolutions() -> None:
    model = opened(GRAPHS["stack"])
    found = receptive_field(model, "y")
    assert found is not None
    # 3, then + (3 - 1) · 2, then + (3 - 1) · 4; the padding moves the middle back to 0.
    assert (found.size, found.stride, found.offset) == ((15, 15), (4, 4), (0, 0))
    assert found.window((0, 0)) == (slice(0, 8), slice(0, 8))
    assert found.window() == (slice(0, 11), slice(0, 13))
    assert found.window((slice(None), -1))[0] == slice(0, 11)


def test_enlarging_gives_a_stride_below_one() -> None:
    for name in ("resize nearest", "transposed", "depth to space", "pixel shuffle"):
        model = opened(GRAPHS[name])
        found = receptive_field(model, "y")
        assert found is not None
        assert found.stride[0] == Fraction(1, 2), name


def test_what_looks_everywhere_is_whole() -> None:
    model = opened(GRAPHS["squeeze-excite"])
    fields = {name: receptive_field(model, name) for name in ("a", "g", "y")}
    assert [found is not None and found.whole for found in fields.values()] == [False, True, True]
    found = fields["g"]
    assert found is not None
    assert (found.spatial, found.stride, found.window()) == ((), (0, 0), (slice(0, 11), slice(0, 13)))


def test_another_size_than_the_files() -> None:
    model = opened(GRAPHS["stack"])
    found = receptive_field(model, "y", shape=(1, 4, 50, 40))
    assert found is not None
    assert found.sizes == (50, 40)
    assert found.window((6, 5)) == (slice(17, 32), slice(13, 28))


def test_a_tensor_inside_the_graph_can_be_looked_at() -> None:
    model = opened(GRAPHS["stack"])
    found = receptive_field(model, "y", "c")
    assert found is not None
    assert found.size == (3, 3)


def test_open_sizes() -> None:
    model = opened("{ a = Conv <strides = [2, 2]> (x, w3)  y = Flatten(a) }", '(float["n", 4, "h", "w"] x)')
    found = receptive_field(model, "a", dims={"h": 30, "w": 21})
    assert found is not None
    assert found.sizes == (30, 21)
    assert found.window((13, 9)) == (slice(26, 29), slice(18, 21))


def test_what_has_no_space_has_no_field() -> None:
    vector = opened("{ y = MatMul(x, m) }", "(float[1, 4] x)")
    assert receptive_field(vector, "y") is None
    model = opened("{ a = Shape(x)  b = ConstantOfShape(a)  c = Relu(x)  y = Add(b, c) }")
    assert receptive_field(model, "b") is None
    assert receptive_field(model, "y") is not None


def test_what_cannot_be_is_refused() -> None:
    model = opened(GRAPHS["conv"])
    with pytest.raises(TargetError, match="no tensor of that name"):
        receptive_field(model, "z")
    found = receptive_field(model, "y")
    assert found is not None
    with pytest.raises(UsageError, match="11 is outside its axis 2, which has 11 positions"):
        found.window((11, 0))
    with pytest.raises(UsageError, match="has 3 indices; 2 of its axes"):
        found.window((0, 0, 0))


def test_sizes_that_contradict_each_other_show_everything_and_no_fault() -> None:
    text = """<ir_version: 9, opset_import: ["" : 19]> g (float[1, 1, 8, 8] x) => (float[1, 1, 7] y) <int64[2] s = {16, 16}> {
        y = Resize <axes = [2, 3], mode = "nearest"> (x, , , s) }"""
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.array([65536, 2**63 - 1]), "s"))
    found = receptive_field(onnxviz.load(proto), "y")
    assert found is not None
    width = found.tracks[1]
    assert (width.axis, width.low.tolist(), width.high.tolist()) == (None, [0], [7])
