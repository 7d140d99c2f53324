"""Positions of the windows of convolutions and pools: padding, strides and output sizes by ONNX's rules.

All functions compute with Python integers. The results are cached.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.shapes.allocation import allowed

Sizes = tuple[int, ...]

_NARROW = 64
"""Padding up to this width is allowed without a check of the size."""


class Windows(NamedTuple):
    """The windows of a pool over an input. Every tuple has an entry per spatial axis.

    Attributes
    ----------
    kernel, strides, dilations : tuple of int
        The number of taps of a window, the distance between windows, and the distance between taps.
    begins, ends : tuple of int
        The padding before and after each axis, as the node declares it.
    outputs : tuple of int
        The number of windows.
    native : bool
        Whether torch's own pools, given `begins` as padding, place the same windows.
    """

    kernel: Sizes
    strides: Sizes
    dilations: Sizes
    begins: Sizes
    ends: Sizes
    outputs: Sizes
    native: bool

    def margins(self, sizes: Sequence[int]) -> list[int]:
        """Return amounts for `torch.nn.functional.pad`, after which windows without padding have the positions of these windows.

        Parameters
        ----------
        sizes : sequence of int
            Spatial sizes of the input. An amount is negative where the last window does not reach the end of the input.
        """
        each = zip(self.outputs, self.strides, self.kernel, self.dilations, strict=True)
        reach = [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in each]
        ends = [r - size - b for r, size, b in zip(reach, sizes, self.begins, strict=True)]
        return around(self.begins, ends)


def around(begins: Sequence[int], ends: Sequence[int]) -> list[int]:
    """Return padding in the order of `torch.nn.functional.pad`: the last axis first, its begin and its end together.

    Examples
    --------
    >>> around((1, 2), (3, 4))
    [2, 4, 1, 3]
    """
    return [side for pair in zip(reversed(begins), reversed(ends), strict=True) for side in pair]


def allowed_margins(values: Tensor, begins: Sequence[int], ends: Sequence[int], what: str) -> None:
    """Check the size of a tensor with padding around its spatial axes. Padding of a few pixels is always allowed.

    Raises
    ------
    AllocationError
        If the padded tensor would have more elements than are allowed.
    """
    if max((*begins, *ends), default=0) > _NARROW:
        padded = (n + b + e for n, b, e in zip(values.shape[2:], begins, ends, strict=True))
        allowed((*values.shape[:2], *padded), what)


def per_axis(values: Sequence[int], rank: int, default: int, what: str) -> Sizes:
    """Return an attribute with a value per spatial axis, or the default for each axis.

    Raises
    ------
    EvaluationError
        If the attribute has another number of values.
    """
    if not values:
        return (default,) * rank
    if len(values) != rank:
        raise EvaluationError(f"{what} has {len(values)} values, {list(values)}; {rank} values are needed")
    return tuple(values)


def same_padding(size: int, kernel: int, stride: int, dilation: int, lower: bool, pool: bool) -> tuple[int, int]:
    """Return the padding before and after that gives ``ceil(size / stride)`` windows (auto_pad SAME_UPPER, SAME_LOWER).

    The padding is negative where windows shorter than their stride do not reach the ends of the input. Both ends share the positions
    that are left out, as in ONNX Runtime. The shares of pools differ from those of convolutions.

    Examples
    --------
    >>> same_padding(5, kernel=2, stride=1, dilation=1, lower=False, pool=False)
    (0, 1)
    >>> same_padding(8, kernel=1, stride=4, dilation=1, lower=False, pool=True)
    (-1, -2)
    """
    total = (math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1 - size
    if total >= 0:
        return halves(total, lower)
    before = -max((-total - lower - (not pool)) // 2, 0)
    return before, total - before


def halves(total: int, lower: bool) -> tuple[int, int]:
    """Return padding split in two halves. The larger half is the first if `lower`, otherwise the second."""
    small = total // 2
    return (total - small, small) if lower else (small, total - small)


@lru_cache(maxsize=4096)
def padding(
    sizes: Sizes, kernel: Sizes, strides: Sizes, dilations: Sizes, pads: Sizes, auto_pad: str, *, pool: bool = False
) -> tuple[Sizes, Sizes]:
    """Return the padding of a node before and after each spatial axis, from `pads` or `auto_pad`.

    Parameters
    ----------
    sizes, kernel, strides, dilations : tuple of int
        A value per spatial axis.
    pads : tuple of int
        The padding before each spatial axis, then the padding after each. An empty tuple stands for zeros.
    auto_pad : {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"}
    pool : bool
        Whether the node is a pool rather than a convolution. See `same_padding`.

    Raises
    ------
    EvaluationError
        If `auto_pad` has another name, or the number of pads does not fit the axes.
    """
    rank = len(sizes)
    if auto_pad in ("NOTSET", ""):
        if not pads:
            return (0,) * rank, (0,) * rank
        if len(pads) != 2 * rank:
            raise EvaluationError(f"pads has {len(pads)} values, {list(pads)}; {rank} spatial axes need {2 * rank}")
        return pads[:rank], pads[rank:]
    if auto_pad == "VALID":
        return (0,) * rank, (0,) * rank
    if auto_pad not in ("SAME_UPPER", "SAME_LOWER"):
        raise EvaluationError(f"auto_pad is {auto_pad!r}; ONNX knows NOTSET, VALID, SAME_UPPER and SAME_LOWER")
    both = [
        same_padding(size, k, s, d, auto_pad == "SAME_LOWER", pool)
        for size, k, s, d in zip(sizes, kernel, strides, dilations, strict=True)
    ]
    return tuple(b for b, _ in both), tuple(e for _, e in both)


@lru_cache(maxsize=4096)
def windows(
    sizes: Sizes, kernel: Sizes, strides: Sizes, dilations: Sizes, pads: Sizes, auto_pad: str, ceil_mode: int
) -> Windows:
    """Return the windows of a pool (ONNX AveragePool, MaxPool and LpPool, all revisions).

    In `ceil_mode` the last window may reach beyond the padding. It must start inside the input or the padding before it.

    Parameters
    ----------
    sizes, kernel : tuple of int
        A value per spatial axis.
    strides, dilations, pads : tuple of int
        Attributes of the node. An empty tuple stands for the default.
    auto_pad : str
        As in `padding`.
    ceil_mode : int
        Whether there is a last window that reaches beyond the end of the padding.

    Raises
    ------
    EvaluationError
        If the attributes do not fit the input.
    """
    rank = len(sizes)
    if len(kernel) != rank:
        raise EvaluationError(
            f"kernel_shape is {list(kernel)}; an input with spatial sizes {list(sizes)} needs {rank} numbers"
        )
    strides = per_axis(strides, rank, 1, "strides")
    dilations = per_axis(dilations, rank, 1, "dilations")
    # For SAME_UPPER and SAME_LOWER the specification counts with the dilated kernel. ONNX Runtime's pools do not.
    begins, ends = padding(sizes, kernel, strides, (1,) * rank, pads, auto_pad, pool=True)
    outputs = []
    for size, k, s, d, b, e in zip(sizes, kernel, strides, dilations, begins, ends, strict=True):
        span = size + b + e - (k - 1) * d - 1
        count = (-(-span // s) if ceil_mode else span // s) + 1
        if ceil_mode and (count - 1) * s >= size + b:
            count -= 1
        if count < 1:
            raise EvaluationError(
                f"a window of {(k - 1) * d + 1} does not fit into an axis of {size} with padding {b} and {e}; "
                "give a larger input"
            )
        outputs.append(count)
    native = begins == ends and all(0 <= 2 * b <= k for b, k in zip(begins, kernel, strict=True))
    return Windows(kernel, strides, dilations, begins, ends, tuple(outputs), native)
