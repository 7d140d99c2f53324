"""Broadcasting before opset 7: an attribute names the axis of the first operand where the axes of the second begin."""

from __future__ import annotations

from torch import Tensor

from onnxviz.errors import EvaluationError


def aligned(left: Tensor, right: Tensor, axis: int | None) -> Tensor:
    """Return the second operand with axes of size 1 added at its end, so that torch's own broadcasting lines it up.

    Parameters
    ----------
    left : Tensor
        The first operand. It has at least as many axes as the second.
    right : Tensor
        The second operand. Its sizes are successive sizes of the first operand, or 1.
    axis : int or None
        The axis of the first operand where the axes of the second begin. None lines up the last axes, as torch does.

    Raises
    ------
    EvaluationError
        If the first operand has too few axes behind `axis`.
    """
    if axis is None or right.dim() == 0:
        return right
    start = axis if axis >= 0 else axis + left.dim()
    behind = left.dim() - start - right.dim()
    if start < 0 or behind < 0:
        raise EvaluationError(
            f"axis={axis} lines up an operand of shape {list(right.shape)} with an operand of shape {list(left.shape)}; "
            "the axes of the second operand must lie inside those of the first"
        )
    return right.reshape(right.shape + (1,) * behind)
