"""The same texture at another place is the same finding; random inputs and other textures are not."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.methods.ascent.consistency import consistency
from onnxviz.methods.evidence.resemblance import resemblance

RNG = np.random.default_rng(0)
KERNELS = RNG.standard_normal((24, 5))


def answers(signals: np.ndarray) -> np.ndarray:
    """Return the mean rectified answers of 24 kernels that slide around a ring: (signal, kernel)."""
    spectra = np.fft.rfft(signals, axis=1)[:, None] * np.fft.rfft(KERNELS, signals.shape[1], axis=1)
    return np.maximum(np.fft.irfft(spectra, signals.shape[1], axis=2), 0).mean(2)


def test_shifted_copies_are_one_finding_though_no_place_agrees() -> None:
    texture = RNG.standard_normal(256)
    found = np.stack([np.roll(texture, 40 * place) for place in range(5)])
    seen = resemblance(["relu"], np.ones(5), answers(found), answers(RNG.standard_normal((32, 256))))
    assert seen is not None
    assert seen.agreed.cosine_min == pytest.approx(1)
    assert seen.agreed.agreeing == 5
    assert "5 of 5 alike to the 24 channels of relu, cosine 1.00" in seen.statement
    assert consistency(np.ones(5), found).agreeing == 1


def test_random_inputs_are_not_alike() -> None:
    signals = RNG.standard_normal((200, 256))
    seen = resemblance(["relu"], np.ones(40), answers(signals[:40]), answers(signals[40:]))
    assert seen is not None
    assert abs(seen.agreed.cosine_mean) < 0.1
    assert seen.agreed.clusters > 20


def test_two_textures_are_two_findings() -> None:
    places = np.arange(256)
    low, high = (np.cos(2 * np.pi * places * count / 256) for count in (8, 96))
    found = np.stack([low, np.roll(low, 7), high, np.roll(high, 3), np.roll(high, 5)])
    seen = resemblance(["relu"], [5, 4, 3, 2, 1], answers(found), answers(RNG.standard_normal((32, 256))))
    assert seen is not None
    assert (seen.agreed.clusters, seen.agreed.agreeing) == (2, 2)


def test_scales_of_channels_and_one_that_rests_do_not_matter() -> None:
    found, random = answers(RNG.standard_normal((4, 256))), answers(RNG.standard_normal((32, 256)))
    scale = np.exp(RNG.standard_normal(24))
    plain, scaled = (resemblance(["relu"], np.ones(4), found * one, random * one) for one in (1.0, scale))
    assert plain is not None
    assert scaled is not None
    assert plain.agreed.cosine_mean == pytest.approx(scaled.agreed.cosine_mean, abs=0.1)
    resting = [np.column_stack([part, np.zeros(len(part))]) for part in (found, random)]
    other = resemblance(["relu"], np.ones(4), *resting)
    assert other is not None
    assert other.agreed.cosine_mean == pytest.approx(plain.agreed.cosine_mean)


@pytest.mark.parametrize(("restarts", "channels", "varies"), [(1, 9, 1), (4, 2, 1), (4, 9, 0)])
def test_what_cannot_tell_is_left_out(restarts: int, channels: int, varies: int) -> None:
    random = varies * RNG.standard_normal((8, channels))
    assert resemblance(["relu"], np.ones(restarts), RNG.standard_normal((restarts, channels)), random) is None
