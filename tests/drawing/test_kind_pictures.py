"""The pictures of clips, point clouds and letters: what they show can be measured in their pixels."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.drawing.colors import GREEN, VERMILION
from onnxviz.drawing.film_strip import joined, save_animation, strip
from onnxviz.drawing.point_cloud import Cloud, cloud_tile, point_cloud
from onnxviz.drawing.sequence_logo import Logo, logo_tile, sequence_logo
from onnxviz.errors import DataError


def color(text: str) -> np.ndarray:
    return np.array([int(text[place : place + 2], 16) for place in (1, 3, 5)])


def area(picture: np.ndarray, text: str) -> int:
    """Return the number of pixels of a color."""
    return int((np.abs(picture.astype(int) - color(text)).max(axis=2) < 30).sum())


def test_a_letter_of_twice_the_value_is_twice_as_tall() -> None:
    tile = logo_tile(np.array([[2.0, 0, 0, 0], [0, 0, 0, 1.0]]), "ACGT")
    rows_a, rows_t = (
        np.flatnonzero((np.abs(tile.astype(int) - color(one)).max(2) < 30).any(1)) for one in (GREEN, VERMILION)
    )
    assert np.ptp(rows_a) + 1 == pytest.approx(2 * (np.ptp(rows_t) + 1), abs=4)
    assert rows_a.max() == pytest.approx(rows_t.max(), abs=2)


def test_values_below_zero_hang_from_the_line() -> None:
    tile = logo_tile(np.array([[1.0, 0, 0, -1.0]]), "ACGT")
    half = len(tile) // 2
    assert area(tile[:half], GREEN) > 0 == area(tile[half + 3 :], GREEN)
    assert area(tile[half:], VERMILION) > 0 == area(tile[: half - 3], VERMILION)


def test_a_long_sequence_takes_more_lines() -> None:
    short, long = (
        sequence_logo([Logo(np.tile([1.0, 0, 0, 0], (count, 1)), "ACGT", "A" * count)]) for count in (60, 120)
    )
    assert long.shape[1] == short.shape[1]
    assert long.shape[0] > short.shape[0]
    assert area(long, GREEN) == pytest.approx(2 * area(short, GREEN), rel=0.1)


@pytest.mark.parametrize(
    "logo", [Logo(np.zeros((0, 4)), "ACGT"), Logo(np.zeros((2, 3)), "ACGT"), Logo(np.zeros((2, 4)), "ACGT", "A")]
)
def test_values_and_letters_must_fit(logo: Logo) -> None:
    with pytest.raises(DataError, match="do not fit"):
        sequence_logo([logo])


def test_a_strip_holds_its_frames_pixel_by_pixel() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
    whole = strip(frames)
    columns = round((whole.shape[1] + 2) / 10)
    for number, frame in enumerate(frames):
        row, column = divmod(number, columns)
        assert np.array_equal(whole[row * 10 : row * 10 + 8, column * 10 : column * 10 + 8], frame)


def test_values_are_joined_as_their_frames_are() -> None:
    frames = np.random.default_rng(0).random((5, 6, 9))
    pictures = np.repeat(frames[..., None], 3, axis=3)
    assert np.array_equal(joined(list(frames), 0.0), joined(list(pictures), 0.0)[..., 0])


def test_an_animation_repeats_every_frame(tmp_path) -> None:
    from onnxviz.formats.clips import read_clip

    frames = np.random.default_rng(0).integers(0, 256, (4, 128, 128, 3)).astype(np.uint8)
    save_animation(tmp_path / "a.png", list(frames))
    found, _ = read_clip(tmp_path / "a.png")
    assert np.array_equal(found[:, ::2, ::2], frames)


def test_near_points_are_drawn_over_far_points() -> None:
    # Two clouds that differ in the order of their points alone look the same.
    points = np.random.default_rng(0).standard_normal((64, 3))
    assert np.array_equal(cloud_tile(points), cloud_tile(points[::-1]))
    assert np.array_equal(point_cloud([Cloud(points)]), point_cloud([Cloud(points[::-1])]))


def test_every_point_of_a_tile_has_its_color() -> None:
    points = np.array([[-1.0, 0, 0], [1.0, 0, 0]])
    tile = cloud_tile(points, np.array([[255, 0, 0], [0, 0, 255]], np.uint8))
    red, blue = (np.argwhere((tile == one).all(2)).mean(0) for one in ([255, 0, 0], [0, 0, 255]))
    assert red[1] < blue[1]


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.zeros((4, 2)), np.full((4, 3), np.nan)])
def test_what_is_no_cloud_is_refused(points: np.ndarray) -> None:
    with pytest.raises(DataError, match="no cloud of finite points"):
        point_cloud([Cloud(points)])
