"""Fourier transforms (DFT, STFT), window functions, and MelWeightMatrix, which sums a spectrum on the mel scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from onnx import TensorProto
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Float, Gradient, Int, operator
from onnxviz.model.operators.numbers.element_types import carrier
from onnxviz.model.operators.shapes.allocation import allowed


def fourier(signal: Tensor, length: int | None, axis: int, inverse: bool, onesided: bool) -> Tensor:
    """Return the discrete Fourier transform along an axis.

    The last axis of a complex tensor holds the real and the imaginary part.

    Parameters
    ----------
    signal : (..., 1) or (..., 2)
        A real or a complex signal.
    length : int or None
        The length of the transform, to which the signal is cut or padded with zeros. None for the size of the axis.
    axis : int
        The axis of time. It is not the last axis.
    inverse : bool
        Whether to return the inverse transform, divided by the length.
    onesided : bool
        Whether the spectrum holds only the frequencies from zero on. The signal in time is then real.

    Raises
    ------
    EvaluationError
        If the axis is the last axis or does not exist, the length is not positive, or a complex signal is to have a one-sided spectrum.
    """
    rank = signal.ndim
    if not -rank <= axis < rank or axis % rank == rank - 1:
        raise EvaluationError(
            f"axis is {axis}; give another axis than the last of the {rank} axes, which holds real and imaginary part"
        )
    axis %= rank
    if length is None:
        length = 2 * (signal.shape[axis] - 1) if inverse and onesided else signal.shape[axis]
    if length < 1:
        raise EvaluationError(f"the length of the transform is {length}; it must be positive")
    allowed((*signal.shape[:axis], length, *signal.shape[axis + 1 :]), "DFT")
    real = signal.shape[-1] == 1
    if onesided and not inverse:
        if not real:
            raise EvaluationError("a complex signal has no one-sided spectrum; set onesided to 0")
        return torch.view_as_real(torch.fft.rfft(signal[..., 0], length, axis))
    spectrum = signal[..., 0] if real else torch.view_as_complex(signal.contiguous())
    if onesided:
        return torch.unsqueeze(torch.fft.irfft(spectrum, length, axis), -1)
    transformed = torch.fft.ifft(spectrum, length, axis) if inverse else torch.fft.fft(spectrum, length, axis)
    return torch.view_as_real(transformed.resolve_conj())


@operator("DFT", since=17, until=19)
def dft_17(
    input: Tensor, dft_length: Int | None = None, *, axis: int = 1, inverse: int = 0, onesided: int = 0
) -> Tensor:
    """Return the discrete Fourier transform along an axis that is an attribute (ONNX DFT 17)."""
    return fourier(input, dft_length, axis, bool(inverse), bool(onesided))


@operator("DFT", since=20)
def dft_20(
    input: Tensor, dft_length: Int | None = None, axis: Int | None = None, *, inverse: int = 0, onesided: int = 0
) -> Tensor:
    """Return the discrete Fourier transform along an axis that is an input (ONNX DFT 20)."""
    return fourier(input, dft_length, -2 if axis is None else axis, bool(inverse), bool(onesided))


@operator("STFT", since=17)
def stft(
    signal: Tensor, frame_step: Int, window: Tensor | None = None, frame_length: Int | None = None, *, onesided: int = 1
) -> Tensor:
    """Return the spectra of successive frames, (batch, frames, frequencies, 2) (ONNX STFT 17).

    A real signal is (batch, time, 1), a complex signal (batch, time, 2). If `onesided`, only the first half of the frequencies is kept,
    even of a complex signal.

    Raises
    ------
    EvaluationError
        If step, window and length of a frame contradict each other or the signal.
    """
    if frame_step < 1:
        raise EvaluationError(f"frame_step is {frame_step}; it must be positive")
    if frame_length is None:
        frame_length = signal.shape[1] if window is None else window.shape[0]
    if window is not None and window.shape[0] != frame_length:
        raise EvaluationError(
            f"window has {window.shape[0]} values, but frame_length is {frame_length}; they must agree"
        )
    if not 0 < frame_length <= signal.shape[1]:
        raise EvaluationError(
            f"frame_length is {frame_length}; it must lie between 1 and the {signal.shape[1]} samples of the signal"
        )
    if signal.ndim == 2:
        signal = signal[..., None]
    frames = signal.unfold(1, frame_length, frame_step).transpose(2, 3)
    if window is not None:
        frames = frames * window[:, None]
    if frames.shape[3] == 1:
        return fourier(frames, None, 2, inverse=False, onesided=bool(onesided))
    spectra = fourier(frames, None, 2, inverse=False, onesided=False)
    return spectra[:, :, : frame_length // 2 + 1] if onesided else spectra


def _cosine_sum(size: int, periodic: int, element_type: int, coefficients: Sequence[float]) -> Tensor:
    """Return the window ``sum of (-1)^k a_k cos(2 pi k n / N)``. N is `size` for a periodic window, otherwise ``size - 1``."""
    allowed((size,), "a window")
    period = size if periodic else size - 1
    angle = 2 * math.pi * torch.arange(size, dtype=torch.float64) / period
    window = sum(((-1) ** k * a * torch.cos(k * angle) for k, a in enumerate(coefficients)), torch.zeros_like(angle))
    return window.to(carrier(element_type))


@operator("HannWindow", since=17, gradient=Gradient.ZERO)
def hann_window(size: Int, *, output_datatype: int = TensorProto.FLOAT, periodic: int = 1) -> Tensor:
    """Return a Hann window, (size,) (ONNX HannWindow 17)."""
    return _cosine_sum(size, periodic, output_datatype, (0.5, 0.5))


@operator("HammingWindow", since=17, gradient=Gradient.ZERO)
def hamming_window(size: Int, *, output_datatype: int = TensorProto.FLOAT, periodic: int = 1) -> Tensor:
    """Return a Hamming window, (size,) (ONNX HammingWindow 17)."""
    return _cosine_sum(size, periodic, output_datatype, (25 / 46, 21 / 46))


@operator("BlackmanWindow", since=17, gradient=Gradient.ZERO)
def blackman_window(size: Int, *, output_datatype: int = TensorProto.FLOAT, periodic: int = 1) -> Tensor:
    """Return a Blackman window, (size,) (ONNX BlackmanWindow 17)."""
    return _cosine_sum(size, periodic, output_datatype, (0.42, 0.5, 0.08))


@operator("MelWeightMatrix", since=17, gradient=Gradient.ZERO)
def mel_weight_matrix(
    num_mel_bins: Int,
    dft_length: Int,
    sample_rate: Int,
    lower_edge_hertz: Float,
    upper_edge_hertz: Float,
    *,
    output_datatype: int = TensorProto.FLOAT,
) -> Tensor:
    """Return triangles of height 1 on the mel scale, (dft_length // 2 + 1, num_mel_bins) (ONNX MelWeightMatrix 17).

    Raises
    ------
    EvaluationError
        If a triangle lies outside the spectrum.
    """
    bins = dft_length // 2 + 1
    allowed((bins, num_mel_bins), "MelWeightMatrix")
    low, high = (2595 * math.log10(1 + edge / 700) for edge in (lower_edge_hertz, upper_edge_hertz))
    mel = low + (high - low) / (num_mel_bins + 2) * torch.arange(num_mel_bins + 2, dtype=torch.float64)
    corners = ((dft_length + 1) * 700 * (10 ** (mel / 2595) - 1) / sample_rate).floor()
    if bool((corners < 0).any()) or bool((corners >= bins).any()):
        raise EvaluationError(
            f"the triangles go from {lower_edge_hertz} to {upper_edge_hertz} Hz; they must lie inside a spectrum of {bins} bins "
            f"at a sample rate of {sample_rate} Hz"
        )
    left, center, right = corners[:-2], corners[1:-1], corners[2:]
    place = torch.arange(bins, dtype=torch.float64)[:, None]
    rising = torch.where((place >= left) & (place <= center), (place - left) / (center - left).clamp(min=1), 0.0)
    falling = torch.where((place >= center) & (place < right), (right - place) / (right - center).clamp(min=1), 0.0)
    peak = (place == center).double()
    return torch.maximum(torch.maximum(rising, falling), peak).to(carrier(output_datatype))
