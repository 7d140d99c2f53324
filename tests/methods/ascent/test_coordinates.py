"""Few coordinates: they reach every input that they should, and each once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from onnxviz.methods.ascent.coordinates import Coordinates
from onnxviz.methods.ascent.fourier import Fourier
from onnxviz.methods.ascent.parameterizations import Direct
from onnxviz.methods.ascent.runs import Run

RUNS = [Run("y", 0), Run("y", 1)]
POINTS = np.random.default_rng(1).standard_normal((5, 300))


def picture(*shape: int, **options) -> Fourier:
    return Fourier.start(RUNS, shape, low=0.0, high=1.0, **options)


def held(found: Coordinates) -> tuple:
    return found.groups, found.signs, found.scale, found.text


@pytest.mark.parametrize("sizes", [(4, 4), (5, 5), (4, 5), (5, 4), (1, 6), (2, 2)])
def test_all_coefficients_of_a_picture_are_as_many_as_its_pixels_and_none_says_what_another_does(sizes) -> None:
    found = Coordinates.of(picture(2, *sizes), 0, most=10_000)
    pixels = 2 * sizes[0] * sizes[1]
    assert found.count == pixels
    moved = found.standardized(found.place(0.05 / found.scale * np.eye(pixels))).reshape(pixels, -1)
    assert np.linalg.matrix_rank(moved, tol=1e-4 * np.abs(moved).max()) == pixels


def test_the_lowest_frequencies_are_kept() -> None:
    found = Coordinates.of(picture(1, 16, 16), 0, most=9)
    inputs = found.place(POINTS[:, :9])
    assert found.count == 9
    power = np.abs(np.fft.fft2(inputs[:, 0] - inputs[:, 0].mean((1, 2), keepdims=True))) ** 2
    rings = np.hypot(np.fft.fftfreq(16)[:, None], np.fft.fftfreq(16)[None])
    # The sigmoid adds overtones, which are small.
    assert (power[:, rings <= 2**0.5 / 16 + 1e-9].sum(1) > 0.9 * power.sum((1, 2))).all()


@pytest.mark.parametrize(
    ("shape", "low"), [((3, 32, 32), 0.0), ((1, 8, 8), 0.0), ((3, 32, 32), None)], ids=["color", "small", "open"]
)
def test_a_step_fills_much_of_the_range_whatever_the_picture(shape, low) -> None:
    whole = Fourier.start(RUNS, shape, low=low, high=None if low is None else 255.0, std=2.0)
    found = Coordinates.of(whole, 0)
    deviation = found.standardized(found.place(POINTS[:, : found.count])).std()
    assert 0.1 < deviation < (0.3 if low is not None else 1)


def test_features_are_coordinates_as_they_are() -> None:
    box = Direct.box(RUNS, (3,), [0.0, -1.0, 5.0], [4.0, 1.0, 5.0])
    found = Coordinates.of(box, 0)
    inputs = found.place(np.array([[1.0, -1.0, 0.0], [9.0, -9.0, 9.0]]))
    # The unit is a quarter of the width. A value outside the box returns to its edge, and a feature with a single value stays.
    np.testing.assert_allclose(inputs, [[3.0, -0.5, 5.0], [4.0, -1.0, 5.0]])
    with torch.no_grad():
        started = found.place(np.stack([found.start(0), found.start(1)]))
        np.testing.assert_allclose(started, box.realize().numpy(), rtol=1e-6)


def test_a_large_array_moves_in_groups_that_together_reach_every_element() -> None:
    ball = Direct.ball(RUNS, (10, 101), radius=2.0)
    found, other = Coordinates.of(ball, 0, most=20), Coordinates.of(ball, 1, most=20)
    assert found.count == 20
    each = found.place(np.eye(20)).reshape(20, -1)
    assert ((each != 0).sum(0) == 1).all()
    np.testing.assert_allclose(np.linalg.norm(each, axis=1), 2.0, rtol=1e-5)
    assert not np.array_equal(found.groups, other.groups)
    # A start is projected to the coordinates: its projection has the same coordinates.
    again = Coordinates(replace(ball, variables=(torch.as_tensor(each.reshape(20, 10, 101)),)), *held(found))
    np.testing.assert_allclose([again.start(place) for place in range(20)], np.eye(20) * 2 / 50.5**0.5, atol=0.01)
