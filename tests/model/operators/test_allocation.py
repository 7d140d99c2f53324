"""Sizes that a file asks for are refused before memory is asked for."""

from __future__ import annotations

import pytest

from onnxviz.errors import AllocationError, EvaluationError
from onnxviz.model.operators.allocation import MOST_ELEMENTS, allowed


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
