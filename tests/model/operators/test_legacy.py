"""Operators of old files: against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from runtime_oracle import Compare
from single_node import outputs_of, written

from onnxviz.errors import EvaluationError, UnsupportedOperators

INPUTS = {"x": np.random.default_rng(11).standard_normal((2, 3, 6, 7)).astype(np.float32)}


@pytest.mark.parametrize("attributes", ["border=[1, 0, 2, 3]", "border=[1, 2, 0, 0], scale=[3, 4]"])
def test_crop_is_that_of_onnx_runtime(attributes: str, compare: Compare) -> None:
    compare(written(f"y = Crop<{attributes}>(x)", INPUTS, 8), INPUTS)


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ("border=[1, 0, 9, 3]", "keeps rows 0 to 3 and columns 1 to -2 of a picture of 6x7"),
        ("border=[1, 2]", "the border is left, top, right, bottom, the scale height, width"),
    ],
)
def test_a_crop_that_does_not_fit_is_refused(attributes: str, sentence: str) -> None:
    with pytest.raises((EvaluationError, UnsupportedOperators), match=sentence):
        outputs_of(f"y = Crop<{attributes}>(x)", INPUTS, 8)
