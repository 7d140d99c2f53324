"""The gradient of a 2-D convolution's input, by the method that is fastest for the kernels.

All methods compute the same sum. They differ in how much of a vector instruction they fill, and in what they reorder at
each call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Protocol

import torch
from torch import Tensor

_LANES = 16
"""Float32 channels in a vector instruction; fewer channels cost as much."""

_LONGEST = 16
"""Most elements on a side of a block."""

_WORTH = 0.75
"""Blocks are used if they cost at most this part of the cost of torch's own method."""

Pair = tuple[int, int]


class Gradient(Protocol):
    """A function from the gradient of a convolution's output to the gradient of its input."""

    def __call__(self, gradient: Tensor, rectified: Tensor | None, size: Pair) -> Tensor:
        """Return the gradient of the input.

        Parameters
        ----------
        gradient : (batch, filter, *) Tensor
            Gradient of the output.
        rectified : Tensor, optional
            The output after a ReLU, if one follows: where it is 0, no gradient passes.
        size : (int, int)
            Height and width of the input.
        """
        ...


class PackedKernels:
    """Kernels in oneDNN's own order, packed for the input shape of the last call.

    Parameters
    ----------
    kernels : callable
        Returns the kernels, (filter, channel / group, height, width) as in ONNX, whenever they must be packed again.
    bias : (filter,) Tensor or None
        The bias.
    strides, padding, dilations : (int, int)
        For height and width; the same padding before and after.
    group : int
        Number of groups of channels and filters.
    """

    def __init__(
        self,
        kernels: Callable[[], Tensor],
        bias: Tensor | None,
        strides: Pair,
        padding: Pair,
        dilations: Pair,
        group: int,
    ) -> None:
        # oneDNN needs a contiguous bias: it does not read an expanded number as a bias.
        self._kernels, self._bias = kernels, None if bias is None else bias.contiguous()
        self._given = list(padding), list(strides), list(dilations), group
        self._shape: torch.Size | None = None
        self._packed: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Return the convolution of a channels-last input."""
        if x.shape != self._shape:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(self._kernels(), *self._given, list(x.shape))
            self._shape = x.shape
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(x, self._packed, self._bias, *self._given, "none", [], "")
        return y


def gradient_of(kernels: Tensor, strides: Pair, padding: Pair, dilations: Pair, group: int) -> Gradient:
    """Return the cheapest method for the gradient.

    The parameters are those of `PackedKernels`.
    """
    spans = [(size - 1) * dilation for size, dilation in zip(kernels.shape[2:], dilations, strict=True)]
    inside = all(margin <= span for margin, span in zip(padding, spans, strict=True))
    if inside and group == 1 and dilations == (1, 1):
        plain = math.prod(size / stride for size, stride in zip(kernels.shape[2:], strides, strict=True))
        plain *= _lanes(kernels.shape[1])
        blocks = [_Blocks(kernels, strides, padding, factor) for factor in (1, 2, 4)]
        best = min((one for one in blocks if max(one.block) <= _LONGEST), key=lambda one: one.cost, default=None)
        if best is not None and best.cost <= _WORTH * plain:
            return best
    if inside and strides == (1, 1):
        return _Turned(kernels, padding, dilations, group)
    return _Torch(kernels, strides, padding, dilations, group)


def _lanes(channels: int) -> int:
    return -(-channels // _LANES) * _LANES


def _passed(gradient: Tensor, rectified: Tensor | None) -> Tensor:
    """Return the gradient that a rectifier lets pass, channels-last."""
    if rectified is not None:
        gradient = torch.ops.aten.threshold_backward(gradient, rectified, 0)
    return gradient.contiguous(memory_format=torch.channels_last)


class _Torch:
    """torch's own method."""

    def __init__(self, kernels: Tensor, strides: Pair, padding: Pair, dilations: Pair, group: int) -> None:
        self._kernels = kernels
        self._given = list(strides), list(padding), list(dilations), False, [0, 0], group

    def __call__(self, gradient: Tensor, rectified: Tensor | None, size: Pair) -> Tensor:
        """Return the gradient of the input."""
        channels = self._kernels.shape[1] * self._given[-1]
        gradient = _passed(gradient, rectified)
        # Of the input only the shape is read.
        shape = gradient.new_empty(1).expand(len(gradient), channels, *size)
        found: Tensor = torch.ops.aten.convolution_backward(
            gradient, shape, self._kernels, None, *self._given, [True, False, False]
        )[0]
        return found


class _Turned:
    """A convolution of stride 1 with flipped kernels, inputs and outputs exchanged; packed once."""

    def __init__(self, kernels: Tensor, padding: Pair, dilations: Pair, group: int) -> None:
        filters, channels, *size = kernels.shape

        def turned() -> Tensor:
            flipped = kernels.flip(2, 3).reshape(group, filters // group, channels, *size)
            return flipped.transpose(1, 2).reshape(group * channels, filters // group, *size)

        margin = [(n - 1) * d - p for n, d, p in zip(size, dilations, padding, strict=True)]
        self._kernels = PackedKernels(turned, None, (1, 1), (margin[0], margin[1]), dilations, group)

    def __call__(self, gradient: Tensor, rectified: Tensor | None, size: Pair) -> Tensor:
        """Return the gradient of the input."""
        return self._kernels(_passed(gradient, rectified))


class _Blocks:
    """Blocks for few channels, such as a picture's three: neighboring elements are computed together, like channels.

    Element ``block * m + a`` of the input's gradient is the sum over u of the output's gradient at ``factor * m + u``
    times the kernel at ``a + padding - stride * u``: a convolution of stride `factor` whose channels are the elements
    of a block (the sub-pixel convolution of Shi et al. 2016).

    Attributes
    ----------
    block : (int, int)
        Height and width of a block.
    cost : float
        Multiplications for each element of the input and channel of the output, unused lanes counted.
    """

    def __init__(self, kernels: Tensor, strides: Pair, padding: Pair, factor: int) -> None:
        channels, *size = kernels.shape[1:]
        self.block = strides[0] * factor, strides[1] * factor
        self._channels = channels
        self._factor = factor
        axes = list(zip(size, strides, padding, self.block, strict=True))
        # The first and the last u that any element of a block reads.
        first = [-((n - 1 - p) // s) for n, s, p, _ in axes]
        last = [(b - 1 + p) // s for _, s, p, b in axes]
        self._before = -first[0], -first[1]
        self._reach = last[0] - first[0] + 1, last[1] - first[1] + 1
        area = math.prod(self.block)
        self.cost = math.prod(self._reach) * _lanes(channels * area) / area
        self._source = kernels, strides, padding, first
        self._kernels = PackedKernels(self._joined, None, (factor, factor), (0, 0), (1, 1), 1)

    def _joined(self) -> Tensor:
        """Return the kernels of a whole block, (element of the block and channel, filter, *reach)."""
        kernels, strides, padding, first = self._source
        filters, channels, *size = kernels.shape
        joined = kernels.new_zeros(*self.block, channels, filters, *self._reach)
        for row, down in product(range(self.block[0]), range(self._reach[0])):
            y = row + padding[0] - strides[0] * (first[0] + down)
            for column, right in product(range(self.block[1]), range(self._reach[1])):
                x = column + padding[1] - strides[1] * (first[1] + right)
                if 0 <= y < size[0] and 0 <= x < size[1]:
                    joined[row, column, :, :, down, right] = kernels[:, :, y, x].T
        return joined.reshape(-1, filters, *self._reach)

    def __call__(self, gradient: Tensor, rectified: Tensor | None, size: Pair) -> Tensor:
        """Return the gradient of the input."""
        counts = -(-size[0] // self.block[0]), -(-size[1] // self.block[1])
        extent = [self._factor * (count - 1) + reach for count, reach in zip(counts, self._reach, strict=True)]
        batch, filters, *shape = gradient.shape
        used = [min(n, e - b) for n, e, b in zip(shape, extent, self._before, strict=True)]
        padded = torch.empty((batch, filters, *extent), dtype=gradient.dtype, memory_format=torch.channels_last)
        inner = padded
        for axis, (before, count) in enumerate(zip(self._before, used, strict=True), 2):
            inner.narrow(axis, 0, before).zero_()
            inner.narrow(axis, before + count, inner.shape[axis] - before - count).zero_()
            inner = inner.narrow(axis, before, count)
        own = gradient[:, :, : used[0], : used[1]]
        if rectified is None:
            inner.copy_(own)
        else:
            mask = rectified[:, :, : used[0], : used[1]]
            torch.ops.aten.threshold_backward.grad_input(own, mask, 0, grad_input=inner)
        blocks = self._kernels(padded).permute(0, 2, 3, 1)
        rows = blocks.reshape(batch, *counts, self.block[0], self.block[1] * self._channels).transpose(2, 3)
        whole = rows.reshape(batch, counts[0] * self.block[0], counts[1] * self.block[1], self._channels)
        return whole[:, : size[0], : size[1]].permute(0, 3, 1, 2)
