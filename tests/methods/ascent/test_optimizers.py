"""Each sample is optimized as if it were alone."""

from __future__ import annotations

import pytest
import torch

from onnxviz.methods.ascent.optimizers import LBFGS, Adam, NAdam, all_finite
from onnxviz.methods.ascent.parameterizations import Direct
from onnxviz.methods.ascent.runs import Run


def valley(x: torch.Tensor) -> torch.Tensor:
    """Rosenbrock's, upside down: highest at (1, 1), where it is 0."""
    return -100 * (x[:, 1] - x[:, 0] ** 2) ** 2 - (1 - x[:, 0]) ** 2


def climb(optimizer, parameterization, target, steps: int, rate: float = 0.05) -> torch.Tensor:
    climber = optimizer(parameterization)
    going = torch.ones(len(parameterization.variables[0]), dtype=torch.bool)
    for _ in range(steps):
        values = target(parameterization.realize())
        gradients = torch.autograd.grad(values.sum(), parameterization.variables)
        going = climber.step(values.detach(), gradients, going, rate)
    return parameterization.realize().detach()


def runs(count: int) -> list[Run]:
    return [Run("y", restart + 1) for restart in range(count)]


def test_adam_takes_the_steps_of_torch() -> None:
    ours = Direct.free(runs(2), (2,))
    theirs = ours.variables[0].detach().clone().double().requires_grad_()
    peer = torch.optim.Adam([theirs], lr=0.01, betas=(ours.momentum, 0.95), eps=1e-30)
    for _ in range(50):
        peer.zero_grad()
        (-valley(theirs).sum()).backward()
        peer.step()
    assert torch.allclose(climb(Adam, ours, valley, 50, rate=0.01).double(), theirs.detach(), atol=1e-4)


@pytest.mark.parametrize("factor", [2.0**-60, 2.0**40])
@pytest.mark.parametrize("optimizer", [Adam, LBFGS])
def test_a_multiple_of_a_target_leads_to_the_same_input(optimizer, factor: float) -> None:
    plain = climb(optimizer, Direct.free(runs(3), (2,)), valley, 40)
    scaled = climb(optimizer, Direct.free(runs(3), (2,)), lambda x: factor * valley(x), 40)
    assert torch.equal(plain, scaled)


@pytest.mark.parametrize("optimizer", [Adam, LBFGS])
def test_samples_do_not_feel_each_other(optimizer) -> None:
    together = climb(optimizer, Direct.ball(runs(5), (2,), radius=2.0, surface=False), valley, 60)
    for place, run in enumerate(runs(5)):
        alone = climb(optimizer, Direct.ball([run], (2,), radius=2.0, surface=False), valley, 60)
        assert torch.equal(together[place], alone[0])


def test_nadam_looks_ahead_by_dozats_formula() -> None:
    point = Direct.free(runs(1), (2,), spread=0.0)
    climber = NAdam(point)
    gradient = [torch.tensor([[2.0, -0.5]])]
    places = [point.variables[0].detach().clone()]
    for _ in range(60):
        climber.step(torch.zeros(1), gradient, torch.tensor([True]), 0.01)
        places.append(point.variables[0].detach().clone())
    # A constant gradient g: the moments are g (1 - .9^t) and g^2, so that the step is .9 (1 - .9^t) / (1 - .9^(t+1)) + .1 / (1 - .9^t).
    for t in (1, 2, 60):
        wanted = 0.01 * (0.9 * (1 - 0.9**t) / (1 - 0.9 ** (t + 1)) + 0.1 / (1 - 0.9**t))
        torch.testing.assert_close(places[t] - places[t - 1], wanted * gradient[0].sign(), rtol=1e-3, atol=1e-7)


def test_lbfgs_finds_the_end_of_a_curved_valley() -> None:
    found = climb(LBFGS, Direct.free(runs(8), (2,)), valley, 150)
    assert torch.allclose(found, torch.ones(8, 2), atol=1e-2)


@pytest.mark.parametrize("optimizer", [Adam, LBFGS])
def test_a_corner_is_reached_exactly(optimizer) -> None:
    weights = torch.tensor([1.0, -1e-2, 1e-2])
    low, high = torch.tensor([-0.1, -70.0, 3.3]), torch.tensor([0.7, 0.1, 1e3])
    found = climb(optimizer, Direct.box(runs(3), (3,), low, high), lambda x: x @ weights, 256)
    assert torch.equal(found, torch.tensor([high[0], low[1], high[2]]).expand(3, 3))


def test_lbfgs_finds_the_top_of_a_slope_along_a_wall() -> None:
    # Highest at (2, 1) but for the wall at 1 across, along which it is highest at height .5.
    def hill(x: torch.Tensor) -> torch.Tensor:
        across, up = x[:, 0] - 2, x[:, 1] - 1
        return -(across**2) - across * up - up**2

    found = climb(LBFGS, Direct.box(runs(4), (2,), [-9.0, -9.0], [1.0, 9.0]), hill, 100)
    assert torch.equal(found[:, 0], torch.ones(4))
    assert torch.allclose(found[:, 1], torch.full((4,), 1.5), atol=1e-3)


def test_lbfgs_steps_back_from_what_is_not_finite() -> None:
    # The logarithm ends at 0; its slope there would throw a step far beyond.
    found = climb(LBFGS, Direct.free(runs(4), (1,), mean=5.0), lambda x: (x.log() - x)[:, 0], 60)
    assert torch.allclose(found, torch.ones(4, 1), atol=1e-2)


@pytest.mark.parametrize("optimizer", [Adam, LBFGS])
def test_a_sample_that_is_not_finite_stays_and_ends_alone(optimizer) -> None:
    free = Direct.free(runs(2), (2,))
    before = free.variables[0].detach().clone()
    climber = optimizer(free)
    gradients = [torch.tensor([[1.0, torch.nan], [1.0, 1.0]])]
    going = climber.step(torch.zeros(2), gradients, torch.ones(2, dtype=torch.bool), 0.05)
    assert going.tolist() == [False, True]
    assert torch.equal(free.variables[0][0], before[0])
    assert bool((free.variables[0][1] > before[1]).all())


def test_lbfgs_ends_where_nothing_rises() -> None:
    free = Direct.free(runs(2), (2,))
    going = LBFGS(free).step(torch.zeros(2), [torch.tensor([[0.0, 0.0], [1.0, 0.0]])], torch.ones(2).bool(), 0.05)
    assert going.tolist() == [False, True]


def test_all_finite_looks_at_every_tensor() -> None:
    tensors = [torch.tensor([1.0, torch.inf, 1.0]), torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, torch.nan]])]
    assert all_finite(tensors).tolist() == [True, False, False]
