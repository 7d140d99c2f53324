"""NonMaxSuppression: the best of the boxes that cover each other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from onnxviz.model.operators.declaration import Float, Gradient, Int, operator


@operator("NonMaxSuppression", since=10, gradient=Gradient.ZERO)
def non_max_suppression(
    boxes: Tensor,
    scores: Tensor,
    max_output_boxes_per_class: Int | None = None,
    iou_threshold: Float | None = None,
    score_threshold: Float | None = None,
    *,
    center_point_box: int = 0,
) -> Tensor:
    """Take boxes by falling score, without those that overlap one taken before: ONNX NonMaxSuppression 10 and 11.

    Parameters
    ----------
    boxes : (batch, box, 4)
        Two opposite corners y, x, y, x, in any order.
    scores : (batch, class, box)
    max_output_boxes_per_class : int, optional
        How many to take at most; none if left out.
    iou_threshold : float, optional
        The largest quotient of intersection and union that is no overlap; 0 if left out.
    score_threshold : float, optional
        What a score must exceed; left out, every box counts.
    center_point_box : int
        Whether boxes are given as x and y of the center, width and height.

    Returns
    -------
    (taken, 3) int64
        Batch, class and box, by batch, class and falling score; of equal scores the first box comes first.
    """
    taken: list[tuple[int, int, int]] = []
    most = max_output_boxes_per_class or 0
    if most > 0:
        corners = _corners(boxes.detach().cpu().numpy(), bool(center_point_box))
        values = scores.detach().cpu().numpy()
        for batch, classes in enumerate(values):
            for label, row in enumerate(classes):
                order = np.argsort(-row, kind="stable")
                if score_threshold is not None:
                    order = order[row[order] > np.asarray(score_threshold, row.dtype)]
                picked = _pick(corners[batch], order, most, iou_threshold or 0.0)
                taken.extend((batch, label, box) for box in picked)
    return torch.tensor(taken, dtype=torch.int64, device=boxes.device).reshape(-1, 3)


def _corners(boxes: np.ndarray, centered: bool) -> np.ndarray:
    """Return boxes as the lower corner's two coordinates, then the upper corner's: (batch, box, 4)."""
    first, second = boxes[..., :2], boxes[..., 2:]
    if centered:
        return np.concatenate((first - second / 2, first + second / 2), -1)
    return np.concatenate((np.minimum(first, second), np.maximum(first, second)), -1)


def _pick(corners: np.ndarray, order: np.ndarray, most: int, threshold: float) -> list[int]:
    """Take boxes greedily: each one strikes out the rest that overlap it."""
    areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    picked: list[int] = []
    while len(order) and len(picked) < most:
        best, order = order[0], order[1:]
        picked.append(int(best))
        sides = np.minimum(corners[best, 2:], corners[order, 2:]) - np.maximum(corners[best, :2], corners[order, :2])
        shared = np.prod(np.maximum(sides, 0), axis=1)
        union = areas[best] + areas[order] - shared
        # Boxes without an area overlap nothing.
        counts = (shared > 0) & (areas[best] > 0) & (areas[order] > 0) & (union > 0)
        overlap = np.divide(shared, union, out=np.zeros_like(shared), where=counts)
        order = order[overlap <= np.asarray(threshold, overlap.dtype)]
    return picked
