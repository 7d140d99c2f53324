"""Arrays drawn as pictures: the meaning of the colors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from onnxviz.drawing.pictures import NO_NUMBER, diverging, enlarge, save_picture, sequential, to_rgb
from onnxviz.errors import DataError

planes = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=5),
    elements=st.floats(-1e6, 1e6),
)


def linear(picture):
    """Undo the encoding of sRGB (IEC 61966-2-1)."""
    encoded = np.asarray(picture, dtype=np.float64) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def lightness(picture):
    """Measure lightness as in CIELAB, 0 to 100."""
    luminance = linear(picture) @ [0.2126, 0.7152, 0.0722]
    return np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)


def test_zero_is_white_and_the_limits_are_the_ends():
    picture = diverging(np.array([[-3.0, -2.0, 0.0, 2.0, 3.0]]), 2.0)[0]
    assert picture[2].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(picture[0], picture[1])
    np.testing.assert_array_equal(picture[3], picture[4])
    blue, red = picture[1].astype(int), picture[3].astype(int)
    assert blue[2] > 2 * blue[0]
    assert red[0] > 2 * red[2]


@given(planes, st.floats(0.001, 1000))
def test_equal_distances_from_zero_are_equally_light(array, limit):
    np.testing.assert_allclose(lightness(diverging(array, limit)), lightness(diverging(-array, limit)), atol=5)


def test_farther_from_zero_is_darker_and_never_the_same_on_both_sides():
    ramp = np.linspace(0, 1, 64)[None]
    for sign in (1, -1):
        assert (np.diff(lightness(diverging(sign * ramp, 1))[0]) < 0).all()


def test_the_two_sides_differ_for_every_kind_of_color_blindness():
    # Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB: protanopia, deuteranopia, tritanopia.
    kinds = [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
    values = np.linspace(0.3, 0.8, 11)[None]
    positive, negative = linear(diverging(values, 1)), linear(diverging(-values, 1))
    for kind in kinds:
        seen = (np.clip(part @ np.transpose(kind), 0, 1) ** (1 / 2.2) for part in (positive, negative))
        first, second = seen
        assert np.abs(first - second).max(axis=2).min() > 0.15


@given(planes)
def test_the_default_limit_is_the_largest_magnitude(array):
    limit = np.abs(array).max()
    if limit:
        np.testing.assert_array_equal(diverging(array), diverging(array, limit))
    else:
        assert (diverging(array) == 255).all()


@given(planes, st.floats(0.1, 1e3))
def test_scaling_values_and_limit_alike_changes_nothing(array, factor):
    assert np.abs(diverging(array, 7).astype(int) - diverging(array * factor, 7 * factor)).max() <= 3


def test_magnitudes_grow_lighter_and_ends_are_clipped():
    ramp = np.linspace(-1, 5, 64)[None]
    assert (np.diff(lightness(sequential(ramp))[0]) > 0).all()
    np.testing.assert_array_equal(sequential(ramp), sequential(ramp, -1, 5))
    np.testing.assert_array_equal(sequential(ramp * 100, -1, 5)[0, [0, -1]], sequential(ramp)[0, [0, -1]])


def test_steps_of_the_sequential_scale_look_equal():
    steps = np.diff(lightness(sequential(np.linspace(0, 1, 11)[None]))[0])
    assert steps.max() < 2 * steps.min()


@pytest.mark.parametrize("draw", [diverging, sequential])
def test_a_constant_is_one_color(draw):
    assert len(np.unique(draw(np.full((3, 4), 2.0)).reshape(-1, 3), axis=0)) == 1
    assert draw(np.zeros((2, 3))).shape == (2, 3, 3)


@pytest.mark.parametrize("draw", [diverging, sequential, lambda array: to_rgb(array, 0, 1)])
def test_what_is_no_number_is_gray_and_spoils_nothing(draw):
    array = np.array([[0.25, np.nan, 1.0]])
    picture = draw(array)[0]
    assert tuple(picture[1]) == NO_NUMBER
    np.testing.assert_array_equal(picture[[0, 2]], draw(array[:, [0, 2]])[0])
    assert (draw(np.full((2, 2), np.nan)) == NO_NUMBER).all()


def test_infinite_values_are_at_the_ends():
    np.testing.assert_array_equal(diverging(np.array([[-np.inf, np.inf]]), 1), diverging(np.array([[-1, 1]]), 1))
    np.testing.assert_array_equal(diverging(np.array([[np.inf, 2.0]])), diverging(np.array([[2.0, 2.0]])))
    np.testing.assert_array_equal(
        sequential(np.array([[-np.inf, 0, 1.0]]))[0, 0], sequential(np.array([[0, 1.0]]))[0, 0]
    )


@given(hnp.arrays(np.uint8, (3, 4, 3)), st.floats(-100, 100), st.floats(0.1, 100))
def test_colors_in_the_models_units_come_back(picture, low, width):
    array = low + picture / 255 * width
    np.testing.assert_array_equal(to_rgb(array, low, low + width), picture)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1)])
def test_one_channel_is_gray(shape):
    picture = to_rgb(np.linspace(0, 1, 20).reshape(shape), 0, 1)
    assert picture.shape == (4, 5, 3)
    np.testing.assert_array_equal(picture[:, :, 0], picture[:, :, 2])


def test_values_beyond_the_range_are_clipped():
    np.testing.assert_array_equal(to_rgb(np.array([[-9.0, 9.0]]), -1, 1)[0, :, 0], [0, 255])


@given(hnp.arrays(np.uint8, (2, 3, 3)), st.integers(1, 5))
def test_enlarging_makes_squares(picture, factor):
    large = enlarge(picture, factor)
    assert large.shape == (2 * factor, 3 * factor, 3)
    for row in range(factor):
        for column in range(factor):
            np.testing.assert_array_equal(large[row::factor, column::factor], picture)


def test_a_saved_picture_is_the_picture(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    save_picture(tmp_path / "a.png", picture[:, ::-1])
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), picture[:, ::-1])
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: to_rgb(np.zeros((4, 5, 2)), 0, 1), r"shape \(4, 5, 2\) cannot be drawn in colors"),
        (lambda: to_rgb(np.zeros(4), 0, 1), r"shape \(4,\) cannot be drawn in colors"),
        (lambda: to_rgb(np.zeros((4, 5)), 1, 1), "cannot reach from 1 to 1; the first must be the smaller one"),
        (lambda: to_rgb(np.zeros((4, 5)), 0, np.inf), "cannot reach from 0 to inf"),
        (lambda: diverging(np.zeros(3)), r"shape \(3,\) is no plane; give \(height, width\)"),
        (lambda: diverging(np.zeros((2, 2)), -1), "cannot reach from 1 to -1; give a finite limit above zero"),
        (lambda: diverging(np.zeros((2, 2)), np.nan), "cannot reach from nan to nan"),
        (lambda: sequential(np.zeros((2, 2, 2))), "is no plane"),
        (lambda: sequential(np.zeros((2, 2)), 2, 1), "cannot reach from 2.* to 1"),
        (lambda: enlarge(np.zeros((2, 2, 3), np.uint8), 0), "cannot be enlarged 0 times"),
    ],
)
def test_what_cannot_be_drawn_is_told(draw, message):
    with pytest.raises(DataError, match=message):
        draw()
