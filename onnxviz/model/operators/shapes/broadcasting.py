"""How the second operand was lined up with the first before opset 7: from the axis that an attribute names."""

from __future__ import annotations

from torch import Tensor

from onnxviz.errors import EvaluationError


def aligned(left: Tensor, right: Tensor, axis: int | None) -> Tensor:
    """Return the second operand with axes of size one added at its end, so that torch's own broadcasting lines it up.

    Parameters
    ----------
    left : Tensor
        The first operand; it has at least as many axes.
    right : Tensor
        The second operand: its shape is a run of the first one's, or ones.
    axis : int or None
        Where in the first operand's shape the run begins; None lines up the last axes, as torch does.

    Raises
    ------
    EvaluationError
        If the second operand does not fit behind that axis.
    """
    if axis is None or right.dim() == 0:
        return right
    start = axis if axis >= 0 else axis + left.dim()
    behind = left.dim() - start - right.dim()
    if start < 0 or behind < 0:
        raise EvaluationError(
            f"axis={axis} lines up an operand of shape {list(right.shape)} with one of shape {list(left.shape)}; "
            "it must lie inside the first operand's axes"
        )
    return right.reshape(right.shape + (1,) * behind)
