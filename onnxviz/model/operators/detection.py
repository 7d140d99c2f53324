"""NonMaxSuppression: of boxes that overlap each other, the box with the best score."""

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
    """Return the boxes of each class by falling score (ONNX NonMaxSuppression 10 and 11).

    A box that overlaps a box with a better score is left out.

    Parameters
    ----------
    boxes : (batch, box, 4)
        Two opposite corners y, x, y, x, whichever corner comes first.
    scores : (batch, class, box)
    max_output_boxes_per_class : int, optional
        The largest number of boxes per class. The default is 0: no box at all.
    iou_threshold : float, optional
        Two boxes overlap if the quotient of intersection and union is above this threshold. The default is 0.
    score_threshold : float, optional
        The score that a box must exceed. Without a threshold every box counts.
    center_point_box : int
        Whether a box is given as x and y of its center, width and height.

    Returns
    -------
    (taken, 3) int64
        Batch, class and box of each row, sorted by batch, class and falling score. Boxes with equal scores keep their order.
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
    """Return boxes as two coordinates of the lower corner, then two of the upper corner: (batch, box, 4)."""
    first, second = boxes[..., :2], boxes[..., 2:]
    if centered:
        return np.concatenate((first - second / 2, first + second / 2), -1)
    return np.concatenate((np.minimum(first, second), np.maximum(first, second)), -1)


def _pick(corners: np.ndarray, order: np.ndarray, most: int, threshold: float) -> list[int]:
    """Return boxes in the given order. Each box strikes out the later boxes that overlap it."""
    areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    picked: list[int] = []
    while len(order) and len(picked) < most:
        best, order = order[0], order[1:]
        picked.append(int(best))
        sides = np.minimum(corners[best, 2:], corners[order, 2:]) - np.maximum(corners[best, :2], corners[order, :2])
        shared = np.prod(np.maximum(sides, 0), axis=1)
        union = areas[best] + areas[order] - shared
        # A box without an area overlaps no other box.
        counts = (shared > 0) & (areas[best] > 0) & (areas[order] > 0) & (union > 0)
        overlap = np.divide(shared, union, out=np.zeros_like(shared), where=counts)
        order = order[overlap <= np.asarray(threshold, overlap.dtype)]
    return picked
