"""Only the window changes; inside it the search is the same as without a window."""

from __future__ import annotations

import numpy as np
import torch

from onnxviz.methods.ascent.fourier import Fourier
from onnxviz.methods.ascent.runs import Run
from onnxviz.methods.ascent.search import search
from onnxviz.methods.ascent.settings import Settings
from onnxviz.methods.ascent.space import Space
from onnxviz.methods.ascent.transforms import Shift
from onnxviz.methods.ascent.windows import Windowed, WindowedTransform, pasted
from onnxviz.methods.objectives.objectives import Objective
from onnxviz.target import Target

RUNS = [Run("y", 0), Run("y", 1)]
WINDOW = (slice(0, 1), slice(2, 6), slice(3, 9))
OUTSIDE = torch.full((1, 8, 12), 0.25)


def windowed() -> Windowed:
    return Windowed.of(Fourier.start(RUNS, (1, 4, 6), low=0.0, high=1.0), (1, 8, 12), WINDOW, OUTSIDE)


def test_the_rest_stands_still_and_the_window_is_what_it_was() -> None:
    found = windowed()
    whole = found.realize()
    torch.testing.assert_close(whole[:, :, 2:6, 3:9], Fourier.start(RUNS, (1, 4, 6), low=0.0, high=1.0).realize())
    outside = torch.ones(1, 8, 12, dtype=torch.bool)
    outside[WINDOW] = False
    assert bool((whole[:, outside] == 0.25).all())
    gradient = torch.autograd.grad(whole[:, 0, 3, 4].sum(), found.variables[0])[0]
    assert bool((gradient != 0).any())


def test_it_can_be_placed() -> None:
    found = windowed()
    picture = torch.rand((2, 1, 8, 12), generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    found.place(picture)
    realized = found.realize().detach()
    torch.testing.assert_close(realized[:, :, 2:6, 3:9], picture[:, :, 2:6, 3:9], atol=1e-5, rtol=0)
    assert bool((realized[:, :, :2] == 0.25).all())


def test_a_transform_stays_in_the_window() -> None:
    inputs = torch.rand((2, 1, 8, 12), generator=torch.Generator().manual_seed(0))
    moves = WindowedTransform(Shift(((2, 2), (3, 2))), WINDOW)
    moved = moves(inputs, OUTSIDE, torch.ones(1, 8, 12), [run.generator("transform") for run in RUNS])
    assert bool((moved[:, :, :2] == 0.25).all())
    assert not torch.equal(moved[:, :, 2:6, 3:9], inputs[:, :, 2:6, 3:9])


def test_pasting_passes_the_gradient() -> None:
    inside = torch.rand(2, 1, 4, 6, requires_grad=True)
    pasted(inside, WINDOW, OUTSIDE).sum().backward()
    assert inside.grad is not None
    assert bool((inside.grad == 1).all())


EDGE = Objective.of(Target("y", (0, slice(3, 5), slice(4, 6)))) - Objective.of(
    Target("y", (0, slice(3, 5), slice(7, 9)))
)


def test_a_search_in_a_window_for_every_parameterization() -> None:
    for kind in ("fourier", "maco", "pixel"):
        space = Space(
            *("x", (1, 8, 12), ("channel", "height", "width"), "image"),
            low=np.zeros(()),
            high=np.ones((1, 1, 1)),
            parameterization=kind,
            window=WINDOW,
        )
        (group,) = search(
            lambda inputs: {"y": inputs["x"]},
            *(space, [EDGE], {}, Settings(steps=20, restarts=2)),
            device=torch.device("cpu"),
            batch_size=4,
        )
        found = group[0]
        assert found.ascent.score > found.ascent.initial_score + 0.05, kind
        assert (found.ascent.array[:, :2] == 0.5).all()
        assert (found.transparency is not None) == (kind == "maco")
