"""The direct parameterization: every element is a variable, in a box, on a ball or free."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from onnxviz.errors import UsageError
from onnxviz.methods.ascent.parameterizations import Direct
from onnxviz.methods.ascent.runs import Run

RUNS = [Run("y[0]", restart) for restart in range(4)]
LOW, HIGH = [-1.0, 0.1, -torch.inf, 5.0], [3.0, 0.7, 2.0, 5.0]


def test_a_box_is_reached_exactly_and_never_left() -> None:
    generator = torch.Generator().manual_seed(0)
    low = torch.randn(1000, generator=generator)
    high = low + torch.rand(1000, generator=generator) * 10 ** torch.randint(-3, 4, (1000,), generator=generator)
    box = Direct.box(RUNS[:2], (1000,), low, high, mean=low + (high - low) / 3)
    with torch.no_grad():
        box.variables[0][0] += 100
        box.variables[0][1] -= 100
    box.project()
    realized = box.realize()
    assert torch.equal(realized[0], high)
    assert torch.equal(realized[1], low)


def test_every_start_lies_in_the_box() -> None:
    box = Direct.box(RUNS, (4,), LOW, HIGH, mean=[100.0, 0.0, 0.0, 0.0], scale=50.0)
    realized = box.realize()
    assert bool(((realized >= torch.tensor(LOW)) & (realized <= torch.tensor(HIGH))).all())


def test_the_first_start_is_the_mean_and_the_others_scatter_by_the_scale() -> None:
    runs = [Run("a", restart) for restart in range(500)]
    mean, scale = torch.tensor([3.0, -200.0]), torch.tensor([0.5, 40.0])
    box = Direct.box(runs, (2,), [-torch.inf, -1000.0], torch.inf, mean=mean, scale=scale)
    standardized = (box.realize() - mean) / scale
    assert bool((standardized[0].abs() < 0.05).all())
    assert torch.allclose(standardized[1:].std(0), torch.ones(2), rtol=0.15)


def test_one_rate_crosses_every_box() -> None:
    box = Direct.box(RUNS, (2,), [0.0, -1e6], [1e-3, 1e6])
    width = torch.stack([box.constraint.low, box.constraint.high])
    assert torch.allclose(width[1] - width[0], torch.tensor(4.0))


def test_limits_of_float32_count_as_no_bound() -> None:
    limit = torch.finfo(torch.float32).max
    box = Direct.box(RUNS, (3,), -limit, limit, mean=1.0, scale=2.0)
    assert torch.equal(box.unit, torch.full((3,), 2.0))
    assert bool(torch.isfinite(box.realize()).all())


def test_an_element_without_room_stays() -> None:
    box = Direct.box(RUNS, (4,), LOW, HIGH)
    with torch.no_grad():
        box.variables[0].add_(7)
    box.project()
    assert torch.equal(box.realize()[:, 3], torch.full((4,), 5.0))
    ball = Direct.ball(RUNS, (3,), mean=4.0, scale=[1.0, 0.0, 2.0])
    assert torch.equal(ball.realize()[:, 1], torch.full((4,), 4.0))
    assert torch.equal(ball.standardize(ball.realize())[:, 1], torch.zeros(4))


@pytest.mark.parametrize("surface", [True, False])
def test_a_ball_has_the_radius_in_standardized_units(surface: bool) -> None:
    ball = Direct.ball(RUNS, (3, 2), radius=2.5, surface=surface, mean=-7.0, scale=[[3.0, 4.0]])
    with torch.no_grad():
        ball.variables[0].mul_(1000)
    ball.project()
    assert torch.allclose(ball.standardize(ball.realize()).flatten(1).norm(dim=1), torch.tensor(2.5), rtol=1e-5)


def test_the_default_radius_is_that_of_a_standardized_sample() -> None:
    ball = Direct.ball(RUNS, (3, 5), scale=np.where(np.arange(5) == 2, 0.0, 1.0))
    assert ball.constraint.radius == pytest.approx(math.sqrt(12))
    inside = Direct.ball(RUNS, (10,), surface=False, radius=3.0)
    assert inside.realize().norm(dim=1).max() <= 3.0001


@pytest.mark.parametrize("kind", ["box", "ball", "sphere", "free"])
def test_the_gradient_is_the_slope_of_the_input(kind: str) -> None:
    made = {
        "box": lambda: Direct.box(RUNS, (3,), -9.0, 9.0, mean=1.0),
        "ball": lambda: Direct.ball(RUNS, (3,), surface=False, scale=[1.0, 2.0, 3.0]),
        "sphere": lambda: Direct.ball(RUNS, (3,), scale=[1.0, 2.0, 3.0]),
        "free": lambda: Direct.free(RUNS, (3,), mean=5.0, scale=[1.0, 2.0, 3.0]),
    }[kind]()
    weights = torch.tensor([1.0, -2.0, 0.5])
    (gradient,) = torch.autograd.grad((made.realize() @ weights).sum(), made.variables)
    assert torch.allclose(gradient, (made.unit * weights).expand(4, 3))


def test_an_element_at_its_bound_still_feels_its_gradient() -> None:
    box = Direct.box(RUNS[:1], (2,), 0.0, 1.0)
    with torch.no_grad():
        box.variables[0].copy_(torch.tensor([[99.0, -99.0]]))
    box.project()
    (gradient,) = torch.autograd.grad(box.realize().sum(), box.variables)
    assert bool((gradient > 0).all())
    # The first element cannot rise, and the second can.
    assert (box.tangent([gradient])[0] != 0).tolist() == [[False, True]]


def test_standardize_undoes_realize() -> None:
    free = Direct.free(RUNS, (2, 3), mean=5.0, scale=[1.0, 2.0, 3.0])
    assert torch.allclose(free.standardize(free.realize()), free.variables[0], atol=1e-5)


def test_starts_do_not_depend_on_the_batch() -> None:
    together = Direct.ball([Run("a"), Run("b"), Run("c")], (3,))
    assert torch.equal(together.realize()[1], Direct.ball([Run("b")], (3,)).realize()[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Direct.box(RUNS, (2,), 1.0, 0.0), "lower bound"),
        (lambda: Direct.box(RUNS, (2,), float("nan"), 0.0), "lower bound"),
        (lambda: Direct.box(RUNS, (2,), [0.0] * 3, 1.0), "lower bounds: 3 values do not fit an input of 2"),
        (lambda: Direct.free(RUNS, (2,), mean=float("inf")), "mean"),
        (lambda: Direct.free(RUNS, (2,), scale=-1.0), "scale"),
        (lambda: Direct.ball(RUNS, (2,), scale=0.0), "nothing can move"),
        (lambda: Direct.ball(RUNS, (2,), radius=0.0), "norm 0"),
        (lambda: Direct.free([], (2,)), "runs"),
    ],
)
def test_contradictions_are_named(call, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()


def test_a_direct_input_is_placed_at_the_nearest_allowed_point() -> None:
    box = Direct.box(RUNS[:1], (3,), 0.0, 1.0)
    box.place(torch.tensor([[0.25, 2.0, -1.0]]))
    torch.testing.assert_close(box.realize(), torch.tensor([[0.25, 1.0, 0.0]]))
    ball = Direct.ball(RUNS[:1], (2,), radius=1.0, mean=5.0)
    ball.place(torch.tensor([[8.0, 9.0]]))
    torch.testing.assert_close(ball.realize(), torch.tensor([[5.6, 5.8]]))
