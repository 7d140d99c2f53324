"""BitCast: against numpy's views of the same memory."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper
from typed_node import Constant, element_type, fed, typed_node

import onnxviz
from onnxviz.errors import EvaluationError

WIDTHS = {
    8: [np.int8, np.uint8],
    16: [np.int16, np.uint16, np.float16],
    32: [np.int32, np.uint32, np.float32],
    64: [np.int64, np.uint64, np.float64],
}
PAIRS = [(a, b) for types in WIDTHS.values() for a in types for b in types]
PATTERN = np.array([0x3F, 0x80, 0xBF, 0x00, 0x41, 0x20, 0xC1, 0x7B] * 4, np.uint8)


def read_as(inputs, name: str) -> np.ndarray:
    model = typed_node("BitCast", inputs, opset=26, to=element_type(name))
    return onnxviz.load(model).network()(fed(inputs))["y"].numpy()


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_numpy_sees_the_same(source, target):
    values = PATTERN.view(source)
    name = TensorProto.DataType.Name(helper.np_dtype_to_tensor_dtype(np.dtype(target)))
    expected = values.view(target)
    # A uint64 is stored as the bits of an int64, and half precision as float32.
    if target == np.uint64:
        expected = expected.view(np.int64)
    answer = read_as({"x": values}, name)
    np.testing.assert_array_equal(answer.astype(np.float64), expected.astype(np.float64))


@pytest.mark.parametrize("name", ["FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "BFLOAT16"])
def test_narrow_floats_come_from_their_bits(name):
    dtype = helper.tensor_dtype_to_np_dtype(element_type(name))
    bits = np.arange(256, dtype=np.uint8) if dtype.itemsize == 1 else np.arange(0, 65536, 7, dtype=np.uint16)
    np.testing.assert_array_equal(read_as({"x": bits}, name), bits.view(dtype).astype(np.float32))


def test_four_bits_change_their_sign():
    assert read_as({"x": Constant(element_type("INT4"), [-8, -1, 0, 7])}, "UINT4").tolist() == [8, 15, 0, 7]


def test_the_same_type_changes_nothing():
    assert read_as({"x": PATTERN}, "UINT8").tolist() == PATTERN.tolist()


@pytest.mark.parametrize(
    ("values", "name"), [(PATTERN, "INT32"), (PATTERN.view(np.float32), "DOUBLE"), (PATTERN, "FLOAT8E8M0")]
)
def test_other_widths_are_refused(values, name):
    with pytest.raises(
        EvaluationError, match=f"BitCast reads .* as {name.lower()}; both types must have the same width"
    ):
        read_as({"x": values}, name)
