"""Convolutions: Conv, ConvTranspose, ONNX Runtime's forms of both, and the causal convolution that carries a state."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Ints, operator
from onnxviz.model.operators.numbers.fused_activations import activate
from onnxviz.model.operators.shapes.allocation import allowed
from onnxviz.model.operators.shapes.windows import allowed_margins, around, halves, padding, per_axis

_CONVOLUTIONS: dict[int, Callable[..., Tensor]] = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}
_TRANSPOSED: dict[int, Callable[..., Tensor]] = {
    1: torch.conv_transpose1d,
    2: torch.conv_transpose2d,
    3: torch.conv_transpose3d,
}


def _of_rank(table: dict[int, Callable[..., Tensor]], rank: int, what: str) -> Callable[..., Tensor]:
    try:
        return table[rank]
    except KeyError:
        raise EvaluationError(f"{what} over {rank} spatial axes is not supported; 1, 2 and 3 axes are") from None


# `kernel_shape` repeats the shape of the weight.
@operator("Conv", ignored=("kernel_shape",))
def conv(
    X: Tensor,
    W: Tensor,
    B: Tensor | None = None,
    *,
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    group: int = 1,
    auto_pad: str = "NOTSET",
) -> Tensor:
    """Return the convolution of an input with a weight (ONNX Conv 1, 11 and 22).

    Parameters
    ----------
    X : (batch, channel, *spatial)
    W : (filter, channel / group, *kernel)
    B : (filter,), optional
    strides, dilations : tuple of int
        A number per spatial axis. An empty tuple stands for ones.
    pads : tuple of int
        The padding before each spatial axis, then the padding after each. An empty tuple stands for zeros.
    group : int
        The number of groups of channels and of filters.
    auto_pad : str
        See `onnxviz.model.operators.shapes.windows.padding`.

    Returns
    -------
    (batch, filter, *spatial)

    Raises
    ------
    EvaluationError
        If there are more than three spatial axes, or the attributes do not fit the input.
    AllocationError
        If `pads` ask for more elements than are allowed.
    """
    rank = W.ndim - 2
    begins, ends = margins(X, W, strides=strides, pads=pads, dilations=dilations, auto_pad=auto_pad)
    allowed_margins(X, begins or (0,) * rank, ends or (0,) * rank, "Conv")
    if begins != ends or any(begin < 0 for begin in begins):
        padded = F.pad(X, around(begins, ends))
        return _of_rank(_CONVOLUTIONS, rank, "Conv")(padded, W, B, strides or 1, 0, dilations or 1, group)
    return _of_rank(_CONVOLUTIONS, rank, "Conv")(X, W, B, strides or 1, begins or 0, dilations or 1, group)


def margins(
    X: Tensor,
    W: Tensor,
    *,
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    auto_pad: str = "NOTSET",
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the padding before and the padding after each spatial axis. Both are empty if there is no padding.

    Parameters and errors are those of `conv`.
    """
    rank = W.ndim - 2
    if auto_pad == "NOTSET":
        return pads[:rank], pads[rank:]
    return padding(
        tuple(X.shape[2:]),
        tuple(W.shape[2:]),
        per_axis(strides, rank, 1, "strides"),
        per_axis(dilations, rank, 1, "dilations"),
        pads,
        auto_pad,
    )


# `kernel_shape` repeats the shape of the weight.
@operator("FusedConv", domain="com.microsoft", ignored=("kernel_shape",))
def fused_conv(
    X: Tensor,
    W: Tensor,
    B: Tensor | None = None,
    Z: Tensor | None = None,
    *,
    activation: str = "",
    activation_params: tuple[float, ...] = (),
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    group: int = 1,
    auto_pad: str = "NOTSET",
) -> Tensor:
    """Return the activated sum of a convolution and `Z` (com.microsoft FusedConv).

    ONNX Runtime's optimizer writes this operator.

    Parameters
    ----------
    X, W, B, strides, pads, dilations, group, auto_pad
        As in `conv`.
    Z : Tensor, optional
        Added to the convolution. It has the shape of the output.
    activation : str
        The name of an activation. An empty name stands for no activation.
    activation_params : tuple of float
        The activation's parameters in ONNX Runtime's order.

    Raises
    ------
    EvaluationError
        As in `conv`, and if the activation is unknown.
    """
    convolved = conv(X, W, B, strides=strides, pads=pads, dilations=dilations, group=group, auto_pad=auto_pad)
    return activate(convolved if Z is None else convolved + Z, activation, *activation_params)


# `kernel_shape` repeats the shape of the weight.
@operator("ConvTranspose", ignored=("kernel_shape",))
def conv_transpose(
    X: Tensor,
    W: Tensor,
    B: Tensor | None = None,
    *,
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    output_padding: tuple[int, ...] = (),
    output_shape: tuple[int, ...] = (),
    group: int = 1,
    auto_pad: str = "NOTSET",
) -> Tensor:
    """Return the transposed convolution of an input with a weight (ONNX ConvTranspose 1, 11 and 22).

    Parameters
    ----------
    X : (batch, channel, *spatial)
    W : (channel, filter / group, *kernel)
    B : (filter,), optional
    strides, dilations, pads, group, auto_pad
        As in `conv`. The padding is cut off the output.
    output_padding : tuple of int
        The number of positions added at the end of each spatial axis of the output.
    output_shape : tuple of int
        The spatial sizes of the output, with or without batch and channel before them. If they are given, the padding follows from them.

    Returns
    -------
    (batch, filter, *spatial)

    Raises
    ------
    EvaluationError
        If there are more than three spatial axes, or the attributes do not fit the input.
    AllocationError
        If `output_shape`, `strides` or `dilations` ask for more elements than are allowed.
    """
    rank = W.ndim - 2
    convolve = _of_rank(_TRANSPOSED, rank, "ConvTranspose")
    strides, dilations = per_axis(strides, rank, 1, "strides"), per_axis(dilations, rank, 1, "dilations")
    sizes = X.shape[2:]
    full = tuple(
        (n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(sizes, strides, W.shape[2:], dilations, strict=True)
    )
    allowed((X.shape[0], W.shape[1] * group, *full), "ConvTranspose")
    explicit = auto_pad in ("NOTSET", "VALID", "")
    if explicit and not output_shape and (not pads or pads[:rank] == pads[rank:] or auto_pad == "VALID"):
        symmetric = pads[:rank] if auto_pad != "VALID" else ()
        # torch takes an output padding only if it is below the stride or the dilation.
        steps = zip(strides, dilations, strict=True)
        if not any(output_padding) or all(o < max(step) for o, step in zip(output_padding, steps, strict=True)):
            return convolve(X, W, B, strides, symmetric or 0, output_padding or 0, group, dilations)
    extra = per_axis(output_padding, rank, 0, "output_padding")
    if output_shape or not explicit:
        # The specification extends the output to `n * s` where a stride exceeds the kernel. ONNX Runtime does not extend it.
        natural = (min(n * s, f + e) for n, s, f, e in zip(sizes, strides, full, extra, strict=True))
        lengths = output_shape[-rank:] if output_shape else tuple(natural)
        # With SAME_UPPER the larger half of an odd padding goes to the end, otherwise to the beginning. The specification has the same
        # rule for a given output shape.
        begins = tuple(
            halves(max(f + e - n, 0), auto_pad != "SAME_UPPER")[0] for f, e, n in zip(full, extra, lengths, strict=True)
        )
    else:
        begins, ends = padding(tuple(sizes), tuple(W.shape[2:]), strides, dilations, pads, auto_pad)
        lengths = tuple(f + e - b - c for f, e, b, c in zip(full, extra, begins, ends, strict=True))
    allowed((X.shape[0], W.shape[1] * group, *lengths), "ConvTranspose")
    whole = convolve(X, W, None, strides, 0, 0, group, dilations)
    cut = F.pad(whole, around([-b for b in begins], [n + b - f for n, b, f in zip(lengths, begins, full, strict=True)]))
    return cut if B is None else cut + B.reshape(-1, *[1] * rank)


@operator("ConvTransposeWithDynamicPads", domain="com.microsoft", ignored=("kernel_shape",))
def conv_transpose_with_dynamic_pads(
    X: Tensor,
    W: Tensor,
    Pads: Ints | None = None,
    B: Tensor | None = None,
    *,
    strides: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    output_padding: tuple[int, ...] = (),
    group: int = 1,
    auto_pad: str = "NOTSET",
) -> Tensor:
    """Return the transposed convolution with padding from an input (com.microsoft ConvTransposeWithDynamicPads).

    Parameters and errors are those of `conv_transpose`.
    """
    return conv_transpose(
        X,
        W,
        B,
        strides=strides,
        pads=Pads or (),
        dilations=dilations,
        output_padding=output_padding,
        group=group,
        auto_pad=auto_pad,
    )


@operator("CausalConvWithState", since=27)
def causal_conv_with_state(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    past_state: Tensor | None = None,
    *,
    activation: str = "none",
) -> tuple[Tensor, Tensor]:
    """Return the convolution of each channel with its own past, and the state of the next call (ONNX CausalConvWithState 27).

    Parameters
    ----------
    input : (batch, channel, length)
    weight : (channel, 1, kernel)
    bias : (channel,), optional
    past_state : (batch, channel, kernel - 1), optional
        The values before the input. Zeros if it is left out.
    activation : {"none", "silu", "swish"}

    Returns
    -------
    output : (batch, channel, length)
    present_state : (batch, channel, kernel - 1)
        The last values of the past and the input together.

    Raises
    ------
    EvaluationError
        If the activation is unknown.
    """
    return _causal(input, weight, bias, past_state, activation, 1)


def _causal(
    input: Tensor, weight: Tensor, bias: Tensor | None, past: Tensor | None, activation: str, dilation: int
) -> tuple[Tensor, Tensor]:
    if activation not in ("none", "", "silu", "swish"):
        raise EvaluationError(
            f"CausalConvWithState has the activation {activation!r}; none, silu and swish are supported"
        )
    history = (weight.shape[-1] - 1) * dilation
    allowed((*input.shape[:-1], input.shape[-1] + history), "CausalConvWithState")
    sequence = F.pad(input, (history, 0)) if past is None else torch.cat((past, input), -1)
    output = torch.conv1d(sequence, weight, bias, 1, 0, dilation, weight.shape[0])
    state = sequence[..., sequence.shape[-1] - history :]
    return (F.silu(output) if activation in ("silu", "swish") else output), state


@operator("CausalConvWithState", domain="com.microsoft")
def causal_conv_with_state_microsoft(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    past_state: Tensor | None = None,
    *,
    activation: str = "none",
    dilation: int = 1,
    ndim: int = 1,
    channels_last: int = 0,
    state_window: int = 0,
    state_length: int = 0,
    state_channels_last: int = -1,
    state_update_capacity: int = 0,
    input_channels: int = 0,
    input_channel_offset: int = 0,
) -> tuple[Tensor, Tensor]:
    """Return the convolution of each channel with its own past, and the next state (com.microsoft CausalConvWithState).

    Only inputs with a single spatial axis and channels first are supported.

    Parameters
    ----------
    input, weight, bias, activation
        As in `causal_conv_with_state`.
    past_state : (batch, channel, (kernel - 1) * dilation), optional
    dilation : int
        The distance between neighboring taps of the kernel.
    ndim, channels_last, state_window : int
        Attributes of other layouts, which are refused.
    state_length, state_channels_last, state_update_capacity, input_channels, input_channel_offset : int
        Attributes that only ONNX Runtime's CUDA kernel knows, which are refused.

    Raises
    ------
    EvaluationError
        If an attribute asks for another layout, or the activation is unknown.
    """
    if ndim != 1:
        raise EvaluationError(f"CausalConvWithState has ndim={ndim}; only 1 is supported")
    if state_channels_last != -1:
        raise EvaluationError(
            f"CausalConvWithState has state_channels_last={state_channels_last}; only -1 is supported"
        )
    layouts = {
        "channels_last": channels_last,
        "state_window": state_window,
        "state_length": state_length,
        "state_update_capacity": state_update_capacity,
        "input_channels": input_channels,
        "input_channel_offset": input_channel_offset,
    }
    for name, value in layouts.items():
        if value:
            raise EvaluationError(f"CausalConvWithState has {name}={value}; only 0 is supported")
    return _causal(input, weight, bias, past_state, activation, dilation)
