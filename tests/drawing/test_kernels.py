"""Kernels drawn as pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageColor

from onnxviz.drawing.colors import PALETTE
from onnxviz.drawing.kernels import curve, kernel_picture, planes
from onnxviz.drawing.pictures import diverging, enlarge
from onnxviz.errors import DataError

RANDOM = np.random.default_rng(0)


def test_color_kernels_are_gray_where_they_are_zero():
    kernel = RANDOM.uniform(-2, 2, (3, 5, 4))
    kernel[:, 0, 0] = 0
    kernel[:, 0, 1] = 2, -2, 0
    picture = kernel_picture(kernel, 2, "rgb")
    assert picture.shape == (5, 4, 3)
    assert picture[0, 0].tolist() == [128, 128, 128]
    assert picture[0, 1].tolist() == [255, 0, 128]
    np.testing.assert_array_equal(kernel_picture(kernel[::-1], 2, "bgr"), picture)


def test_a_single_plane_is_drawn_as_it_is():
    kernel = RANDOM.normal(size=(1, 5, 4))
    np.testing.assert_array_equal(kernel_picture(kernel, 2), diverging(kernel[0], 2))


@pytest.mark.parametrize(
    ("shape", "rows", "columns"), [((9, 3, 2), 3, 3), ((3, 3, 2), 2, 2), ((2, 4, 3, 2), 2, 4), ((1, 5, 3, 2), 1, 5)]
)
def test_planes_stand_side_by_side(shape, rows, columns):
    kernel = RANDOM.normal(size=shape)
    picture = kernel_picture(kernel, 2)
    flat = kernel.reshape(-1, 3, 2)
    assert picture.shape == (rows * 14 - 2, columns * 10 - 2, 3)
    for number, plane in enumerate(flat):
        top, left = number // columns * 14, number % columns * 10
        np.testing.assert_array_equal(picture[top : top + 12, left : left + 8], enlarge(diverging(plane, 2), 4))


def test_few_lines_are_curves_and_many_a_map():
    assert kernel_picture(RANDOM.normal(size=(4, 9)), 2).shape == (300, 480, 3)
    kernel = RANDOM.normal(size=(5, 9))
    np.testing.assert_array_equal(kernel_picture(kernel, 2), diverging(kernel, 2))


def test_a_curve_is_as_high_as_its_values():
    color = ImageColor.getrgb(PALETTE[0])
    heights = []
    for value in (-1.0, -0.5, 0.0, 0.5, 1.0):
        drawn = (curve(np.full((1, 50), value), 1.0) == color).all(axis=2)
        heights.append(np.nonzero(drawn)[0].mean())
    assert heights == sorted(heights, reverse=True)
    np.testing.assert_allclose(np.diff(heights), np.diff(heights)[0], atol=1.0)
    assert heights[2] == pytest.approx(150, abs=1)


def test_each_line_has_its_own_color():
    picture = curve(np.array([[0.5, 0.5], [-0.5, -0.5]]), 1.0)
    for color in PALETTE[:2]:
        assert (picture == ImageColor.getrgb(color)).all(axis=2).any()


def test_a_single_tap_is_a_dot():
    assert (curve(np.array([[0.5]]), 1.0) == ImageColor.getrgb(PALETTE[0])).all(axis=2).any()


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: kernel_picture(np.zeros(3), 1), r"a kernel of shape \(3,\) cannot be drawn"),
        (lambda: kernel_picture(np.zeros((1, 1, 1, 1, 1)), 1), "cannot be drawn"),
        (lambda: kernel_picture(np.zeros((3, 3, 3)), 0), "cannot be drawn up to 0; give the largest magnitude"),
        (lambda: kernel_picture(np.zeros((3, 3, 3)), np.nan), "cannot be drawn up to nan"),
        (lambda: kernel_picture(np.zeros((4, 3, 3)), 1, "rgb"), r"shape \(4, 3, 3\) has no rgb colors"),
        (lambda: kernel_picture(np.zeros((3, 3)), 1, "bgr"), r"shape \(3, 3\) has no bgr colors"),
        (lambda: kernel_picture(np.zeros((3, 3, 3)), 1, "gray"), "has no gray colors"),
        (lambda: planes(np.zeros((0, 3, 3)), 1, 1), r"shape \(0, 3, 3\) has no planes"),
        (lambda: curve(np.zeros((1, 0)), 1), r"shape \(1, 0\) has no curves"),
        (lambda: curve(np.array([[np.nan]]), 1), "has no curves"),
    ],
)
def test_what_cannot_be_drawn_is_told(draw, message):
    with pytest.raises(DataError, match=message):
        draw()


def test_a_kernel_over_clips_is_a_row_of_colored_frames():
    kernel = np.random.default_rng(0).uniform(-1, 1, (3, 2, 4, 5))
    whole = kernel_picture(kernel, 1.0, "rgb")
    frames = [kernel_picture(kernel[:, place], 1.0, "rgb") for place in range(2)]
    assert np.array_equal(whole[::4, :20:4], frames[0])
    assert np.array_equal(whole[::4, 22::4], frames[1])
