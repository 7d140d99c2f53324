"""Tensors whose sizes are computed from values are told apart from those whose sizes come from shapes."""

from __future__ import annotations

import onnx.parser

import onnxviz
from onnxviz.model.tensors.data_sizes import tensors_of_data_size

TEXT = """<ir_version: 8, opset_import: ["" : 17]>
g (float[1, T] x, float[1, T] other) => (float[K] counted, float[F, T] frames, float[1, T] plain, float[G] held)
<int64 zero = {0}, int64 one = {1}> {
    shape = Shape(x)
    plain = Reshape(x, shape)
    n = NonZero(x)
    where = Cast<to = 1>(n)
    counted = ReduceSum(where)
    total = ReduceSum<keepdims = 0>(x)
    length = Cast<to = 7>(total)
    steps = Range(zero, length, one)
    longer = Cast<to = 1>(steps)
    column = Unsqueeze(longer, axis)
    frames = Add(column, x)
    total2 = ReduceSum<keepdims = 0>(other)
    length2 = Cast<to = 7>(total2)
    steps2 = Range(zero, length2, one)
    held = Cast<to = 1>(steps2)
}"""


def test_sizes_that_follow_values_are_found() -> None:
    text = TEXT.replace("int64 one = {1}>", "int64 one = {1}, int64[1] axis = {1}>")
    model = onnxviz.load(onnx.parser.parse_model(text))
    found = tensors_of_data_size(model, ["x"])
    assert {"n", "where", "steps", "longer", "column", "frames"} <= found
    assert found.isdisjoint({"x", "plain", "shape", "total", "length", "held"})
    assert "held" in tensors_of_data_size(model, ["other"])
