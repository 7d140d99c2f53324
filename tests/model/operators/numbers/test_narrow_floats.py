"""Narrow floats: every rounding agrees with ml_dtypes', and the gradient passes inside the range."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from typed_node import element_type

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.numbers.narrow_floats import MINIFLOATS, NARROW_FLOATS, narrowed

RANDOM = np.random.default_rng(7)
SPREAD = RANDOM.standard_normal(20000) * np.exp(RANDOM.uniform(-20, 14, 20000))
GRID = np.arange(-500, 500, 0.125)
EDGES = [np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30, 1e-30, 61439, 61440, 61441, 464, 465, 248, 247, 2.0**-10]
X = np.concatenate([SPREAD, GRID, EDGES]).astype(np.float32)
EIGHT_BITS = [t for t in MINIFLOATS if TensorProto.DataType.Name(t).startswith("FLOAT8")]


def cast_by_ml_dtypes(values: np.ndarray, kind: int) -> np.ndarray:
    with np.errstate(all="ignore"):
        return values.astype(helper.tensor_dtype_to_np_dtype(kind)).astype(np.float32)


@pytest.mark.parametrize("kind", sorted(MINIFLOATS | {TensorProto.FLOAT16, TensorProto.BFLOAT16}))
def test_ml_dtypes_agree_without_saturation(kind):
    answer, expected = narrowed(torch.from_numpy(X), kind, saturate=False).numpy(), cast_by_ml_dtypes(X, kind)
    np.testing.assert_array_equal(answer, expected)
    finite = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(answer)[finite], np.signbit(expected)[finite])


@pytest.mark.parametrize("kind", EIGHT_BITS)
def test_the_reference_agrees_about_saturation(kind):
    expected = numpy_helper.saturate_cast(X, helper.tensor_dtype_to_np_dtype(kind)).astype(np.float32)
    np.testing.assert_array_equal(narrowed(torch.from_numpy(X), kind).numpy(), expected)


@pytest.mark.parametrize("kind", sorted(NARROW_FLOATS))
def test_what_is_representable_stays(kind):
    once = narrowed(torch.from_numpy(np.abs(X)), kind)
    torch.testing.assert_close(narrowed(once, kind, round_mode="nearest"), once, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("kind", sorted(MINIFLOATS))
def test_not_a_number_survives_where_the_type_has_it(kind):
    (answer,) = narrowed(torch.tensor([torch.nan]), kind).tolist()
    assert np.isnan(answer) == (kind in EIGHT_BITS)


@pytest.mark.skipif(not hasattr(onnx.TensorProto, "FLOAT8E8M0"), reason="this onnx has no e8m0")
@pytest.mark.parametrize("mode", ["up", "down", "nearest"])
@pytest.mark.parametrize("saturate", [True, False])
def test_the_reference_agrees_about_powers_of_two(saturate, mode):
    values = np.abs(X[np.isfinite(X) & (np.abs(X) < 1e38)])
    expected = numpy_helper.to_float8e8m0(values, saturate, mode).astype(np.float32)
    answer = narrowed(torch.from_numpy(values), element_type("FLOAT8E8M0"), saturate, mode)
    np.testing.assert_array_equal(answer.numpy(), expected)


@pytest.mark.skipif(not hasattr(onnx.TensorProto, "FLOAT8E8M0"), reason="this onnx has no e8m0")
def test_powers_of_two_end_as_the_specification_says():
    ends = torch.tensor([torch.inf, torch.nan, 0.0, 3e38])
    saturated = narrowed(ends, element_type("FLOAT8E8M0"), True, "up").numpy()
    np.testing.assert_array_equal(saturated, np.array([2.0**127, np.nan, 2.0**-127, 2.0**127], np.float32))
    lost = narrowed(ends[[0, 1, 3]], element_type("FLOAT8E8M0"), False, "nearest")
    assert torch.isnan(lost).all()
    with pytest.raises(EvaluationError, match='round_mode="even"; give "up", "down" or "nearest"'):
        narrowed(ends, element_type("FLOAT8E8M0"), True, "even")


@pytest.mark.parametrize("kind", sorted(MINIFLOATS))
def test_the_gradient_passes_inside_the_range_only(kind):
    x = torch.tensor([0.3, -1.1, 1e6, -1e6], requires_grad=True)
    (gradient,) = torch.autograd.grad(narrowed(x, kind).sum(), x)
    assert gradient.tolist() == [1.0, 1.0, 0.0, 0.0]
