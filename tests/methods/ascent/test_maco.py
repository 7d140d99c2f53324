"""Fixed magnitudes: the closed form, the contrast, phases that move, and the importance of pixels for the target."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from onnxviz.methods.ascent.maco import Maco, faded, natural_magnitudes
from onnxviz.methods.ascent.maximization import maximize
from onnxviz.methods.ascent.runs import Run
from onnxviz.methods.ascent.settings import Settings

RUNS = [Run("y[0]", restart) for restart in range(40)]
LAYOUTS = [
    ((3, 16, 16), "channel height width"),
    ((9, 7, 3), "height width channel"),
    ((1, 12, 13), "channel height width"),
    ((2, 65), "channel time"),
    ((2, 4, 6, 5), "channel depth height width"),
    ((12, 12), "height width"),
]


@pytest.mark.parametrize(("shape", "axes"), LAYOUTS)
def test_every_layout_starts_at_the_contrast_of_photographs(shape: tuple[int, ...], axes: str) -> None:
    found = Maco.start(RUNS, shape, axes, low=-2.0, high=6.0)
    inputs = found.realize().detach()
    assert inputs.shape == (len(RUNS), *shape)
    waves = torch.logit((inputs + 2) / 8)
    assert float(waves.square().mean().sqrt()) == pytest.approx(1, abs=0.1)


def test_the_magnitudes_are_the_published_formula() -> None:
    planes = natural_magnitudes((64, 64), 3)
    f = 10 / 64
    wanted = [36.09 * f**-1.273 * math.exp(-((f / 0.29) ** 2)), 22.33 * f**-1.340 * math.exp(-((f / 0.34) ** 3))]
    assert planes[0, 10, 0].item() == pytest.approx(wanted[0], rel=1e-5)
    assert planes[2, 0, 10].item() == pytest.approx(wanted[1], rel=1e-5)
    assert torch.equal(natural_magnitudes((9,), 5)[0], natural_magnitudes((9,), 5)[4])


def test_whatever_the_phases_the_magnitudes_stay() -> None:
    found = Maco.start(RUNS[:2], (16, 16), "height width", low=0.0, high=1.0)
    with torch.no_grad():
        found.variables[0].mul_(17).add_(3)
    # The columns of the first and the last frequency contain their own mirror images: only the mean of each pair is known.
    waves = torch.fft.rfft2(torch.logit(found.realize().detach()))[..., 1:-1].abs()
    np.testing.assert_allclose(
        waves.numpy(), found.magnitudes[..., 1:-1].expand_as(waves).numpy(), rtol=2e-3, atol=1e-3
    )


def bright(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {"y": inputs["x"][:, 0, 2:5, 3:6].flatten(1)}


class Mean:
    tensors = ("y",)

    def __call__(self, tensors: dict[str, torch.Tensor], samples: int | None = None) -> torch.Tensor:
        return tensors["y"].mean(1)


@pytest.mark.parametrize("optimizer", ["adam", "nadam"])
def test_phases_alone_raise_a_target_and_tell_where_it_looks(optimizer: str) -> None:
    found = Maco.start(RUNS[:2], (1, 16, 16), low=0.0, high=1.0)
    (one, _) = maximize(bright, "x", [Mean(), Mean()], found, RUNS[:2], Settings(30, rate=1.0, optimizer=optimizer))
    assert one.score > one.initial_score + 0.05
    seen = found.transparency[0, 0] > 0
    assert int(seen.sum()) == 9
    assert bool(seen[2:5, 3:6].all())


def test_a_sample_does_not_hear_of_the_others() -> None:
    together = Maco.start(RUNS[:3], (1, 8, 8))
    alone = Maco.start(RUNS[1:2], (1, 8, 8))
    torch.testing.assert_close(together.realize()[1:2], alone.realize())


def test_the_phases_of_a_picture_are_taken_over() -> None:
    found = Maco.start(RUNS[:2], (1, 16, 16), low=0.0, high=1.0)
    picture = found.realize().detach()[:1]
    other = Maco.start(RUNS[5:6], (1, 16, 16), low=0.0, high=1.0)
    before = torch.corrcoef(torch.stack([picture.flatten(), other.realize().detach().flatten()]))[0, 1]
    other.place(picture)
    after = torch.corrcoef(torch.stack([picture.flatten(), other.realize().detach().flatten()]))[0, 1]
    assert after > 0.7 > before


def test_what_was_not_cared_for_fades_to_the_middle() -> None:
    array = np.ones((2, 2, 5), np.float32)
    clear = np.zeros((2, 2, 5), np.float32)
    clear[:, 0, :2] = 4.0
    clear[:, 1, 0] = 1.0
    shown = faded(array, clear, np.full_like(array, 0.5), 0)
    assert shown[0, 0, 0] == pytest.approx(1, abs=0.01)
    assert shown[1, 1, 4] == pytest.approx(0.5, abs=0.01)
    assert 0.5 < shown[0, 1, 0] <= 1
