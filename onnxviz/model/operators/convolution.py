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
        raise EvaluationError(f"{what} over {rank} spatial axes is not supported; 1, 2 and 3 are") from None


# kernel_shape repeats the weight's own shape.
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
    """Convolve: ONNX Conv 1, 11 and 22.

    Parameters
    ----------
    X : (batch, channel, *spatial)
    W : (filter, channel / group, *kernel)
    B : (filter,), optional
    strides, dilations : tuple of int
        One per spatial axis; empty for 1.
    pads : tuple of int
        All begins, then all ends; empty for 0.
    group : int
        Into how many groups channels and filters fall.
    auto_pad : str
        See `onnxviz.model.operators.shapes.windows.padding`.

    Returns
    -------
    (batch, filter, *spatial)

    Raises
    ------
    EvaluationError
        For more than three spatial axes, or attributes that do not fit the input.
    AllocationError
        If `pads` are absurd.
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
    """Return the padding before and after each spatial axis; both empty for none.

    The parameters are those of `conv`, and so is what is raised.
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


# kernel_shape repeats the weight's own shape.
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
    """Convolve, add `Z`, activate: com.microsoft FusedConv, which ONNX Runtime's optimizer writes.

    Parameters
    ----------
    X, W, B, strides, pads, dilations, group, auto_pad
        As in `conv`.
    Z : Tensor, optional
        Added to the convolution; of its output's shape.
    activation : str
        An activation's name; empty for none.
    activation_params : tuple of float
        The activation's parameters in ONNX Runtime's order.

    Raises
    ------
    EvaluationError
        As `conv`, and for an unknown activation.
    """
    convolved = conv(X, W, B, strides=strides, pads=pads, dilations=dilations, group=group, auto_pad=auto_pad)
    return activate(convolved if Z is None else convolved + Z, activation, *activation_params)


# kernel_shape repeats the weight's own shape.
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
    """Convolve the other way round: ONNX ConvTranspose 1, 11 and 22.

    Parameters
    ----------
    X : (batch, channel, *spatial)
    W : (channel, filter / group, *kernel)
    B : (filter,), optional
    strides, dilations, pads, group, auto_pad
        As in `conv`; padding is cut off the output.
    output_padding : tuple of int
        What each spatial axis of the output gets in addition at its end.
    output_shape : tuple of int
        The output's spatial sizes, with or without batch and channel before them; the padding then follows from them.

    Returns
    -------
    (batch, filter, *spatial)

    Raises
    ------
    EvaluationError
        For more than three spatial axes, or attributes that do not fit the input.
    AllocationError
        If `output_shape`, `strides` or `dilations` are absurd.
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
        # torch refuses an output padding that no window can reach.
        steps = zip(strides, dilations, strict=True)
        if not any(output_padding) or all(o < max(step) for o, step in zip(output_padding, steps, strict=True)):
            return convolve(X, W, B, strides, symmetric or 0, output_padding or 0, group, dilations)
    extra = per_axis(output_padding, rank, 0, "output_padding")
    if output_shape or not explicit:
        # Where a stride exceeds the kernel ONNX Runtime adds nothing to reach `n * s`, as the specification would.
        natural = (min(n * s, f + e) for n, s, f, e in zip(sizes, strides, full, extra, strict=True))
        lengths = output_shape[-rank:] if output_shape else tuple(natural)
        # Only SAME_UPPER gives the odd one to the end; so the specification has it for given output shapes, too.
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
    """Convolve the other way round, with padding that is computed: com.microsoft ConvTransposeWithDynamicPads.

    The parameters are those of `conv_transpose`, and so is what is raised.
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
    """Convolve each channel with its own past only: ONNX CausalConvWithState 27.

    Parameters
    ----------
    input : (batch, channel, length)
    weight : (channel, 1, kernel)
    bias : (channel,), optional
    past_state : (batch, channel, kernel - 1), optional
        What came before the input; zeros if left out.
    activation : {"none", "silu", "swish"}

    Returns
    -------
    output : (batch, channel, length)
    present_state : (batch, channel, kernel - 1)
        The end of past and input together.

    Raises
    ------
    EvaluationError
        For an unknown activation.
    """
    return _causal(input, weight, bias, past_state, activation, 1)


def _causal(
    input: Tensor, weight: Tensor, bias: Tensor | None, past: Tensor | None, activation: str, dilation: int
) -> tuple[Tensor, Tensor]:
    if activation not in ("none", "", "silu", "swish"):
        raise EvaluationError(f"CausalConvWithState has the activation {activation!r}; none, silu and swish are known")
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
    """Convolve each channel with its own past only: com.microsoft CausalConvWithState, one spatial axis, channels first.

    Parameters
    ----------
    input, weight, bias, activation
        As in `causal_conv_with_state`.
    past_state : (batch, channel, (kernel - 1) * dilation), optional
    dilation : int
        The distance between the kernel's taps.
    ndim, channels_last, state_window : int
        Other layouts, which are refused.
    state_length, state_channels_last, state_update_capacity, input_channels, input_channel_offset : int
        What only ONNX Runtime's CUDA kernel knows, which is refused.

    Raises
    ------
    EvaluationError
        For other layouts, and an unknown activation.
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
