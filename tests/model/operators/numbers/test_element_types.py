"""Storage of ONNX's element types: values survive, memory is not shared."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.numbers.element_types import CARRIERS, FLOATING, carrier, from_numpy, type_name

NUMBERS = [
    number
    for name, number in TensorProto.DataType.items()
    if name not in ("UNDEFINED", "STRING", "BOOL") and number in CARRIERS
]


@pytest.mark.parametrize("kind", NUMBERS, ids=type_name)
def test_values_survive_in_their_carrier(kind: int) -> None:
    # 1 is a number of every type; only signed types have -1.
    tensor = helper.make_tensor("t", kind, [2, 2], [1.0, 1.0, 1.0, 1.0])
    array = numpy_helper.to_array(tensor)
    carried = from_numpy(array)
    assert carried.dtype == carrier(kind)
    assert carried.shape == (2, 2)
    assert bool((carried == 1).all())


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.int8, np.float16, np.float64, ">f4", ">i8"])
def test_extreme_values_survive(dtype: str | type) -> None:
    kind = np.dtype(dtype)
    limits = np.finfo(kind) if kind.kind == "f" else np.iinfo(kind)
    array = np.array([limits.min, 0, limits.max], kind)
    np.testing.assert_array_equal(from_numpy(array).numpy().astype(np.float64), array.astype(np.float64))


def test_memory_is_torch_s_own() -> None:
    array = np.zeros(3, np.float32)
    from_numpy(array).add_(1)
    assert not array.any()
    frozen = np.zeros((2, 3), np.float32)
    frozen.flags.writeable = False
    assert from_numpy(frozen.T).add_(1).sum() == 6


def test_floating_types_are_carried_by_floating_tensors() -> None:
    assert {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE} <= FLOATING
    assert TensorProto.INT64 not in FLOATING


def test_what_torch_cannot_hold_is_refused() -> None:
    with pytest.raises(EvaluationError, match="type string has no counterpart"):
        carrier(TensorProto.STRING)
    with pytest.raises(EvaluationError, match="type type 99"):
        carrier(99)
    with pytest.raises(EvaluationError, match="no counterpart in torch"):
        from_numpy(np.array(["a"]))


def test_a_tensor_of_each_carrier_can_be_made() -> None:
    for kind in CARRIERS.values():
        assert torch.zeros(1, dtype=kind).dtype == kind
    assert onnx.TensorProto.INT4 in CARRIERS
