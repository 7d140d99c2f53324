"""Random inputs: inside the range of the search, and spread over it."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.methods.ascent.space import Space
from onnxviz.methods.evidence.probes import probes

BOX = Space("x", (3,), ("feature",), "vector", low=np.array([0.0, -5.0, 2.0]), high=np.array([1.0, 5.0, 2.0]))
OPEN = Space("x", (3,), ("feature",), "vector", mean=np.array([1.0, 2.0, 3.0]), scale=np.array([1.0, 0.1, 9.0]))
PICTURE = Space("x", (8, 8, 3), ("height", "width", "channel"), "image", low=np.zeros(()), high=np.full((), 255.0))
SIGNAL = Space("x", (1, 64), ("channel", "time"), "signal", scale=np.array(2.0))


@pytest.mark.parametrize("space", [BOX, OPEN, PICTURE, SIGNAL], ids=["box", "open", "picture", "signal"])
def test_probes_fill_the_space_and_the_seed_decides(space: Space) -> None:
    found = probes(space, 200, 0)
    assert found.shape == (200, *space.shape)
    assert np.isfinite(found).all()
    if space.low is not None:
        low, high = np.broadcast_to(space.low, space.shape), np.broadcast_to(space.high, space.shape)
        assert (found >= low).all()
        assert (found <= high).all()
        wide = high > low
        assert (np.ptp(found, axis=0)[wide] > 0.8 * (high - low)[wide]).all()
    else:
        np.testing.assert_allclose(found.mean(0).mean(), np.mean(space.mean), atol=1)
        assert (np.ptp(found, axis=0) > 1.5 * np.broadcast_to(space.scale, space.shape)).all()
    np.testing.assert_array_equal(found, probes(space, 200, 0))
    assert not np.array_equal(found, probes(space, 200, 1))
    # A probe does not depend on the number of probes.
    np.testing.assert_array_equal(found[:5], probes(space, 5, 0))


def test_every_other_picture_is_smooth() -> None:
    found = probes(PICTURE, 40, 0)
    rough = np.abs(np.diff(found, axis=1)).mean((1, 2, 3)) / found.std((1, 2, 3))
    assert rough[::2].max() < rough[1::2].min()


def test_probes_lie_on_the_sphere_that_the_search_is_on() -> None:
    standard = (probes(OPEN, 20, 0) - OPEN.mean) / OPEN.scale
    np.testing.assert_allclose(np.linalg.norm(standard, axis=1), 3**0.5, rtol=1e-4)
