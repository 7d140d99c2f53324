"""Baselines: the quantities that means and blurs preserve."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.errors import UsageError
from onnxviz.methods.attribution.baselines import blurred_baseline, mean_baseline
from onnxviz.methods.attribution.places import Places

PICTURE = Places((3, 16, 12), ("channel", "height", "width"))
NOISE = np.random.default_rng(0).random((3, 16, 12)).astype(np.float32)


def test_a_pictures_mean_is_one_color() -> None:
    found = mean_baseline(NOISE, PICTURE)
    np.testing.assert_allclose(found, np.broadcast_to(NOISE.mean((1, 2), keepdims=True), NOISE.shape), rtol=1e-5)
    assert found.dtype == np.float32


def test_without_space_the_mean_runs_over_everything() -> None:
    np.testing.assert_allclose(mean_baseline(np.array([1.0, 3.0]), Places((2,), ("axis 1",))), [2.0, 2.0])


def test_a_blur_keeps_constants_and_the_mean_and_takes_contrast() -> None:
    np.testing.assert_allclose(blurred_baseline(np.full((3, 16, 12), 2.5), PICTURE), 2.5)
    found = blurred_baseline(NOISE, PICTURE)
    np.testing.assert_allclose(found.mean((1, 2)), NOISE.mean((1, 2)), atol=1e-5)
    assert found.std() < 0.5 * NOISE.std()


def test_a_vector_has_no_blur() -> None:
    with pytest.raises(UsageError, match="`baseline` blur"):
        blurred_baseline(np.ones(3), Places((3,), ("feature",)))
