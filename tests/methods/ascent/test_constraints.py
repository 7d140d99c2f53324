"""Projections, and the directions that can be followed."""

from __future__ import annotations

import pytest
import torch

from onnxviz.methods.ascent.constraints import Ball, Box, Cloud, Shares, Unconstrained

CONSTRAINTS = {
    "unconstrained": Unconstrained(),
    "box": Box(torch.tensor([-1.0, -0.5, -torch.inf, 0.0]), torch.tensor([1.0, 0.5, 2.0, 0.0])),
    "ball": Ball(1.5),
    "sphere": Ball(1.5, surface=True),
    "cloud": Cloud(1.5, 1, Box(torch.tensor(-2.0), torch.tensor(2.0))),
    "shares": Shares(
        Box(torch.tensor([0.0, 0.0, 0.0, -2.0]), torch.tensor([1.0, 1.0, 1.0, 2.0])), (torch.tensor([[0, 1, 2]]),)
    ),
}


def points() -> torch.Tensor:
    inside_and_outside = torch.randn(40, 4, generator=torch.Generator().manual_seed(1))
    return torch.cat([inside_and_outside, inside_and_outside * 4])


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_a_projection_projects_once(name: str) -> None:
    once = CONSTRAINTS[name].project(points())
    assert torch.allclose(CONSTRAINTS[name].project(once), once, rtol=1e-6, atol=1e-7)


def test_projections_are_allowed_points() -> None:
    box = CONSTRAINTS["box"]
    inside = box.project(points())
    assert bool(((inside >= box.low) & (inside <= box.high)).all())
    assert CONSTRAINTS["ball"].project(points()).norm(dim=1).max() <= 1.5 * (1 + 1e-6)
    assert torch.allclose(CONSTRAINTS["sphere"].project(points()).norm(dim=1), torch.tensor(1.5))


@pytest.mark.parametrize("name", ["box", "ball", "cloud"])
def test_no_allowed_point_is_nearer(name: str) -> None:
    constraint = CONSTRAINTS[name]
    candidates = constraint.project(torch.randn(500, 4, generator=torch.Generator().manual_seed(2)) * 2)
    distance = (points() - constraint.project(points())).norm(dim=1)
    assert bool((torch.cdist(points(), candidates).min(1).values >= distance - 1e-5).all())


def test_every_point_of_a_cloud_has_a_ball_of_its_own() -> None:
    clouds = torch.randn(3, 6, 10, generator=torch.Generator().manual_seed(3)) * 3
    inside = Cloud(1.0, 1, Box(torch.tensor(-2.0), torch.tensor(2.0))).project(clouds)
    single = Ball(1.0).project(clouds[:, :3].movedim(1, 2).reshape(-1, 3))
    assert torch.allclose(inside[:, :3].movedim(1, 2).reshape(-1, 3), single)
    assert torch.equal(inside[:, 3:], clouds[:, 3:].clamp(-2, 2))


def test_allowed_points_stay() -> None:
    inside = CONSTRAINTS["ball"].project(points()) * 0.5
    assert torch.equal(CONSTRAINTS["ball"].project(inside), inside)


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_the_tangent_is_the_derivative_of_the_projected_line(name: str) -> None:
    constraint = CONSTRAINTS[name]
    if isinstance(constraint, Box):
        constraint = Box(constraint.low.double(), constraint.high.double())
    at = constraint.project(points().double())
    directions = torch.randn(80, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    step = 1e-6
    moved = (constraint.project(at + step * directions) - at) / step
    assert torch.allclose(constraint.tangent(at, directions), moved, atol=1e-4)


def test_the_center_of_a_sphere_does_not_break_it() -> None:
    sphere = Ball(2.0, surface=True)
    assert torch.equal(sphere.project(torch.zeros(1, 3)), torch.zeros(1, 3))
    assert bool(torch.isfinite(sphere.tangent(torch.zeros(1, 3), torch.ones(1, 3))).all())


def test_shares_are_the_nearest_point_of_the_simplex() -> None:
    # Compared with a fine grid over the triangle.
    grid = torch.linspace(0, 1, 101)
    first, second = (part.flatten() for part in torch.meshgrid(grid, grid, indexing="ij"))
    corner = torch.stack([first, second, 1 - first - second], 1)[first + second <= 1 + 1e-6]
    there = points()[:20]
    found = CONSTRAINTS["shares"].project(there)
    assert torch.allclose(found[:, :3].sum(1), torch.ones(20), atol=1e-5)
    assert bool((found[:, :3] >= 0).all())
    best = torch.cdist(there[:, :3], corner).amin(1)
    assert bool(((there - found)[:, :3].norm(dim=1) <= best + 1e-5).all())
    assert torch.equal(found[:, 3], there[:, 3].clamp(-2, 2))


def test_a_direction_keeps_the_sum_of_shares_and_ends_in_a_corner() -> None:
    shares = CONSTRAINTS["shares"]
    direction = torch.tensor([[3.0, 1.0, 2.0, 1.0]])
    inside = shares.tangent(torch.tensor([[0.2, 0.3, 0.5, 0.0]]), direction)
    assert torch.allclose(inside, torch.tensor([[1.0, -1.0, 0.0, 1.0]]))
    # If element 1 cannot fall, the others share the rest.
    edge = shares.tangent(torch.tensor([[0.5, 0.0, 0.5, 0.0]]), direction)
    assert torch.allclose(edge, torch.tensor([[0.5, 0.0, -0.5, 1.0]]))
    corner = shares.tangent(torch.tensor([[1.0, 0.0, 0.0, 2.0]]), direction)
    assert torch.allclose(corner, torch.zeros(1, 4))


@pytest.mark.parametrize("surface", [False, True])
def test_a_ball_for_each_step_is_that_of_each_step_alone(surface: bool) -> None:
    steps = points().reshape(-1, 5, 4) * 2
    directions = torch.randn(steps.shape, generator=torch.Generator().manual_seed(2))
    together, alone = Ball(1.5, surface, first=2), Ball(1.5, surface)
    projected = together.project(steps)
    flat = alone.project(steps.reshape(-1, 4))
    assert torch.allclose(projected, flat.reshape(steps.shape))
    tangent = together.tangent(projected, directions)
    assert torch.allclose(tangent, alone.tangent(flat, directions.reshape(-1, 4)).reshape(steps.shape), atol=1e-6)
