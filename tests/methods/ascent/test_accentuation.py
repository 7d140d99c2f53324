"""A real input changes by a share of its contrast at most, and not where the target cares least."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onnxviz.methods.ascent.accentuation import Accented, Kept, change_of, importance
from onnxviz.methods.ascent.runs import Run
from onnxviz.methods.ascent.space import Space

RNG = np.random.default_rng(2)
PHOTO = RNG.uniform(0.2, 0.8, (3, 16, 16)).astype(np.float32)


def space(strength: float, allowed: np.ndarray) -> Space:
    ends = {"low": np.zeros(()), "high": np.ones(())}
    return Space(
        "x", PHOTO.shape, ("channel", "height", "width"), "image", **ends, beginning=PHOTO, kept=Kept(allowed, strength)
    )


@pytest.mark.parametrize("strength", [0.1, 0.5])
def test_a_change_is_limited_and_leaves_a_part_alone(strength: float) -> None:
    allowed = np.broadcast_to(np.arange(16) >= 8, PHOTO.shape).astype(np.float32)
    start = space(strength, allowed).start([Run("x")], torch.device("cpu"))
    assert isinstance(start, Accented)
    np.testing.assert_allclose(start.realize().detach()[0], PHOTO, atol=1e-6)
    with torch.no_grad():
        for variable in start.variables:
            variable.add_(torch.randn(variable.shape, generator=torch.Generator().manual_seed(0)))
    changed = start.realize().detach()
    np.testing.assert_array_equal(changed[0, :, :, :8], PHOTO[:, :, :8])
    assert (changed[0, :, :, 8:] != torch.as_tensor(PHOTO[:, :, 8:])).any()
    away = np.linalg.norm(changed[0].numpy() - PHOTO)
    assert away == pytest.approx(strength * np.linalg.norm(PHOTO - PHOTO.mean((1, 2), keepdims=True)), rel=0.05)
    assert float(change_of(changed, torch.as_tensor(PHOTO)[None], start)) <= strength * (1 + 1e-5)


def test_the_least_important_half_is_left_alone() -> None:
    gradient = RNG.standard_normal((3, 32, 32)) * (1 + np.arange(32))
    allowed = importance(gradient, (1, 2), 0)
    assert (allowed == 0).mean() == pytest.approx(0.5, abs=0.01)
    assert allowed.max() == 1
    assert (allowed[0] == allowed[1]).all()
    assert allowed[:, :, 24:].mean() > allowed[:, :, :8].mean()
    # Where the target sees a small part alone, only this part changes.
    seen = np.zeros((3, 32, 32))
    seen[:, 10:13, 20:23] = 1
    assert importance(seen, (1, 2), 0)[0, 11, 21] > 0.9
    np.testing.assert_array_equal(importance(np.zeros(4), ()), np.ones(4))
