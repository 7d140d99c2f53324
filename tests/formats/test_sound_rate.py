"""Sound at another rate: tones keep their frequency and amplitude, and tones above the new limit are removed."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.drawing.signal_chart import spectrum
from onnxviz.formats.sound_rate import resample


def tone(frequency: float, rate: int) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(rate) / rate)[None]


@pytest.mark.parametrize(("rate", "wanted"), [(8000, 16000), (44100, 16000), (16000, 8000), (8000, 11025)])
def test_a_tone_stays_what_it_is(rate, wanted) -> None:
    found = resample(tone(440, rate), rate, wanted)
    assert found.shape == (1, wanted)
    inner = slice(wanted // 10, -wanted // 10)
    np.testing.assert_allclose(found[0, inner], tone(440, wanted)[0, inner], atol=2e-3)


def test_a_tone_beyond_the_new_rate_is_gone() -> None:
    frequency, amplitude = spectrum(resample(tone(6000, 16000), 16000, 8000), 8000)
    assert amplitude.max() < 0.05
    assert frequency[-1] == 4000


def test_the_same_rate_changes_nothing() -> None:
    sound = np.random.default_rng(0).standard_normal((2, 99)).astype(np.float32)
    np.testing.assert_array_equal(resample(sound, 8000, 8000), sound)
