"""Fourier transforms, windows and the mel scale: against ONNX Runtime, numpy and each other; gradients and refusals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from single_node import gradients_agree, outputs_of, written

from onnxviz.errors import AllocationError, EvaluationError

Inputs = dict[str, np.ndarray]


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng([1, *shape]).standard_normal(shape).astype(np.float32)


def whole(value: int) -> np.ndarray:
    return np.array(value, np.int64)


REAL, COMPLEX = drawn(2, 8, 3, 1), drawn(2, 8, 3, 2)
TRANSFORMS = [
    ("DFT(x)", {"x": REAL}, 17),
    ("DFT(x, n)", {"x": COMPLEX, "n": whole(5)}, 17),
    ("DFT<axis=2>(x)", {"x": REAL}, 17),
    ("DFT<axis=-2>(x)", {"x": COMPLEX}, 19),
    ("DFT<axis=0, inverse=1>(x)", {"x": COMPLEX}, 17),
    ("DFT<onesided=1>(x)", {"x": REAL}, 17),
    ("DFT(x)", {"x": REAL}, 20),
    *(
        (f"DFT<inverse={inverse}>(x, n, a)", {"x": x, "n": whole(n), "a": whole(1)}, 20)
        for inverse in (0, 1)
        for x in (REAL, COMPLEX)
        for n in (5, 8, 12)
    ),
    *(("DFT(x, , a)", {"x": COMPLEX, "a": whole(axis)}, 20) for axis in (0, 2, -2, -4)),
    *(("DFT<onesided=1>(x, n, a)", {"x": REAL, "n": whole(n), "a": whole(1)}, 20) for n in (5, 8, 12)),
    *(("DFT<onesided=1, inverse=1>(x, n, a)", {"x": COMPLEX, "n": whole(n), "a": whole(1)}, 20) for n in (14, 15)),
    ("DFT<onesided=1, inverse=1>(x, , a)", {"x": COMPLEX, "a": whole(1)}, 20),
    ("DFT(x)", {"x": COMPLEX.astype(np.float64)}, 20),
]

WAVE, TWO_PARTS = drawn(2, 50, 1), drawn(2, 50, 2)
FRAMES = [
    ("STFT(x, s, w)", {"x": WAVE, "s": whole(7), "w": drawn(16)}),
    ("STFT(x, s, , l)", {"x": WAVE, "s": whole(7), "l": whole(10)}),
    ("STFT(x, s, w, l)", {"x": WAVE, "s": whole(7), "w": drawn(10), "l": whole(10)}),
    ("STFT<onesided=0>(x, s, w)", {"x": WAVE, "s": whole(5), "w": drawn(15)}),
    ("STFT<onesided=0>(x, s, w)", {"x": TWO_PARTS, "s": whole(5), "w": drawn(15)}),
    ("STFT(x, s, w)", {"x": TWO_PARTS, "s": whole(5), "w": drawn(15)}),
    ("STFT(x, s, w)", {"x": WAVE[..., 0], "s": whole(5), "w": drawn(15)}),
]

WINDOWS = [
    (f"{name}Window<periodic={periodic}>(n)", {"n": whole(n)})
    for name in ("Hann", "Hamming", "Blackman")
    for periodic in (0, 1)
    for n in (2, 10)
]

BANKS = [
    (8, 16, 8192, 0, 4096),
    (40, 512, 16000, 20, 7600),
    (80, 400, 16000, 0, 8000),
    (128, 256, 16000, 0, 8000),
    (5, 7, 8000, 100, 3000),
]


@pytest.mark.parametrize(("text", "inputs", "opset"), TRANSFORMS)
def test_transforms_are_those_of_onnx_runtime(
    text: str, inputs: Inputs, opset: int, compare: Callable[..., None]
) -> None:
    compare(written(f"y = {text}", inputs, opset), inputs, atol=1e-4)


@pytest.mark.parametrize(("text", "inputs"), FRAMES)
def test_frames_are_those_of_onnx_runtime(text: str, inputs: Inputs, compare: Callable[..., None]) -> None:
    compare(written(f"y = {text}", inputs, 17), inputs, atol=1e-4)


@pytest.mark.parametrize(("text", "inputs"), WINDOWS)
def test_windows_are_those_of_onnx_runtime(text: str, inputs: Inputs, compare: Callable[..., None]) -> None:
    compare(written(f"y = {text}", inputs, 17), inputs)


@pytest.mark.parametrize("bank", BANKS)
def test_mel_weights_are_those_of_onnx_runtime(bank: tuple[int, ...], compare: Callable[..., None]) -> None:
    bins, length, rate, low, high = bank
    inputs = {
        "b": whole(bins),
        "l": whole(length),
        "r": whole(rate),
        "e0": np.float32(low)[...],
        "e1": np.float32(high)[...],
    }
    compare(written("y = MelWeightMatrix(b, l, r, e0, e1)", inputs, 17), inputs)


def test_types_are_those_asked_for() -> None:
    size = {"n": whole(10)}
    single, double = (outputs_of(f"y = HannWindow<output_datatype={kind}>(n)", size, 17)[0] for kind in (1, 11))
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    np.testing.assert_allclose(double.numpy(), 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(10) / 10), atol=1e-15)


@pytest.mark.parametrize("length", [5, 8, 20])
def test_back_and_forth_is_the_signal(length: int) -> None:
    inputs = {"x": drawn(2, length, 1), "n": whole(length), "a": whole(1)}
    (spectrum,) = outputs_of("y = DFT<onesided=1>(x, n, a)", inputs, 20)
    halves = {**inputs, "x": spectrum.numpy()}
    (signal,) = outputs_of("y = DFT<onesided=1, inverse=1>(x, n, a)", halves, 20)
    torch.testing.assert_close(signal, torch.tensor(inputs["x"]))


def test_one_long_frame_is_the_transform() -> None:
    (frames,) = outputs_of("y = STFT(x, s, , l)", {"x": WAVE, "s": whole(1), "l": whole(50)}, 17)
    (spectrum,) = outputs_of("y = DFT<onesided=1>(x)", {"x": WAVE}, 17)
    torch.testing.assert_close(frames[:, 0], spectrum, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        ("DFT(x)", {"x": drawn(1, 4, 1)}),
        ("DFT<onesided=1>(x)", {"x": drawn(1, 5, 1)}),
        ("DFT<inverse=1>(x)", {"x": drawn(1, 4, 2)}),
        ("DFT<inverse=1>(x)", {"x": drawn(1, 4, 1)}),
        ("DFT<inverse=1, onesided=1>(x)", {"x": drawn(1, 4, 2)}),
        ("STFT(x, s, w)", {"x": drawn(1, 6, 1), "s": whole(2), "w": drawn(3)}),
        ("STFT(x, s, w)", {"x": drawn(1, 6, 2), "s": whole(2), "w": drawn(3)}),
    ],
)
def test_gradients(text: str, inputs: Inputs) -> None:
    assert gradients_agree(f"y = {text}", inputs, 17)


REFUSALS = [
    (
        "DFT(x, , a)",
        {"x": REAL, "a": whole(3)},
        "axis is 3; give another axis than the last of the 4 axes, which holds real and imaginary part",
    ),
    ("DFT(x, n)", {"x": REAL, "n": whole(0)}, "the length of the transform is 0; it must be positive"),
    ("DFT<onesided=1>(x)", {"x": COMPLEX}, "a complex signal has no one-sided spectrum; set onesided to 0"),
    ("STFT(x, s, w)", {"x": WAVE, "s": whole(0), "w": drawn(5)}, "frame_step is 0; it must be positive"),
    (
        "STFT(x, s, w, l)",
        {"x": WAVE, "s": whole(2), "w": drawn(5), "l": whole(6)},
        "window has 5 values, but frame_length is 6",
    ),
    (
        "STFT(x, s, , l)",
        {"x": WAVE, "s": whole(2), "l": whole(51)},
        "frame_length is 51; it must lie between 1 and the 50 samples",
    ),
    (
        "MelWeightMatrix(b, l, r, e0, e1)",
        {"b": whole(10), "l": whole(16), "r": whole(8000), "e0": np.float32(0)[...], "e1": np.float32(9000)[...]},
        "the triangles go from 0.0 to 9000.0 Hz; they must lie inside a spectrum of 9 bins at a sample rate of 8000 Hz",
    ),
]


@pytest.mark.parametrize(("text", "inputs", "sentence"), REFUSALS)
def test_refusals(text: str, inputs: Inputs, sentence: str) -> None:
    with pytest.raises(EvaluationError, match=sentence):
        outputs_of(f"y = {text}", inputs, 20)


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        ("DFT(x, n)", {"x": REAL, "n": whole(2**40)}),
        ("HannWindow(n)", {"n": whole(2**40)}),
        (
            "MelWeightMatrix(b, l, r, e0, e1)",
            {"b": whole(2**20), "l": whole(2**20), "r": whole(9), "e0": REAL[0, 0, 0, 0], "e1": REAL[0, 0, 0, 0]},
        ),
    ],
)
def test_absurd_sizes_are_refused_before_they_are_allocated(text: str, inputs: Inputs) -> None:
    with pytest.raises(AllocationError, match="elements; at most"):
        outputs_of(f"y = {text}", inputs, 20)
