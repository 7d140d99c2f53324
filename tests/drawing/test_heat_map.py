"""The chart of a two-dimensional input that is no picture."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.drawing.heat_map import Plane, heat_figure, heat_map
from onnxviz.errors import DataError

RANDOM = np.random.default_rng(0)


def drawn(figure):
    (image,) = figure.axes[0].images
    return image


def test_values_are_drawn_as_they_are():
    array = RANDOM.normal(size=(4, 6))
    np.testing.assert_array_equal(np.asarray(drawn(heat_figure(Plane(array))).get_array()), array)


@pytest.mark.parametrize(
    ("array", "scale", "limits", "expected"),
    [
        ([[-1.0, 3.0]], None, None, (-3, 3)),
        ([[1.0, 3.0]], None, None, (1, 3)),
        ([[1.0, 3.0]], "diverging", None, (-3, 3)),
        ([[-1.0, 3.0]], "sequential", None, (-1, 3)),
        ([[-1.0, 3.0]], None, (-8.0, 2.0), (-8, 8)),
        ([[2.0, 2.0]], None, None, (1.5, 2.5)),
        ([[np.nan, 1.0, 3.0]], None, None, (1, 3)),
    ],
)
def test_the_scale_follows_the_values(array, scale, limits, expected):
    image = drawn(heat_figure(Plane(array, scale=scale, limits=limits)))
    assert (image.norm.vmin, image.norm.vmax) == expected


def test_zero_is_white_on_a_diverging_scale():
    image = drawn(heat_figure(Plane([[-2.0, 0.0, 2.0]])))
    np.testing.assert_array_equal(image.to_rgba(0.0, bytes=True)[:3], 255)


@pytest.mark.parametrize("upward", [False, True])
def test_cells_are_centered_on_their_places(upward):
    figure = heat_figure(Plane(np.zeros((3, 5)), row_range=(100, 300), column_range=(0, 1), upward=upward))
    left, right, bottom, top = drawn(figure).get_extent()
    assert (left, right) == (-0.125, 1.125)
    assert (bottom, top) == ((50, 350) if upward else (350, 50))


def test_rows_can_have_names_and_axes_units():
    figure = heat_figure(Plane(np.eye(2), rows="sensor", columns="time (s)", row_names=["x\n", "y"], label="g"))
    axes, bar = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x\\n", "y"]
    assert (axes.get_xlabel(), axes.get_ylabel(), bar.get_ylabel()) == ("time (s)", "sensor", "g")


def test_too_many_names_give_way_to_numbers():
    figure = heat_figure(Plane(np.zeros((41, 2)), row_names=[f"row{n}" for n in range(41)]))
    assert "row0" not in [label.get_text() for label in figure.axes[0].get_yticklabels()]


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (300, 1), (128, 3000)])
def test_every_size_can_be_drawn(shape):
    assert heat_map(Plane(RANDOM.normal(size=shape)), "t", "s").shape[2] == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"values": np.zeros(3)}, r"shape \(3,\) cannot be drawn"),
        ({"values": np.full((2, 2), np.nan)}, "with some finite values"),
        ({"values": np.zeros((2, 2)), "row_names": ["a"]}, "1 names were given for 2 rows"),
        ({"values": np.zeros((2, 2)), "limits": (2, 1)}, "cannot reach from 2 to 1; give finite limits"),
        ({"values": np.zeros((2, 2)), "limits": (0, np.inf)}, "cannot reach from 0 to inf"),
    ],
)
def test_what_does_not_fit_is_told(given, message):
    with pytest.raises(DataError, match=message):
        Plane(**given)


def test_columns_can_have_names():
    figure = heat_figure(Plane(np.eye(2), column_names=["#7: 1", "#3: 0"]))
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["#7: 1", "#3: 0"]
    with pytest.raises(DataError, match="3 names were given for 2 columns"):
        Plane(np.eye(2), column_names=["a", "b", "c"])


def test_ticks_of_counted_cells_are_whole_numbers():
    figure = heat_figure(Plane(np.zeros((3, 4))))
    axes = figure.axes[0]
    for places in (axes.get_xticks(), axes.get_yticks()):
        np.testing.assert_array_equal(places, np.round(places))
