"""Positions of extremes: against ONNX Runtime, ties included."""

from __future__ import annotations

import numpy as np
import pytest
from single_node import outputs_of, written

X = np.array([[[1.0, 3.0, 3.0], [2.0, 2.0, 0.0]], [[1.0, 1.0, 1.0], [0.0, 5.0, 5.0]]], np.float32)


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
def test_onnx_runtime_agrees(compare, operator, axis, keep, last):
    call = f"y = {operator}<axis={axis}, keepdims={keep}, select_last_index={last}>(x)"
    compare(written(call, {"x": X}, 13), {"x": X})
    compare(written(call, {"x": X.astype(np.int32)}, 12), {"x": X.astype(np.int32)})


@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
def test_onnx_runtime_agrees_about_the_defaults(compare, operator):
    compare(written(f"y = {operator}(x)", {"x": X}, 7), {"x": X})


def test_the_only_value_stands_at_zero():
    (answer,) = outputs_of("y = ArgMax(x)", {"x": np.float32(3)[...]}, 13)
    assert answer.tolist() == 0
