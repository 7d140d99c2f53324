"""Functions whose slope is infinite at a point, such as the square root at zero: there the gradient is set to zero."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def flattened(function: Callable[[Tensor], Tensor], values: Tensor, steep: Tensor, harmless: float) -> Tensor:
    """Apply a function elementwise, with a zero gradient where its slope is infinite.

    An infinite slope times the zero that reaches it from behind would be NaN, and one NaN spoils an optimization.

    Parameters
    ----------
    function : callable
        Elementwise.
    values : Tensor
        Where it is applied.
    steep : Tensor
        bool, of the same shape: where the slope is infinite.
    harmless : float
        An argument at which the slope is finite; it stands in for the steep ones.
    """
    return torch.where(steep, function(values.detach()), function(values.masked_fill(steep, harmless)))
