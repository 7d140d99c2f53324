"""Functions with a vertical tangent, such as the square root at zero: where the slope is infinite, the gradient is set to zero."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def flattened(function: Callable[[Tensor], Tensor], values: Tensor, steep: Tensor, harmless: float) -> Tensor:
    """Return the result of an elementwise function, with a zero gradient where its slope is infinite.

    Backward an infinite slope times a gradient of zero would be NaN. A single NaN spoils an optimization.

    Parameters
    ----------
    function : callable
        An elementwise function.
    values : Tensor
        Arguments of the function.
    steep : Tensor
        bool, of the same shape: the places where the slope is infinite.
    harmless : float
        An argument with a finite slope. It takes the place of the arguments with an infinite slope.
    """
    return torch.where(steep, function(values.detach()), function(values.masked_fill(steep, harmless)))
