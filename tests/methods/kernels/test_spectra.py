"""Measures of kernels: closed forms and invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxviz.methods.kernels.spectra import measure

BOX = np.ones((1, 4, 4))
STEP = np.array([[[0.0, 0, 0, 0], [0, -1, 1, 0], [0, -1, 1, 0], [0, 0, 0, 0]]])


def wave(size: int, frequency: float, phase: float = 0.0) -> np.ndarray:
    return np.cos(2 * math.pi * frequency * (np.arange(size) - (size - 1) / 2) + phase)[None]


def test_a_constant_is_constant_and_passes_at_zero():
    shape = measure(BOX)
    assert shape.constant == pytest.approx(1)
    assert shape.gain_at_zero == pytest.approx(1)
    assert shape.gain_at_half == pytest.approx(0, abs=1e-12)
    assert shape.radial == pytest.approx(1)


def test_constant_share_is_that_of_the_mean():
    kernel = np.array([[1.0, 2.0, 3.0, 6.0]])
    assert measure(kernel).constant == pytest.approx(4 * 3**2 / 50)


@pytest.mark.parametrize("size", [31, 32])
@pytest.mark.parametrize("phase", [0, 0.3, math.pi / 4, 1.2, math.pi / 2])
def test_symmetry_of_a_packet_is_the_cosine_of_twice_its_phase(size, phase):
    places = np.arange(size) - (size - 1) / 2
    packet = np.exp(-(places**2) / 32) * wave(size, 0.25, phase)
    assert measure(packet).symmetry == pytest.approx(math.cos(2 * phase), abs=1e-3)


def test_the_center_may_lie_between_pixels():
    assert measure(np.array([[0.0, 0, 0, -1, 1]])).symmetry == pytest.approx(-1)
    assert measure(STEP).symmetry == pytest.approx(-1)
    assert measure(np.array([[0.0, 0, 1, -1, -1, 1]])).symmetry == pytest.approx(1)


def test_periods_are_counted_over_the_kernel():
    shape = measure(wave(24, 3 / 24))
    assert shape.frequency == pytest.approx(3 / 24, rel=0.02)
    assert shape.cycles == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_direction_in_a_volume(axis):
    kernel = np.moveaxis(np.zeros((4, 4, 4)) + wave(4, 0.25, 1.0)[0], 2, axis)
    shape = measure(kernel[None])
    assert abs(shape.normal[axis]) == pytest.approx(1)
    assert shape.anisotropy > 0.5


def test_a_cross_has_no_direction_but_a_center():
    cross = np.zeros((1, 5, 5))
    cross[0, 2, :] = cross[0, :, 2] = 1
    shape = measure(cross)
    assert shape.anisotropy == pytest.approx(0, abs=1e-9)
    assert shape.center > 0


def test_an_alternating_kernel_passes_at_one_half():
    shape = measure(np.array([[1.0, -1, 1, -1]]))
    assert shape.gain_at_half == pytest.approx(1)
    assert shape.gain_at_zero == pytest.approx(0, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), channels=st.integers(1, 3), down=st.integers(0, 3), right=st.integers(0, 3))
def test_measures_of_position_free_kernels_do_not_depend_on_their_place(seed, channels, down, right):
    kernel = np.random.default_rng(seed).standard_normal((channels, 4, 4))
    kernel -= kernel.mean(axis=(1, 2), keepdims=True)  # of zero mean, a frame of zeros adds nothing
    framed = np.zeros((channels, 7, 7))
    framed[:, down : down + 4, right : right + 4] = kernel
    # The spectra are the same, sampled on the same grid.
    here, there = measure(np.pad(kernel, ((0, 0), (0, 3), (0, 3)))), measure(framed)
    for name in ("gain_at_zero", "passband", "frequency", "bandwidth", "anisotropy", "cycles", "symmetry"):
        assert getattr(there, name) == pytest.approx(getattr(here, name), abs=1e-6), name


def test_neighbors_of_noise_do_not_correlate():
    rough = measure(np.random.default_rng(0).standard_normal((8, 15, 15))).smoothness
    smooth = measure(np.cumsum(np.random.default_rng(0).standard_normal((8, 15, 15)), 1)).smoothness
    assert abs(rough) < 0.1
    assert smooth > 0.25
