"""Operators of com.microsoft.nchwc on channels in blocks, which ONNX Runtime's optimizer writes into the files that it saves.

A tensor keeps the shape (batch, channel, height, width). Its memory runs over (batch, block, height, width, channel in the block).
The file does not tell the size of a block, which depends on the processor. ONNX Runtime therefore reads such a file only on the kind of
processor that wrote it.
Each operator here puts the channels into their order, computes, and puts them back into blocks. So every tensor equals that of ONNX
Runtime.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx.helper
import torch
from onnx import TensorProto
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.convolution import conv
from onnxviz.model.operators.declaration import operator
from onnxviz.model.operators.global_pooling import global_average_pool, global_max_pool
from onnxviz.model.operators.numbers.fused_activations import activate
from onnxviz.model.operators.pooling import average_pool, max_pool
from onnxviz.model.operators.resampling.resize import resize

DOMAIN = "com.microsoft.nchwc"


@cache
def block() -> int:
    """Return the number of channels in a block of ONNX Runtime on this machine.

    Raises
    ------
    EvaluationError
        If ONNX Runtime has no operators on blocks of channels on this machine.
    """
    import onnxruntime

    node = onnx.helper.make_node("ReorderInput", ["x"], ["y"], domain=DOMAIN)
    shape = [1, 64, 1, 2]
    x, y = (onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y"))
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid(DOMAIN, 1)]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [y]), opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        columns = np.broadcast_to(np.arange(2, dtype=np.float32), shape)
        (reordered,) = session.run(["y"], {"x": np.ascontiguousarray(columns)})
    except Exception as error:  # ONNX Runtime raises a type of its own for each status
        raise EvaluationError(
            f"ONNX Runtime has no operators on blocks of channels on this machine ({error}); save the model again with the "
            "optimization level ORT_ENABLE_EXTENDED"
        ) from None
    return int(np.argmax(reordered.reshape(-1) == 1))


def _ordered(X: Tensor) -> Tensor:
    """Return a tensor with its channels in their order, from a tensor (batch, channel, height, width) in blocks."""
    n, c, h, w = _whole_blocks(X)
    return X.reshape(n, c // block(), h, w, block()).permute(0, 1, 4, 2, 3).reshape(n, c, h, w)


def _blocked(X: Tensor) -> Tensor:
    """Return a tensor with its channels in blocks: the inverse of `_ordered`."""
    n, c, h, w = _whole_blocks(X)
    return X.reshape(n, c // block(), block(), h, w).permute(0, 1, 3, 4, 2).reshape(n, c, h, w)


def _whole_blocks(X: Tensor) -> torch.Size:
    if X.dim() != 4 or X.shape[1] % block():
        raise EvaluationError(
            f"a tensor of shape {list(X.shape)} does not consist of blocks of {block()} channels, as ONNX Runtime has them on this "
            "machine; save the model again with the optimization level ORT_ENABLE_EXTENDED"
        )
    return X.shape


@operator("ReorderInput", domain=DOMAIN)
def reorder_input(X: Tensor, *, channels_last: int = 0) -> Tensor:
    """Return the input with its channels in blocks (com.microsoft.nchwc ReorderInput).

    Channels of zeros fill the last block.
    """
    ordered = X.movedim(-1, 1) if channels_last else X
    missing = -ordered.shape[1] % block()
    if missing:
        ordered = torch.cat((ordered, ordered.new_zeros(ordered.shape[0], missing, *ordered.shape[2:])), 1)
    return _blocked(ordered)


@operator("ReorderOutput", domain=DOMAIN)
def reorder_output(X: Tensor, *, channels: int, channels_last: int = 0) -> Tensor:
    """Return the input with its channels in their order (com.microsoft.nchwc ReorderOutput).

    The channels that fill the last block are dropped.
    """
    ordered = _ordered(X)[:, :channels]
    return ordered.movedim(1, -1) if channels_last else ordered


# `kernel_shape` repeats the shape of the weight.
@operator("Conv", domain=DOMAIN, ignored=("kernel_shape",))
def blocked_conv(
    X: Tensor,
    W: Tensor,
    B: Tensor | None = None,
    Sum: Tensor | None = None,
    *,
    activation: str = "",
    activation_params: tuple[float, ...] = (),
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    group: int = 1,
    auto_pad: str = "NOTSET",
) -> Tensor:
    """Return the activated sum of a convolution and `Sum` (com.microsoft.nchwc Conv).

    Parameters
    ----------
    X : (batch, channel, height, width)
        In blocks. Fewer channels than a block holds are in their order.
    W : (filter, channel / group, height, width)
        Filters are in blocks. Channels are in blocks if there are at least as many as a block holds.
    B : (filter,), optional
    Sum : (batch, filter, height, width), optional
        In blocks.
    strides, pads, dilations, group, auto_pad
        As in `onnxviz.model.operators.convolution.conv`.
    activation, activation_params
        As in `onnxviz.model.operators.convolution.fused_conv`.

    Returns
    -------
    (batch, filter, height, width)
        In blocks.

    Raises
    ------
    EvaluationError
        As in `onnxviz.model.operators.convolution.conv`, and if the filters or channels do not fill whole blocks.
    """
    size = block()
    filters, channels, *kernel = W.shape
    if filters % size or (channels >= size and channels % size):
        raise EvaluationError(
            f"the weight of shape {list(W.shape)} does not consist of blocks of {size}, as ONNX Runtime has them on this machine; "
            "save the model again with the optimization level ORT_ENABLE_EXTENDED"
        )
    if channels < size:
        weight = W.reshape(filters // size, channels, *kernel, size).permute(0, 4, 1, 2, 3)
    else:
        weight = W.reshape(filters // size, channels // size, *kernel, size, size).permute(0, 5, 1, 4, 2, 3)
    ordered = X if group == 1 and channels < size else _ordered(X)
    weight = weight.reshape(filters, channels, *kernel)
    convolved = _blocked(
        conv(ordered, weight, B, strides=strides, pads=pads, dilations=dilations, group=group, auto_pad=auto_pad)
    )
    return activate(convolved if Sum is None else convolved + Sum, activation, *activation_params)


@operator("MaxPool", domain=DOMAIN, ignored=("storage_order",))  # the order of indices, which are not returned
def blocked_max_pool(
    X: Tensor,
    *,
    kernel_shape: tuple[int, ...],
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
) -> Tensor:
    """Return the maximum over each window (com.microsoft.nchwc MaxPool).

    See `onnxviz.model.operators.pooling.max_pool`.
    """
    pooled = max_pool(
        _ordered(X),
        kernel_shape=kernel_shape,
        strides=strides,
        pads=pads,
        dilations=dilations,
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
    )
    return _blocked(pooled if isinstance(pooled, Tensor) else pooled[0])


@operator("AveragePool", domain=DOMAIN)
def blocked_average_pool(
    X: Tensor,
    *,
    kernel_shape: tuple[int, ...],
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
) -> Tensor:
    """Return the mean over each window (com.microsoft.nchwc AveragePool).

    See `onnxviz.model.operators.pooling.average_pool`.
    """
    return _blocked(
        average_pool(
            _ordered(X),
            kernel_shape=kernel_shape,
            strides=strides,
            pads=pads,
            dilations=dilations,
            auto_pad=auto_pad,
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
        )
    )


@operator("GlobalMaxPool", domain=DOMAIN)
def blocked_global_max_pool(X: Tensor) -> Tensor:
    """Return the maximum of each channel (com.microsoft.nchwc GlobalMaxPool)."""
    return _blocked(global_max_pool(_ordered(X)))


@operator("GlobalAveragePool", domain=DOMAIN)
def blocked_global_average_pool(X: Tensor) -> Tensor:
    """Return the mean of each channel (com.microsoft.nchwc GlobalAveragePool)."""
    return _blocked(global_average_pool(_ordered(X)))


@operator("Upsample", domain=DOMAIN)
def blocked_upsample(
    X: Tensor,
    *,
    scales: tuple[int, ...],
    mode: str = "nearest",
    coordinate_transformation_mode: str = "asymmetric",
) -> Tensor:
    """Return the input enlarged by whole factors (com.microsoft.nchwc Upsample).

    See `onnxviz.model.operators.resampling.resize.resize`. The nearest pixel is the pixel before the position.
    """
    return _blocked(
        resize(
            _ordered(X),
            None,
            tuple(float(scale) for scale in scales),
            mode=mode,
            nearest_mode="floor",
            coordinate_transformation_mode=coordinate_transformation_mode,
        )
    )
