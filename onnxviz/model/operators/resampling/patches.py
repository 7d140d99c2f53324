"""Operators on the patches under a kernel: DeformConv shifts their pixels, Col2Im adds them up, UnfoldTensor cuts them out."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Ints, operator
from onnxviz.model.operators.resampling.sampling import interpolate
from onnxviz.model.operators.shapes.allocation import allowed
from onnxviz.model.operators.shapes.windows import around, padding, per_axis


# `kernel_shape` repeats the shape of the weight.
@operator("DeformConv", since=19, ignored=("kernel_shape",))
def deform_conv(
    X: Tensor,
    W: Tensor,
    offset: Tensor,
    B: Tensor | None = None,
    mask: Tensor | None = None,
    *,
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    group: int = 1,
    offset_group: int = 1,
) -> Tensor:
    """Return the convolution with a kernel whose taps are shifted at every position (ONNX DeformConv 19 and 22).

    The source is Dai et al., "Deformable Convolutional Networks", 2017. The mask comes from Zhu et al., "Deformable ConvNets v2: More
    deformable, better results", 2019.

    Parameters
    ----------
    X : (batch, channel, *spatial)
    W : (filter, channel / group, *kernel)
    offset : (batch, offset_group * taps * axes, *output)
        Shifts in pixels, tap by tap in the row-major order of the kernel. The shift along the first spatial axis comes first.
    B : (filter,), optional
    mask : (batch, offset_group * taps, *output), optional
        A factor of each sampled value.
    strides, pads, dilations, group
        As in `onnxviz.model.operators.convolution.conv`.
    offset_group : int
        The number of groups of channels. Each group has offsets of its own.

    Returns
    -------
    (batch, filter, *output)

    Raises
    ------
    EvaluationError
        If the attributes do not fit the input.
    """
    batch, channels, *sizes = X.shape
    rank, kernel, outputs = len(sizes), W.shape[2:], offset.shape[2:]
    strides, dilations = per_axis(strides, rank, 1, "strides"), per_axis(dilations, rank, 1, "dilations")
    begins, _ = padding(tuple(sizes), tuple(kernel), strides, dilations, pads, "NOTSET")
    taps = kernel.numel()
    shifts = offset.reshape(batch * offset_group, taps, rank, *outputs)
    coordinates = []
    for axis in range(rank):
        across = torch.arange(outputs[axis], device=X.device, dtype=offset.dtype) * strides[axis] - begins[axis]
        along = torch.arange(kernel[axis], device=X.device, dtype=offset.dtype) * dilations[axis]
        along = along.reshape([-1 if a == axis else 1 for a in range(rank)]).expand(kernel).reshape(taps)
        regular = along.reshape(taps, *[1] * rank) + across.reshape([-1 if a == axis else 1 for a in range(rank)])
        coordinates.append((regular + shifts[:, :, axis]).flatten(1))
    grouped = X.reshape(batch * offset_group, channels // offset_group, *sizes)
    columns = interpolate(grouped, torch.stack(coordinates, -1))
    columns = columns.reshape(batch, offset_group, channels // offset_group, taps, -1)
    if mask is not None:
        columns = columns * mask.reshape(batch, offset_group, 1, taps, -1)
    columns = columns.reshape(batch, group, channels // group * taps, -1)
    convolved = torch.matmul(W.reshape(group, W.shape[0] // group, -1), columns).reshape(batch, W.shape[0], *outputs)
    return convolved if B is None else convolved + B.reshape(-1, *[1] * rank)


@operator("Col2Im", since=18)
def col2im(
    input: Tensor,
    image_shape: Ints,
    block_shape: Ints,
    *,
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
) -> Tensor:
    """Return the image that overlapping patches add up to (ONNX Col2Im 18).

    Parameters
    ----------
    input : (batch, channel * taps, patch)
    image_shape : tuple of int
        Spatial sizes of the image.
    block_shape : tuple of int
        Spatial sizes of a patch.
    strides, pads, dilations : tuple of int
        As in `onnxviz.model.operators.convolution.conv`.

    Returns
    -------
    (batch, channel, *image_shape)

    Raises
    ------
    AllocationError
        If `image_shape` asks for more elements than are allowed.
    EvaluationError
        If the attributes do not fit the image.
    """
    rank = len(image_shape)
    strides, dilations = per_axis(strides, rank, 1, "strides"), per_axis(dilations, rank, 1, "dilations")
    begins, ends = padding(image_shape, block_shape, strides, dilations, pads, "NOTSET")
    padded = tuple(b + n + e for b, n, e in zip(begins, image_shape, ends, strict=True))
    channels = input.shape[1] // max(math.prod(block_shape), 1)
    allowed((input.shape[0], channels, *padded), "Col2Im")
    if rank == 2 and begins == ends:
        return F.fold(input, image_shape, block_shape, dilations, begins, strides)
    target = _patch_positions(padded, block_shape, strides, dilations).to(input.device)
    taps, patches = target.shape
    if input.shape[1] % taps or input.shape[2] != patches:
        raise EvaluationError(
            f"Col2Im has columns of shape {list(input.shape)}; an image of {list(image_shape)} with blocks of "
            f"{list(block_shape)} needs a multiple of {taps} rows and {patches} patches"
        )
    flat = input.new_zeros(input.shape[0], channels, math.prod(padded))
    flat = flat.index_add(2, target.flatten(), input.reshape(input.shape[0], channels, -1))
    return F.pad(flat.reshape(*flat.shape[:2], *padded), around([-b for b in begins], [-e for e in ends]))


@operator("UnfoldTensor", domain="com.microsoft")
def unfold_tensor(input: Tensor, *, dim: int = -1, size: int, step: int = 1) -> Tensor:
    """Return the windows of `size` entries along an axis, `step` entries apart (com.microsoft UnfoldTensor).

    The entries of a window are a new last axis.
    """
    return input.unfold(dim, size, step)


@lru_cache(maxsize=64)
def _patch_positions(
    sizes: tuple[int, ...], kernel: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]
) -> Tensor:
    """Return the flat position of every tap of every patch: (taps, patches) int64."""
    # The tensor must stay usable after an inference mode in which it may have been made.
    with torch.inference_mode(False):
        positions = torch.zeros(1, 1, dtype=torch.int64)
        for size, k, s, d in zip(sizes, kernel, strides, dilations, strict=True):
            starts = range(0, size - (k - 1) * d, s)
            axis = torch.tensor([[start + tap * d for start in starts] for tap in range(k)], dtype=torch.int64)
            both = positions[:, None, :, None] * size + axis[None, :, None, :]
            positions = both.reshape(both.shape[0] * k, -1)
    return positions
