"""A symbol has one size in a model, a mask is as long as what it masks, and a cache is empty."""

from __future__ import annotations

import onnx.parser
import pytest

import onnxviz
from onnxviz.model.expectations.sample_inputs import settled_shape
from onnxviz.model.model import Model
from onnxviz.model.probing.runnable_sizes import runnable_sizes


def model(text: str) -> Model:
    return onnxviz.load(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]>\n{text}'))


PICTURE = """g (int64[N, H, W] pixel_mask, float[N, 3, H, W] picture) => (float[N, 3, H, W] y) <int64[1] one = {1}> {
    m = Unsqueeze(pixel_mask, one) f = Cast<to = 1>(m) y = Mul(picture, f) }"""


@pytest.mark.parametrize(
    ("dims", "shapes", "side"),
    [
        ({}, {}, 224),
        ({"H": 8, "W": 8}, {}, 8),
        ({}, {"picture": (1, 3, 9, 9)}, 9),
        ({"H": 5, "W": 5}, {"picture": (1, 3, 9, 9)}, 5),
    ],
)
def test_a_symbol_has_one_size_in_a_model(dims: dict, shapes: dict, side: int) -> None:
    assert settled_shape(model(PICTURE), "pixel_mask", dims, shapes) == (1, side, side)


def test_a_mask_without_named_sizes_follows_what_it_masks() -> None:
    opened = model(PICTURE)
    for size in opened.original.graph.input[0].type.tensor_type.shape.dim:
        size.ClearField("dim_param")
    opened = onnxviz.load(opened.original)
    assert settled_shape(opened, "pixel_mask", {}, {"picture": (1, 3, 6, 7)}) == (1, 6, 7)


def test_sizes_written_as_sums_are_computed() -> None:
    opened = model(
        "g (float[N, T, 2] x, float[N, L, 2] later) => (float[N, U, 2] y) { y = Concat<axis = 1>(x, later) }"
    )
    opened.original.graph.input[1].type.tensor_type.shape.dim[1].dim_param = "T + 1"
    opened = onnxviz.load(opened.original)
    assert settled_shape(opened, "later", {"T": 4}, {}) == (1, 5, 2)


NEEDED = {
    "a weight": (
        "g (float[N, T] x) => (float[N, 3] y) <float[5, 3] w = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0}> { y = MatMul(x, w) }",
        (1, 5),
    ),
    "a table": (
        "g (float[N, T, 2] x) => (float[N, T, 2] y) <float[1, 3, 2] w = {1, 2, 3, 4, 5, 6}> "
        "{ a = Add(x, w) p = Shape(x) y = Reshape(a, p) }",
        (1, 3, 2),
    ),
}


@pytest.mark.parametrize(("text", "shape"), NEEDED.values(), ids=NEEDED)
def test_a_size_that_a_weight_tells_is_found(text: str, shape: tuple[int, ...]) -> None:
    opened = model(text)
    (dims, shapes), said = runnable_sizes(opened, "x", {}, {}, {})
    assert settled_shape(opened, "x", dims, shapes) == shape
    assert "x".join(map(str, shape)) in said


def test_a_kernel_that_needs_more_than_one_step_gets_them() -> None:
    kernel = onnx.helper.make_tensor("w", 1, (1, 1, 3, 3, 3), [1.0] * 27)
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[N, 1, D, H, W] x) => (float[N, 1, d, h, w_] y) { y = Conv(x, w) }'
    )
    proto.graph.initializer.append(kernel)
    opened = onnxviz.load(proto)
    (dims, shapes), _ = runnable_sizes(opened, "x", {}, {}, {})
    assert min(settled_shape(opened, "x", dims, shapes)[2:]) >= 3
