"""Operands aligned by an axis: the result broadcasts as numpy does with the full shape."""

from __future__ import annotations

import pytest
import torch

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.shapes.broadcasting import aligned

LEFT = torch.zeros(2, 3, 4, 5)


@pytest.mark.parametrize(
    ("shape", "axis", "expected"),
    [
        ((4, 5), None, (4, 5)),
        ((), 1, ()),
        ((5,), 3, (5,)),
        ((4, 5), 2, (4, 5)),
        ((3, 4), 1, (3, 4, 1)),
        ((2,), 0, (2, 1, 1, 1)),
        ((4,), -2, (4, 1)),
    ],
)
def test_axes_of_one_are_added_behind(shape, axis, expected):
    right = torch.zeros(shape)
    assert tuple(aligned(LEFT, right, axis).shape) == expected
    torch.broadcast_shapes(LEFT.shape, aligned(LEFT, right, axis).shape)


@pytest.mark.parametrize("axis", [3, -5])
def test_an_axis_outside_is_refused(axis):
    with pytest.raises(EvaluationError, match=rf"axis={axis} lines up an operand of shape \[4, 5\]"):
        aligned(LEFT, torch.zeros(4, 5), axis)
