"""The shared fixture of the tests of operators."""

from __future__ import annotations

import pytest
from runtime_oracle import Compare, assert_equal_outputs


@pytest.fixture
def compare() -> Compare:
    """Return the function that runs a model by torch and by ONNX Runtime and asserts equal outputs."""
    return assert_equal_outputs
