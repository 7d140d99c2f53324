"""Sizes in a file that are too large are refused before memory is allocated."""

from __future__ import annotations

import numpy as np
import pytest
from single_node import outputs_of

from onnxviz.errors import AllocationError, EvaluationError
from onnxviz.model.operators.shapes.allocation import MOST_ELEMENTS, allowed


def test_a_size_is_allowed_up_to_the_limit() -> None:
    assert allowed([MOST_ELEMENTS], "Expand") == (MOST_ELEMENTS,)
    assert allowed([0, 1 << 62], "Expand") == (0, 1 << 62)
    assert allowed([], "Expand") == ()
    with pytest.raises(AllocationError, match=r"Expand asks for a tensor of shape \[2, \d+\]"):
        allowed([2, MOST_ELEMENTS], "Expand")


def test_no_size_wraps_around() -> None:
    with pytest.raises(AllocationError):
        allowed([1 << 32, 1 << 32], "Tile")


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(EvaluationError, match="must not be negative"):
        allowed([3, -1], "Range")


FAR = 1 << 20
PLANE = {"x": np.ones((1, 1, 4, 4), np.float32), "w": np.ones((1, 1, 2, 2), np.float32)}
ALL_AROUND, CORNERS = f"pads=[{FAR}, {FAR}, {FAR}, {FAR}]", f"pads=[{FAR}, 0, 0, {FAR}]"
ATTRIBUTES = [
    f"Conv<{ALL_AROUND}>(x, w)",
    f"Conv<{CORNERS}>(x, w)",
    f"Conv<{ALL_AROUND}, dilations=[{FAR}, {FAR}]>(x, w)",
    f"ConvTranspose<strides=[{FAR}, {FAR}]>(x, w)",
    f"ConvTranspose<dilations=[{FAR}, {FAR}]>(x, w)",
    f"ConvTranspose<output_shape=[{FAR}, {FAR}]>(x, w)",
    f"MaxPool<kernel_shape=[2, 2], {ALL_AROUND}>(x)",
    f"AveragePool<kernel_shape=[2, 2], {CORNERS}>(x)",
    f"AveragePool<kernel_shape=[2, 2], dilations=[2, 2], {ALL_AROUND}>(x)",
    f"LpPool<kernel_shape=[2, 2], {ALL_AROUND}>(x)",
    f"LRN<size={1 << 40}>(x)",
]


@pytest.mark.parametrize("call", ATTRIBUTES)
def test_attributes_that_ask_for_much_are_refused_before_memory_is_asked_for(call: str) -> None:
    inputs = PLANE if "(x, w)" in call else {"x": PLANE["x"]}
    with pytest.raises(AllocationError, match=r"at y: .* asks for a tensor of shape"):
        outputs_of(f"y = {call}", inputs, 22)


def test_regions_in_many_bins_are_refused() -> None:
    inputs = {"x": PLANE["x"], "r": np.array([[0, 0, 0, 1, 1]], np.float32)}
    with pytest.raises(AllocationError, match="MaxRoiPool asks for a tensor of shape"):
        outputs_of(f"y = MaxRoiPool<pooled_shape=[{FAR}, {FAR}]>(x, r)", inputs, 22)


def test_a_past_of_many_steps_is_refused() -> None:
    inputs = {"x": np.ones((1, 2, 3), np.float32), "w": np.ones((2, 1, 3), np.float32)}
    with pytest.raises(AllocationError, match="CausalConvWithState asks for a tensor of shape"):
        outputs_of(f"y = com.microsoft.CausalConvWithState<dilation={1 << 40}>(x, w)", inputs, 22)
