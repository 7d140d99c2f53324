"""Projections, and the directions that can be followed."""

from __future__ import annotations

import pytest
import torch

from onnxviz.methods.constraints import Ball, Box, Unconstrained

CONSTRAINTS = {
    "unconstrained": Unconstrained(),
    "box": Box(torch.tensor([-1.0, -0.5, -torch.inf, 0.0]), torch.tensor([1.0, 0.5, 2.0, 0.0])),
    "ball": Ball(1.5),
    "sphere": Ball(1.5, surface=True),
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


@pytest.mark.parametrize("name", ["box", "ball"])
def test_no_allowed_point_is_nearer(name: str) -> None:
    constraint = CONSTRAINTS[name]
    candidates = constraint.project(torch.randn(500, 4, generator=torch.Generator().manual_seed(2)) * 2)
    distance = (points() - constraint.project(points())).norm(dim=1)
    assert bool((torch.cdist(points(), candidates).min(1).values >= distance - 1e-5).all())


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
