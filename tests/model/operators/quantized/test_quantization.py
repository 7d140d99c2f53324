"""Quantization: against ONNX Runtime and the reference for every type and granularity, and the straight-through gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from typed_node import Constant, element_type, fed, model_of, typed_node

import onnxviz
from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, find
from onnxviz.model.operators.quantized.quantization import quantized

RANDOM = np.random.default_rng(8)
X = (RANDOM.standard_normal((4, 6, 5)) * 8).astype(np.float32)
SCALE = np.float32(0.1)[...]
PER_AXIS = RANDOM.uniform(0.1, 1, 6).astype(np.float32)
PER_BLOCK = RANDOM.uniform(0.1, 1, (4, 3, 5)).astype(np.float32)
ZERO_POINTS = {"UINT8": 128, "INT8": 3, "UINT16": 32768, "INT16": -7, "UINT4": 8, "INT4": 1}
FLOATS = ["FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ"]
GRANULARITIES = {
    "tensor": (SCALE, {}),
    "axis": (PER_AXIS, {"axis": 1}),
    "block": (PER_BLOCK, {"axis": -2, "block_size": 2}),
}


def there_and_back(inputs, opset: int = 21, domain: str = "", quantize=None, dequantize=None):
    """Return a model that quantizes and dequantizes by the same scale and zero point."""
    parameters = [name for name in ("s", "z") if name in inputs]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", *parameters], ["q"], domain=domain, **(quantize or {})),
        helper.make_node("DequantizeLinear", ["q", *parameters], ["y"], domain=domain, **(dequantize or {})),
    ]
    return model_of(nodes, inputs, ["s"], ["y"], opset)


def zero_points(name: str, scale: np.ndarray) -> Constant:
    return Constant(element_type(name), np.full(scale.shape, ZERO_POINTS.get(name, 0.0)))


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("name", [*ZERO_POINTS, *FLOATS])
@pytest.mark.parametrize("opset", [21, 23])
def test_onnx_runtime_agrees(compare, name, granularity, opset):
    scale, attributes = GRANULARITIES[granularity]
    inputs = {"x": X, "s": scale, "z": zero_points(name, scale)}
    compare(there_and_back(inputs, opset, quantize=attributes, dequantize=attributes), {"x": X}, rtol=0, atol=0)


@pytest.mark.parametrize("name", [*ZERO_POINTS, *FLOATS])
def test_onnx_runtime_agrees_about_a_type_without_zero_point(compare, name):
    model = there_and_back({"x": X, "s": SCALE}, quantize={"output_dtype": element_type(name)})
    compare(model, {"x": X}, rtol=0, atol=0)


@pytest.mark.parametrize("opset", [10, 13, 19])
@pytest.mark.parametrize("name", ["UINT8", "INT8"])
def test_onnx_runtime_agrees_about_old_revisions(compare, name, opset):
    compare(there_and_back({"x": X, "s": SCALE, "z": zero_points(name, SCALE)}, opset), {"x": X}, rtol=0, atol=0)
    compare(there_and_back({"x": X, "s": SCALE}, opset), {"x": X}, rtol=0, atol=0)


@pytest.mark.parametrize("name", ZERO_POINTS)
def test_onnx_runtime_agrees_about_its_own_operators(compare, name):
    for scale, attributes in ((SCALE, {}), (PER_AXIS, {"axis": 1})):
        inputs = {"x": X, "s": scale, "z": zero_points(name, scale)}
        model = there_and_back(inputs, domain="com.microsoft", quantize=attributes, dequantize=attributes)
        compare(model, {"x": X}, rtol=0, atol=0)


@pytest.mark.parametrize("name", [n for n in ("UINT2", "INT2", "FLOAT4E2M1") if n in TensorProto.DataType.keys()])  # noqa: SIM118  # no mapping
def test_the_reference_agrees_about_the_newest_types(name):
    model = there_and_back({"x": X, "s": SCALE}, 25, quantize={"output_dtype": element_type(name)})
    (expected,) = ReferenceEvaluator(model).run(None, {"x": X})
    np.testing.assert_array_equal(onnxviz.load(model).network()({"x": X})["y"].numpy(), expected)


@pytest.mark.parametrize("name", FLOATS)
def test_the_reference_agrees_about_floats_that_do_not_saturate(name):
    # Not ONNX Runtime: it gives the largest number of e4m3fn for 480 to 495, where the specification has NaN.
    inputs = {"x": X, "s": np.float32(1e-2)[...], "z": zero_points(name, SCALE)}
    model = there_and_back(inputs, quantize={"saturate": 0})
    (expected,) = ReferenceEvaluator(model).run(None, {"x": X})
    np.testing.assert_array_equal(onnxviz.load(model).network()({"x": X})["y"].numpy(), expected)


def test_one_axis_is_quantized_along_itself(compare):
    x = X[0, :, 0].copy()
    inputs = {"x": x, "s": PER_AXIS, "z": zero_points("UINT8", PER_AXIS)}
    compare(there_and_back(inputs, quantize={"axis": 0}, dequantize={"axis": 0}), {"x": x}, rtol=0, atol=0)


def test_the_precision_of_the_division_can_be_chosen():
    x = np.array([2051.0, 3.0], np.float32)
    inputs = {"x": x, "s": np.float32(1.0)[...], "z": Constant(element_type("UINT16"), 0)}
    for precision, expected in (("FLOAT", 2051.0), ("FLOAT16", 2052.0), ("DOUBLE", 2051.0)):
        model = typed_node("QuantizeLinear", inputs, opset=23, precision=element_type(precision))
        assert onnxviz.load(model).network()(fed(inputs))["y"].tolist() == [expected, 3.0]


def test_integers_can_be_quantized_and_int32_dequantized(compare):
    whole = RANDOM.integers(-500, 500, (4, 5)).astype(np.int32)
    model = there_and_back({"x": whole, "s": np.float32(3)[...], "z": Constant(element_type("UINT8"), 128)})
    answer = onnxviz.load(model).network()({"x": whole})["y"].numpy()
    np.testing.assert_array_equal(answer, (np.clip(np.rint(whole / 3) + 128, 0, 255) - 128) * 3)
    inputs = {"x": whole, "s": SCALE}
    compare(typed_node("DequantizeLinear", inputs), inputs)


def test_the_gradient_passes_inside_the_range_only():
    x = torch.tensor([-100.0, -12.75, 0.04, 12.6, 100.0], requires_grad=True)
    inputs = {"x": X[0, 0], "s": SCALE, "z": Constant(element_type("UINT8"), 128)}
    y = onnxviz.load(there_and_back(inputs)).network()({"x": x})["y"]
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(gradient, torch.tensor([0.0, 1.0, 1.0, 1.0, 0.0]))


@pytest.mark.parametrize("zero_point", [None, torch.tensor(3), torch.tensor([1, 2, 3])])
def test_a_zero_point_shifts_the_range_of_the_gradient(zero_point):
    quotient = torch.tensor([-200.0, 126.0, 126.0], requires_grad=True)
    value = quantized(quotient, zero_point, TensorProto.INT8)
    offset = torch.zeros(3) if zero_point is None else zero_point.float().expand(3)
    assert value.tolist() == torch.clamp(quotient + offset, -128, 127).tolist()
    (gradient,) = torch.autograd.grad(value.sum(), quotient)
    assert gradient.tolist() == ((quotient + offset >= -128) & (quotient + offset <= 127)).float().tolist()


def test_the_scale_gets_its_gradient():
    scale = torch.tensor(0.5, requires_grad=True)
    inputs = {"x": np.array([3, 5], np.uint8), "s": np.float32(0.5)[...], "z": np.array(1, np.uint8)}
    y = onnxviz.load(typed_node("DequantizeLinear", inputs, constants=["z"])).network()({"x": inputs["x"], "s": scale})[
        "y"
    ]
    assert torch.autograd.grad(y.sum(), scale)[0].item() == 6.0


@pytest.mark.parametrize("shift", [-6.0, 0.0, 6.0])
def test_onnx_runtime_agrees_about_dynamic_quantization(compare, shift):
    x = np.float32(X[0] + shift * 4)
    compare(typed_node("DynamicQuantizeLinear", {"x": x}, outputs=["y", "scale", "zero"]), {"x": x}, rtol=0, atol=0)


def test_onnx_runtime_agrees_about_the_range_of_zeros(compare):
    x = np.zeros((2, 3), np.float32)
    compare(typed_node("DynamicQuantizeLinear", {"x": x}, outputs=["y", "scale", "zero"]), {"x": x}, rtol=0, atol=0)


def test_dynamic_quantization_and_back_has_the_gradient_of_nothing_at_all():
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    x = torch.tensor(X[0], requires_grad=True)
    y = onnxviz.load(model_of(nodes, {"x": X[0]}, (), ["y"], 21)).network()({"x": x})["y"]
    torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0], torch.ones_like(x))
    torch.testing.assert_close(y.detach(), x.detach(), rtol=0, atol=float(x.detach().max() - x.detach().min()) / 255)


def test_an_empty_tensor_has_a_range_too():
    x = np.zeros((0, 3), np.float32)
    answer = onnxviz.load(typed_node("DynamicQuantizeLinear", {"x": x}, outputs=["y", "s", "z"])).network()({"x": x})
    assert tuple(answer["y"].shape) == (0, 3)
    assert (answer["s"].item(), answer["z"].item()) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("scale", "attributes", "message"),
    [
        (PER_AXIS, {"axis": 0}, r"scales of shape \[6\] along axis 0 for values of shape \[4, 6, 5\]"),
        (PER_BLOCK, {"axis": 0, "block_size": 2}, r"scales of shape \[4, 3, 5\] in blocks of 2 along axis 0"),
        (PER_BLOCK, {"axis": 1}, r"scales of shape \[4, 3, 5\] along axis 1"),
    ],
)
def test_scales_that_do_not_fit_are_refused(scale, attributes, message):
    model = typed_node("QuantizeLinear", {"x": X, "s": scale}, **attributes)
    with pytest.raises(EvaluationError, match=message):
        onnxviz.load(model).network()({"x": X, "s": scale})


def test_what_rounds_is_declared_so():
    for operator in ("QuantizeLinear", "DynamicQuantizeLinear"):
        declaration = find("", operator, 21)
        assert declaration is not None
        assert declaration.gradient is Gradient.STRAIGHT_THROUGH
