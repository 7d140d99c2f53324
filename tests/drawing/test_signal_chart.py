"""The chart of a one-dimensional input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxviz.drawing.signal_chart import Signal, signal_chart, signal_figure, spectrogram, spectrum
from onnxviz.errors import DataError

RANDOM = np.random.default_rng(0)


@given(st.integers(3, 200), st.data())
def test_a_sine_has_its_amplitude_at_its_frequency(length, data):
    cycles = data.draw(st.integers(1, (length - 1) // 2))
    amplitude, offset = data.draw(st.floats(0.1, 10)), data.draw(st.floats(-5, 5))
    rate = data.draw(st.floats(1, 50000))
    signal = offset + amplitude * np.sin(2 * np.pi * cycles * np.arange(length) / length + data.draw(st.floats(0, 6)))
    frequency, strength = spectrum(signal, rate)
    expected = np.zeros(length // 2 + 1)
    expected[0], expected[cycles] = abs(offset), amplitude
    np.testing.assert_allclose(strength, expected, atol=1e-9)
    assert frequency[cycles] == pytest.approx(cycles * rate / length)


def test_the_highest_frequency_of_an_even_length_stands_for_itself():
    frequency, strength = spectrum(np.array([1.0, -1.0, 1.0, -1.0]))
    np.testing.assert_allclose(strength, [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(frequency, [0, 0.25, 0.5])


def test_the_spectrum_is_taken_along_the_last_axis():
    signal = RANDOM.normal(size=(2, 3, 8))
    np.testing.assert_array_equal(spectrum(signal)[1][1, 2], spectrum(signal[1, 2])[1])


def test_a_spectrogram_has_the_amplitude_of_a_steady_sine_in_every_frame():
    window, cycles = 64, 8
    signal = 0.7 * np.sin(2 * np.pi * cycles * np.arange(1000) / window)
    strength = spectrogram(signal, window)
    assert strength.shape == (33, (1000 - window) // 16 + 1)
    np.testing.assert_allclose(strength[cycles], 0.7, rtol=1e-9)
    assert (strength.argmax(0) == cycles).all()


def test_a_chirp_rises_in_its_spectrogram_and_a_short_or_rateless_signal_has_none():
    time = np.arange(4000) / 8000
    chirp = np.sin(2 * np.pi * (200 + 2000 * time) * time)
    assert (np.diff(spectrogram(chirp, 256).argmax(0)) >= 0).all()
    assert len(signal_figure(Signal(chirp, 8000)).axes) == 3
    assert len(signal_figure(Signal(chirp)).axes) == 2
    assert len(signal_figure(Signal(chirp[:200], 8000)).axes) == 2
    assert len(signal_figure(Signal(np.zeros(4000), 8000)).axes) == 3


def test_a_series_of_steps_has_lines_for_the_restarts_and_no_spectrum():
    figure = signal_figure(Signal(np.zeros((2, 20)), others=np.ones((3, 2, 20)), step="step", spectra=False))
    assert [len(axes.lines) for axes in figure.axes] == [4, 4]
    assert labels(figure) == ["step"]
    with pytest.raises(DataError, match="other signals"):
        Signal(np.zeros((2, 20)), others=np.ones((3, 2, 19)))


def labels(figure):
    # A wave above its spectrogram has no time axis; the spectrogram has it.
    return [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()]


@pytest.mark.parametrize(
    ("length", "rate", "expected"),
    [
        (100, None, ["sample", "cycles per sample"]),
        (32000, 16000, ["seconds", "Hz"]),
        (4410, 44100, ["milliseconds", "kHz"]),
        (50, 50, ["seconds", "Hz"]),
    ],
)
def test_axes_are_in_the_units_that_are_known(length, rate, expected):
    figure = signal_figure(Signal(RANDOM.normal(size=length), rate))
    assert labels(figure) == expected
    end = {
        "sample": length - 1,
        "seconds": (length - 1) / (rate or 1),
        "milliseconds": 1e3 * (length - 1) / (rate or 1),
    }
    assert figure.axes[0].get_xlim() == pytest.approx((0, end[expected[0]]))


def test_a_line_has_the_samples_of_its_channel():
    signal = RANDOM.normal(size=(3, 20))
    figure = signal_figure(Signal(signal, names=["x", "y", "z"]))
    assert len(figure.axes) == 6
    for number in range(3):
        axes = figure.axes[2 * number]
        np.testing.assert_array_equal(axes.lines[-1].get_ydata(), signal[number])
        assert axes.get_title(loc="left") == "xyz"[number]


def test_a_reference_stands_behind_and_is_named():
    signal, reference = RANDOM.normal(size=(2, 1, 20))
    axes = signal_figure(Signal(signal, reference=reference, reference_name="real\nsignal")).axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), reference[0])
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), signal[0])
    assert axes.get_title(loc="right") == "gray: real\\nsignal"


def test_of_many_channels_those_that_vary_most_are_shown_and_told():
    signal = RANDOM.normal(size=(20, 50)) * np.arange(1, 21)[:, None] ** 3
    figure = signal_figure(Signal(signal), subtitle="eeg.onnx")
    assert len(figure.axes) == 24
    assert [axes.get_title(loc="left") for axes in figure.axes[::2]] == [f"channel {n}" for n in range(8, 20)]
    assert figure.texts[0].get_text() == "eeg.onnx · 12 of 20 channels shown, those that vary most"


def test_long_signals_keep_their_extremes():
    signal = RANDOM.normal(size=50000) * 0.01
    signal[31234], signal[31236] = 7.0, -5.0
    (band,) = signal_figure(Signal(signal)).axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.max() == 7
    assert heights.min() == -5


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_shortest_signals_can_be_drawn(length):
    assert signal_chart(Signal(np.ones(length))).shape[2] == 3


def test_a_constant_can_be_drawn():
    assert signal_chart(Signal(np.zeros((2, 30)), units="$g$ \u202e"), "flat").shape[2] == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"values": np.zeros((1, 2, 3))}, r"shape \(1, 2, 3\) is no signal; \(channel, sample\) is"),
        ({"values": np.zeros((2, 0))}, "is no signal"),
        ({"values": [1.0, np.inf]}, "values that are not finite"),
        ({"values": [1.0, 2.0], "reference": [1.0]}, r"the reference has the shape \(1, 1\), the signal \(1, 2\)"),
        ({"values": [1.0, 2.0], "names": ["a", "b"]}, "2 names were given for 1 channels"),
        ({"values": [1.0, 2.0], "rate": 0}, "a rate of 0 samples per second is none"),
    ],
)
def test_what_does_not_fit_is_told(given, message):
    with pytest.raises(DataError, match=message):
        Signal(**given)
