"""Pictures of samples and of their activations: thumbnails, histograms, overlays, traces, maps."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.drawing.heat_overlay import heat_overlay
from onnxviz.drawing.point_map import class_order, point_map
from onnxviz.drawing.thumbnails import framed, histogram, wave
from onnxviz.drawing.trace_chart import Traces, trace_figure
from onnxviz.errors import DataError

GRAY = np.full((16, 16, 3), 128, np.uint8)


def test_an_overlay_is_red_above_zero_blue_below_and_leaves_zero_alone() -> None:
    values = np.array([[1.0, 0.0], [0.0, -1.0]])
    drawn = heat_overlay(GRAY, values).astype(int)
    size = len(drawn)
    high, low, none = drawn[2, 2], drawn[-3, -3], drawn[2, -3]
    assert high[0] > high[2] + 60
    assert low[2] > low[0] + 60
    assert len(set(none)) == 1
    np.testing.assert_array_equal(heat_overlay(GRAY, np.zeros((2, 2)))[0, 0], none)
    assert size >= 224


def test_the_place_of_the_maximum_is_the_most_colored() -> None:
    values = np.zeros((7, 7))
    values[5, 1] = 3
    drawn = heat_overlay(np.random.default_rng(0).integers(0, 255, (28, 28, 3)).astype(np.uint8), values).astype(int)
    row, column = np.unravel_index((drawn[:, :, 0] - drawn[:, :, 2]).argmax(), drawn.shape[:2])
    assert (row * 7 // len(drawn), column * 7 // len(drawn)) == (5, 1)
    with pytest.raises(DataError):
        heat_overlay(GRAY, np.zeros(3))


def test_a_frame_stands_around_its_part() -> None:
    drawn = framed(GRAY, slice(4, 12), slice(8, 16)).astype(int)
    factor = len(drawn) // 16
    touched = (drawn != 128).any(axis=2)
    rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
    assert abs(rows[0] - 4 * factor) <= 4
    assert abs(rows[-1] - 12 * factor) <= 4
    assert abs(columns[0] - 8 * factor) <= 4
    assert columns[-1] == len(drawn) - 1
    assert not touched[6 * factor : 10 * factor, 10 * factor : 14 * factor].any()


def test_a_louder_wave_is_drawn_higher_and_a_window_is_marked() -> None:
    tone = np.sin(np.linspace(0, 60, 2000))[None]

    def height(picture) -> int:
        return int(np.ptp(np.flatnonzero((picture != 255).any(axis=2)[:, 20:60].any(axis=1))))

    assert height(wave(tone, 1.0)) > 3 * height(wave(tone, 5.0))
    assert (wave(tone, 1.0, slice(0, 500)) != wave(tone, 1.0)).any()
    for bad in (np.zeros((1, 0)), np.array([[np.nan]])):
        with pytest.raises(DataError):
            wave(bad, 1.0)


def test_bars_of_a_histogram_are_as_high_as_their_counts() -> None:
    picture = histogram([4, 0, 2, 0], 0.0, 1.0).astype(int)
    blue = (picture[:, :, 2] - picture[:, :, 0]) > 100
    width = picture.shape[1]
    tall = [blue[:, round(width * (0.05 + 0.9 * (bar + 0.5) / 4))].sum() for bar in range(4)]
    assert tall[0] == pytest.approx(2 * tall[2], abs=3)
    assert tall[1] == tall[3] == 0


def test_traces_are_spread_over_the_whole_signal() -> None:
    figure = trace_figure(Traces(np.ones((2, 10)), ["a", "b"], np.zeros((1, 1000)), rate=8000))
    over, *traces = figure.axes
    assert over.get_xlim() == (0, 125)
    for axes in traces:
        places = axes.lines[-1].get_xdata()
        np.testing.assert_allclose(places, (np.arange(10) + 0.5) * 12.5)
    with pytest.raises(DataError, match="1 to 16"):
        Traces(np.ones((17, 3)), ["x"] * 17)
    with pytest.raises(DataError, match="not finite"):
        Traces(np.full((1, 3), np.inf), ["x"])


def test_thumbnails_of_a_map_never_cover_one_another() -> None:
    random = np.random.default_rng(0)
    color = np.zeros((8, 8, 3), np.uint8)
    color[:] = (1, 254, 3)
    points = np.concatenate([random.standard_normal((60, 2)), [[9, 9]]])
    picture = point_map(points, [""] * 61, [color] * 61)
    mask = (picture == (1, 254, 3)).all(axis=2)
    shown = 0
    while mask.any():
        top, left = np.unravel_index(int(mask.argmax()), mask.shape)
        wide = int(np.argmin(np.append(mask[top, left:], False)))
        high = int(np.argmin(np.append(mask[top:, left], False)))
        assert wide == high
        assert mask[top : top + high, left : left + wide].all()
        mask[top : top + high, left : left + wide] = False
        shown += 1
    assert 2 <= shown <= 61


def test_samples_at_one_place_are_counted() -> None:
    once, twice = (point_map([[0, 0], [1, 1], *[[1, 1]] * more], [""] * (2 + more)) for more in (0, 3))
    assert (once != twice).any()
    places = np.argwhere((once != twice).any(axis=2))
    assert places[:, 0].min() > 174
    assert len(places) < 2000


def test_a_map_keeps_directions_and_lists_its_classes() -> None:
    assert class_order(["b", "a", "b", ""]) == ("b", "a")
    plain = point_map([[0, 0], [1, 1]], ["", ""])
    named = point_map([[0, 0], [1, 1]], ["a", "b"])
    assert named.shape[1] > plain.shape[1]
    field = (plain[178:1970, 68:1860] != 255).any(axis=2)
    rows, columns = np.nonzero(field)
    upper = columns[rows < rows.mean()]
    assert upper.min() > columns.mean()  # points with larger values in both axes lie above and to the right
    with pytest.raises(DataError):
        point_map([[0, np.nan]], [""])
    with pytest.raises(DataError):
        point_map([[0, 0]], [])
