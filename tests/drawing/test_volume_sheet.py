"""A volume's slices: each is shown once, and all share one scale."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.drawing import volume_sheet as module
from onnxviz.drawing.pictures import diverging
from onnxviz.drawing.volume_sheet import MOST, volume_sheet
from onnxviz.errors import DataError


@pytest.fixture
def sheets(monkeypatch) -> list[module.Sheet]:
    """Keep every sheet that is drawn."""
    kept: list[module.Sheet] = []
    draw = module.Sheet.draw
    monkeypatch.setattr(module.Sheet, "draw", lambda sheet: kept.append(sheet) or draw(sheet))
    return kept


def test_every_slice_of_every_channel_in_one_scale(sheets) -> None:
    volume = np.random.default_rng(0).standard_normal((2, 3, 5, 4)) + 7
    assert volume_sheet(volume, "y[2]").shape[2] == 3
    (sheet,) = sheets
    assert [tile.caption for tile in sheet.tiles] == ["depth 0", "depth 1", "depth 2"] * 2
    assert [tile.section for tile in sheet.tiles] == ["channel 0"] * 3 + ["channel 1"] * 3
    middle = np.median(volume)
    largest = np.abs(volume - middle).max()
    for tile, plane in zip(sheet.tiles, volume.reshape(6, 5, 4), strict=True):
        np.testing.assert_array_equal(tile.picture, diverging(plane - middle, largest))
    assert sheet.bar is not None
    assert sheet.bar.high == pytest.approx(largest)


def test_of_a_deep_volume_slices_evenly_spaced_are_shown_and_told(sheets) -> None:
    volume_sheet(np.random.default_rng(0).standard_normal((1, 200, 6, 6)))
    (sheet,) = sheets
    places = [int(tile.caption.split()[1]) for tile in sheet.tiles]
    assert len(places) == MOST
    assert (places[0], places[-1]) == (0, 199)
    assert np.ptp(np.diff(places)) <= 1
    assert f"{MOST} of 200 slices" in sheet.note


def test_a_constant_volume_can_be_drawn() -> None:
    assert volume_sheet(np.full((1, 2, 3, 3), 5.0)).shape[2] == 3


@pytest.mark.parametrize("volume", [np.ones((3, 4, 5)), np.ones((1, 0, 2, 2)), np.full((1, 1, 2, 2), np.nan)])
def test_what_is_no_volume_is_refused(volume: np.ndarray) -> None:
    with pytest.raises(DataError, match="is no volume of finite numbers"):
        volume_sheet(volume)
