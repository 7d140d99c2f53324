"""Pictures of attributions: what zero, signs and clipping look like, and that every kind is drawn or refused."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.drawing.attribution_bars import attribution_bars
from onnxviz.drawing.attribution_maps import attribution_maps, plane_picture
from onnxviz.drawing.attribution_panels import Curves, Panel, overlay
from onnxviz.drawing.attribution_tokens import attribution_tokens
from onnxviz.drawing.attribution_waves import attribution_waves, spectrogram
from onnxviz.errors import DataError

CURVES = Curves((0, 0.5, 1), (3, 2, 1), (1, 2, 3), (3, 2, 1), (1, 2, 3), ("inserted: 0.50", "deleted: 0.50"))
PHOTO = np.random.default_rng(0).integers(0, 255, (9, 12, 3), np.uint8)


def panel(*shape: int, signed: bool = True) -> Panel:
    values = np.random.default_rng(1).standard_normal(shape)
    return Panel("method", values if signed else np.abs(values), signed, "score", CURVES)


def test_zero_leaves_the_input_in_gray() -> None:
    for signed in (True, False):
        found = overlay(PHOTO, np.zeros((9, 12)), signed, 1.0)
        assert np.ptp(found.astype(int), axis=2).max() == 0
    order = np.argsort(overlay(PHOTO, np.zeros((9, 12)), True, 1.0)[:, :, 0], axis=None, kind="stable")
    luma = (PHOTO @ np.array([0.299, 0.587, 0.114])).reshape(-1)[order]
    assert (np.diff(luma) > -4).all()  # the picture has fewer than 256 shades


def test_above_zero_is_red_below_is_blue_and_stronger_is_more_colorful() -> None:
    gray = np.full((1, 5, 3), 128, np.uint8)
    found = overlay(gray, np.array([[-1.0, -0.2, 0.0, 0.2, 1.0]]), True, 1.0).astype(int)
    red_over_blue = found[0, :, 0] - found[0, :, 2]
    assert (np.diff(red_over_blue) > 0).all()
    assert red_over_blue[2] == 0


def test_what_is_beyond_the_limit_is_clipped_and_no_limit_shows_nothing() -> None:
    gray = np.full((1, 2, 3), 128, np.uint8)
    clipped = overlay(gray, np.array([[1.0, 9.0]]), True, 1.0)
    np.testing.assert_array_equal(clipped[0, 0], clipped[0, 1])
    np.testing.assert_array_equal(
        overlay(gray, np.array([[0.0, 0.0]]), True, 0.0)[0, 0],
        [overlay(gray, np.zeros((1, 2)), False, 0.0)[0, 0, 0]] * 3,
    )


def test_one_bright_place_does_not_set_the_limit_and_a_single_one_does() -> None:
    values = np.ones(1000)
    values[3] = 1e6
    assert Panel("m", values, True, "").limit == pytest.approx(1)
    values[:] = 0
    values[3] = 5
    assert Panel("m", values, True, "").limit == 5
    assert Panel("m", np.zeros(4), True, "").limit == 0


@pytest.mark.parametrize("count", [1, 2, 9])
def test_maps_are_drawn(count: int) -> None:
    found = attribution_maps(
        PHOTO, [panel(9, 12, signed=bool(place % 2)) for place in range(count)], "title", "subtitle"
    )
    assert found.dtype == np.uint8
    assert found.shape[2] == 3
    assert len(np.unique(found.reshape(-1, 3), axis=0)) > 100
    plane = plane_picture(np.random.default_rng(0).standard_normal((9, 12)))
    assert attribution_maps(plane, [panel(9, 12)], axes=("row", "column")).size


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(DataError, match="does not fit"):
        attribution_maps(PHOTO, [panel(9, 9)])


@pytest.mark.parametrize("count", [1, 5, 300])
def test_bars_are_drawn_and_bounded(count: int) -> None:
    names = [f"feature {place}" for place in range(count)]
    found = attribution_bars(
        np.ones(count), np.zeros(count), [panel(count), panel(count)], names, "title", "of a table"
    )
    assert found.shape[0] < 2400
    with pytest.raises(DataError, match="needs a name"):
        attribution_bars(np.ones(count), np.zeros(count), [panel(count)], [*names, "one more"])


@pytest.mark.parametrize(("samples", "rate"), [(1, None), (28, None), (600, 8000.0), (24000, 16000.0)])
def test_waves_are_drawn(samples: int, rate) -> None:
    signal = np.sin(np.arange(samples) / 3)[None]
    found = attribution_waves(signal, [panel(samples), panel(samples, signed=False)], rate, "title")
    assert found.shape[1] == 1800
    with pytest.raises(DataError, match="samples"):
        attribution_waves(signal, [panel(samples + 1)])


def test_a_spectrogram_shows_a_tone_at_its_frequency() -> None:
    tone = np.sin(2 * np.pi * 0.25 * np.arange(4000))
    found = spectrogram(tone)
    peaks = found[:, 2:-2].argmax(0) / (len(found) - 1) / 2
    np.testing.assert_allclose(peaks, 0.25, atol=0.02)
    assert np.isfinite(spectrogram(np.zeros(600))).all()


@pytest.mark.parametrize(("count", "name"), [(1, "a"), (30, "word"), (1536, "x"), (3000, "longer")])
def test_tokens_are_drawn(count: int, name: str) -> None:
    found = attribution_tokens([name] * count, [panel(count)], "title")
    assert found.shape[0] < 4000
    with pytest.raises(DataError, match="tokens"):
        attribution_tokens([name] * count, [panel(count + 1)])
