"""The question that fits a target: found from operators and axes, on heads, maps, steps and linear layers."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest
from onnx import numpy_helper

import onnxviz
from onnxviz.model.tensors.channel_axis import channel_axis
from onnxviz.model.tensors.detector_rows import row_axes
from onnxviz.model.tensors.questions import questioned
from onnxviz.model.tensors.tensor_axes import tensor_axes
from onnxviz.question import Question
from onnxviz.target import Target

HEAD = '<ir_version: 8, opset_import: ["" : 17]> g '

MAP = "(float[1, 3, 8, 8] x) => (float[1, %s] y) "
"""A picture, and an output of some shape."""

# Two scales, their columns last, one after another: SSD and UltraFace.
SCALES = (
    HEAD
    + (MAP % "80, 2")
    + (
        "{ a = Conv<pads = [1, 1, 1, 1]>(x, w2) p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x)"
        " b = Conv<pads = [1, 1, 1, 1]>(p, w2) at = Transpose<perm = [0, 2, 3, 1]>(a) bt = Transpose<perm = [0, 2, 3, 1]>(b)"
        " rows = Constant<value_ints = [1, -1, 2]>() ar = Reshape(at, rows) br = Reshape(bt, rows)"
        " c = Concat<axis = 1>(ar, br) y = Softmax<axis = 2>(c) }"
    )
)
# Columns first, boxes and classes one below the other: Yolo from version 8 on.
COLUMNS = (
    HEAD
    + (MAP % "6, 64")
    + (
        "{ a = Conv<pads = [1, 1, 1, 1]>(x, w4) b = Conv<pads = [1, 1, 1, 1]>(x, w2) f = Constant<value_ints = [1, 4, 64]>()"
        " g = Constant<value_ints = [1, 2, 64]>() ar = Reshape(a, f) br = Reshape(b, g) s = Sigmoid(br)"
        " y = Concat<axis = 1>(ar, s) }"
    )
)
# One map, with boxes in another output: YuNet.
BESIDE = (
    HEAD
    + "(float[1, 3, 8, 8] x) => (float[1, 64, 1] y, float[1, 64, 4] boxes) "
    + (
        "{ a = Conv<pads = [1, 1, 1, 1]>(x, w1) b = Conv<pads = [1, 1, 1, 1]>(x, w4) f = Constant<value_ints = [1, 64, 1]>()"
        " g = Constant<value_ints = [1, 64, 4]>() at = Transpose<perm = [0, 2, 3, 1]>(a) bt = Transpose<perm = [0, 2, 3, 1]>(b)"
        " ar = Reshape(at, f) boxes = Reshape(bt, g) y = Sigmoid(ar) }"
    )
)
# Anchors, height and width before the columns: Yolo before version 8.
ANCHORS = (
    HEAD
    + (MAP % "2, 8, 8, 2")
    + (
        "{ a = Conv<pads = [1, 1, 1, 1]>(x, w4) f = Constant<value_ints = [1, 2, 2, 8, 8]>() ar = Reshape(a, f)"
        " y = Transpose<perm = [0, 1, 3, 4, 2]>(ar) }"
    )
)
# The first axis lists the rows of one picture.
FLAT = (
    HEAD
    + "(float[1, 3, 8, 8] x) => (float[M, 2] y) "
    + (
        "{ a = Conv<pads = [1, 1, 1, 1]>(x, w2) p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x)"
        " b = Conv<pads = [1, 1, 1, 1]>(p, w2) at = Transpose<perm = [0, 2, 3, 1]>(a) bt = Transpose<perm = [0, 2, 3, 1]>(b)"
        " rows = Constant<value_ints = [-1, 2]>() ar = Reshape(at, rows) br = Reshape(bt, rows)"
        " c = Concat<axis = 0>(ar, br) y = Softmax<axis = 1>(c) }"
    )
)
# A segmenter with its places in one axis, and as a map.
LABELS = (
    HEAD
    + (MAP % "64, 2")
    + (
        "{ a = Conv<pads = [1, 1, 1, 1]>(x, w2) at = Transpose<perm = [0, 2, 3, 1]>(a) f = Constant<value_ints = [1, 64, 2]>()"
        " ar = Reshape(at, f) y = Softmax<axis = 2>(ar) }"
    )
)
SEGMENTS = HEAD + (MAP % "2, 8, 8") + "{ a = Conv<pads = [1, 1, 1, 1]>(x, w2) y = Softmax<axis = 1>(a) }"
# Tokens of patches, which a matrix mixes on the way out.
TOKENS = (
    HEAD
    + (MAP % "64, 5")
    + (
        "{ a = Conv<pads = [1, 1, 1, 1]>(x, w4) f = Constant<value_ints = [1, 4, 64]>() ar = Reshape(a, f)"
        " at = Transpose<perm = [0, 2, 1]>(ar) y = MatMul(at, m) }"
    )
)
STEPS = HEAD + (
    "(float[1, 3, T] x) => (float[1, T, 2] y) "
    "{ a = Conv<pads = [1, 1]>(x, v) at = Transpose<perm = [0, 2, 1]>(a) y = LogSoftmax<axis = 2>(at) }"
)
LAYERS = HEAD + (
    "(float[1, 3, 8, 8] x) => (float[1, 4, 8, 8] y) "
    "{ d = Div(x, scale) first = Conv<pads = [1, 1, 1, 1]>(d, w4) n = BatchNormalization(first, one, zero, zero, one)"
    " r = Relu(n) deep = Conv<pads = [1, 1, 1, 1]>(r, u) s = Add(deep, bias) k = LeakyRelu(s)"
    " path = Conv<pads = [1, 1, 1, 1]>(k, u) j = Add(path, r) swish = Conv<pads = [1, 1, 1, 1]>(j, u) g = Sigmoid(swish)"
    " q = Mul(swish, g) y = Conv<pads = [1, 1, 1, 1]>(q, u) }"
)
PATCHES = (
    HEAD
    + (MAP % "4, 4")
    + (
        "{ a = Conv<strides = [4, 4]>(x, patch) f = Constant<value_ints = [1, 4, 4]>() ar = Reshape(a, f)"
        " y = MatMul(ar, m) }"
    )
)
PLAIN = HEAD + "(float[1, 3, 8, 8] x) => (float[1, 4, 8, 8] y) { y = Conv<pads = [1, 1, 1, 1]>(x, w4) }"

WEIGHTS = {
    **{f"w{count}": (count, 3, 3, 3) for count in (1, 2, 4)},
    "u": (4, 4, 3, 3),
    "v": (2, 3, 3),
    "m": (4, 5),
    "patch": (4, 3, 4, 4),
    "bias": (4, 1, 1),
    "scale": (),
    "one": (4,),
    "zero": (4,),
}


def model_of(text: str, **weights: tuple[int, ...]):
    model = onnx.parser.parse_model(text)
    read = {name for node in model.graph.node for name in node.input}
    for name, shape in {**WEIGHTS, **weights}.items():
        if name in read:
            model.graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), name))
    return onnxviz.load(model)


def question(model, text: str) -> Question:
    return questioned(model, Target.parse(text, model.tensors)).question


@pytest.mark.parametrize(
    ("graph", "target", "rows", "axes"),
    [
        (SCALES, "y[:, 1]", (1,), ("row", "feature")),
        (SCALES, "y[..., 1]", (1,), ("row", "feature")),
        (SCALES, "c[..., *]", (1,), ("row", "feature")),
        (COLUMNS, "y[5]", (2,), ("feature", "row")),
        (BESIDE, "y", (1,), ("row", "feature")),
        (BESIDE, "ar[:, 0]", (1,), ("row", "feature")),
        (ANCHORS, "y[..., 1]", (1, 2, 3), None),
        (FLAT, "y[1]", (0,), ("unit",)),
    ],
)
def test_rows_of_a_head_are_asked_for_the_highest(graph, target, rows, axes) -> None:
    model = model_of(graph)
    name = Target.parse(target).tensor
    assert row_axes(model, name) == rows
    assert question(model, target) is Question.HIGHEST
    if axes is not None:
        assert tensor_axes(model, name, len(axes)) == axes


def test_a_chosen_row_is_a_single_value_and_all_columns_have_a_mean() -> None:
    model = model_of(SCALES)
    assert question(model, "y[3, 1]") is Question.VALUE
    assert question(model, "y") is question(model, "y[3]") is Question.MEAN
    assert questioned(model, Target("y"), each=True).question is Question.HIGHEST
    assert channel_axis(model, "y") == 1


@pytest.mark.parametrize("graph", [LABELS, SEGMENTS, TOKENS, STEPS])
@pytest.mark.parametrize("index", ["[1]", "[:, 1]", "[..., 1]"])
def test_maps_tokens_and_steps_keep_the_mean(graph, index) -> None:
    model = model_of(graph)
    assert row_axes(model, "y") == ()
    assert question(model, f"y{index}") is Question.MEAN


@pytest.mark.parametrize(
    ("target", "fits"),
    [
        *((name, Question.LOUD) for name in ("first[2]", "first", "n[2]", "first[*]", "first[2, 1:4]")),
        *((name, Question.RECTIFIED) for name in ("deep[2]", "s[0]", "swish[1]")),
        *((name, Question.MEAN) for name in ("r[2]", "k[0]", "path[1]", "j[1]", "y[3]", "q[1]", "first[:, 2, 2]")),
        *((name, Question.VALUE) for name in ("first[2, 1, 1]", "y[0, 0, 0]")),
        *((f"{name}(first[2])", asked) for name, asked in (("mean", Question.MEAN), ("max", Question.HIGHEST))),
        ("center(first[2])", Question.CENTER),
    ],
)
def test_a_convolution_is_asked_for_what_its_rectifier_lets_pass(target, fits) -> None:
    assert question(model_of(LAYERS), target) is fits


def test_a_first_layer_without_a_rectifier_is_loud_unless_it_is_the_answer() -> None:
    assert question(model_of(PATCHES), "a[1]") is Question.LOUD
    assert question(model_of(PLAIN), "y[1]") is Question.MEAN


def test_an_index_that_does_not_fit_is_left_to_others_to_refuse() -> None:
    model = model_of(PLAIN)
    assert question(model, "y[1, 2, 3, 4]") is Question.MEAN
    assert questioned(model, Target("nothing")) == Target("nothing")
