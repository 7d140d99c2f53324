"""The types of operators that onnx does not define: ONNX Runtime's quantized operators give whole numbers, not their scale's type."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper

from onnxviz.model.graph.type_inference import infer_node

T = TensorProto
TYPES = {
    "x": T.FLOAT,
    "a": T.UINT8,
    "b": T.INT8,
    "s": T.FLOAT,
    "z": T.UINT8,
    "i": T.INT8,
    "h": T.FLOAT16,
}


@pytest.mark.parametrize(
    ("operator", "inputs", "wanted"),
    [
        ("QLinearAdd", "a s z a s z s z", T.UINT8),
        ("QLinearMul", "b s i b s i s i", T.INT8),
        # The zero points of input and output may be of different types.
        ("QLinearConv", "a s z b s i s i", T.INT8),
        ("QLinearSigmoid", "b s i s", T.INT8),
        ("QLinearLeakyRelu", "a s z s z", T.UINT8),
        ("QLinearConcat", "s i b s i b s i", T.INT8),
        ("QuantizeLinear", "x s i", T.INT8),
        ("QuantizeLinear", "x s", T.UINT8),
        ("DequantizeLinear", "a s z", T.FLOAT),
        ("QGemm", "a s z b s i", T.FLOAT),
        ("QGemm", "a s z b s i - s z", T.UINT8),
        ("QGemm", "a s z b s i - - -", T.FLOAT),
        ("MatMulIntegerToFloat", "a b s s", T.FLOAT),
        ("Gelu", "h", T.FLOAT16),
        ("QLinearSoftmax", "unknown s unknown s unknown", 0),
    ],
)
def test_the_output_of_a_quantized_operator_has_its_zero_point_s_type(operator: str, inputs: str, wanted: int) -> None:
    names = ["" if name == "-" else name for name in inputs.split()]
    node = helper.make_node(operator, names, ["y"], domain="com.microsoft")
    found = infer_node(node, 1, {name: helper.make_tensor_type_proto(kind, None) for name, kind in TYPES.items()})
    assert (found["y"].tensor_type.elem_type if "y" in found else 0) == wanted
