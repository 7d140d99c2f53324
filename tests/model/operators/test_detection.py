"""NonMaxSuppression: against ONNX Runtime, and its defining properties."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from runtime_oracle import Compare
from single_node import written

from onnxviz.model.operators.detection import non_max_suppression

RANDOM = np.random.default_rng(9)
BOXES = RANDOM.random((2, 20, 4)).astype(np.float32)
SCORES = RANDOM.random((2, 3, 20)).astype(np.float32)
TIED = np.round(SCORES, 1)


@pytest.mark.parametrize("scores", [SCORES, TIED])
@pytest.mark.parametrize("centered", [0, 1])
@pytest.mark.parametrize(("most", "overlap", "least"), [(3, 0.2, 0.3), (20, 0.0, 0.5), (20, 1.0, 0.0), (0, 0.5, 0.1)])
def test_suppression_is_that_of_onnx_runtime(
    most: int, overlap: float, least: float, centered: int, scores: np.ndarray, compare: Compare
) -> None:
    inputs = {
        "boxes": BOXES,
        "scores": scores,
        "most": np.array([most]),
        "overlap": np.array([overlap], np.float32),
        "least": np.array([least], np.float32),
    }
    call = f"y = NonMaxSuppression<center_point_box={centered}>(boxes, scores, most, overlap, least)"
    compare(written(call, inputs, 11), inputs)


@pytest.mark.parametrize("arguments", ["", ", most", ", most, overlap", ", most, , least"])
def test_what_is_left_out_has_its_default(arguments: str, compare: Compare) -> None:
    inputs = {
        "boxes": BOXES,
        "scores": SCORES,
        "most": np.array([5]),
        "overlap": np.array([0.3], np.float32),
        "least": np.array([0.4], np.float32),
    }
    compare(written(f"y = NonMaxSuppression(boxes, scores{arguments})", inputs, 10), inputs)


def test_boxes_without_an_area_overlap_nothing() -> None:
    boxes = torch.tensor([[[0.0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 1, 1], [1, 1, 0, 0]]])
    taken = non_max_suppression(boxes, torch.tensor([[[0.9, 0.8, 0.7, 0.6]]]), 9, 0.0)
    assert taken.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 2]]


def test_no_boxes_give_none() -> None:
    assert non_max_suppression(torch.zeros(1, 0, 4), torch.zeros(1, 2, 0), 9).shape == (0, 3)
