"""The rectifier that lets a gradient pass if it would block all of it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from onnxviz.methods.ascent.rectifiers import REDIRECTED, passing_clip


def slopes(values: list[list[float]], gradient: list[list[float]], **limits: float) -> list[list[float]]:
    x = torch.tensor(values, requires_grad=True)
    (found,) = torch.autograd.grad(passing_clip(x, **limits), x, torch.tensor(gradient))
    return found.tolist()


@pytest.mark.parametrize("high", [6.0, torch.inf])
def test_values_are_those_of_the_clip(high: float) -> None:
    x = torch.linspace(-9, 9, 37).reshape(1, -1)
    assert torch.equal(passing_clip(x, 0.0, high), x.clamp(0, high))


def test_a_live_sample_has_the_ordinary_gradient() -> None:
    assert slopes([[-1.0, 2.0]], [[5.0, 7.0]]) == [[0.0, 7.0]]


def test_a_dead_sample_is_pulled_up_but_not_further_down() -> None:
    assert slopes([[-1.0, -2.0]], [[5.0, -7.0]]) == [[5.0, 0.0]]


def test_each_sample_is_judged_by_itself() -> None:
    assert slopes([[-1.0, -2.0], [-1.0, 2.0]], [[5.0, 5.0], [5.0, 5.0]]) == [[5.0, 5.0], [0.0, 5.0]]


def test_a_sample_stuck_at_the_ceiling_is_pulled_down_but_not_further_up() -> None:
    assert slopes([[7.0, 9.0]], [[5.0, -7.0]], high=6.0) == [[0.0, -7.0]]


def redirected(operator: str, x: torch.Tensor, *bounds: object, **attributes: object) -> tuple[torch.Tensor, ...]:
    """Apply an operator's stand-in to a batch; return its values and the gradient of their sum."""
    x = x.clone().requires_grad_()
    values = REDIRECTED[operator](x, *bounds, **attributes)
    return values.detach(), torch.autograd.grad(values.sum(), x)[0]


LEVEL = {
    "Relu": ((), {}, torch.relu, -1.0),
    "Clip": ((torch.tensor(0.0), torch.tensor(6.0)), {}, F.relu6, -1.0),
    "HardSigmoid": ((), {"alpha": 0.25, "beta": 0.5}, lambda x: (0.25 * x + 0.5).clamp(0, 1), -2.5),
    "HardSwish": ((), {}, F.hardswish, -4.0),
    "ThresholdedRelu": ((), {"alpha": 2.0}, lambda x: F.threshold(x, 2.0, 0.0), 1.0),
}


@pytest.mark.parametrize("operator", LEVEL)
def test_every_stand_in_has_the_values_of_its_operator_and_a_way_out_of_its_level(operator: str) -> None:
    bounds, attributes, plain, dead = LEVEL[operator]
    x = torch.linspace(-9, 9, 37).reshape(1, -1)
    values, slope = redirected(operator, x, *bounds, **attributes)
    torch.testing.assert_close(values, plain(x))
    # Alive somewhere: the ordinary gradient.
    ordinary = x.clone().requires_grad_()
    plain(ordinary).sum().backward()
    edge = torch.isclose(x, torch.tensor([-3.0, 0.0, 2.0, 3.0, 6.0, -2.0])[:, None]).any(0)
    torch.testing.assert_close(slope[:, ~edge], ordinary.grad[:, ~edge])
    # Dead everywhere: the whole gradient passes.
    assert redirected(operator, torch.full((1, 3), dead), *bounds, **attributes)[1].tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.parametrize(
    ("operator", "bounds", "attributes", "points", "wanted"),
    [
        ("Relu", (), {}, [-1.0, 0.0, 1.0], [0, 0, 1]),
        ("Clip", (torch.tensor(0.0), torch.tensor(6.0)), {}, [-1.0, 0.0, 1.0, 6.0, 7.0], [0, 1, 1, 1, 0]),
        ("Clip", (torch.tensor(0.0),), {}, [-1.0, 0.0, 1.0], [0, 1, 1]),
        ("Clip", (None, torch.tensor([6.0, 6.0])), {}, [6.0, 7.0], [1, 0]),
        ("HardSigmoid", (), {"alpha": 0.25, "beta": 0.5}, [-3.0, -2.0, 0.0, 2.0, 3.0], [0, 0.25, 0.25, 0.25, 0]),
        ("HardSwish", (), {}, [-4.0, -3.0, 0.0, 3.0, 4.0], [0, 0, 0.5, 1, 1]),
        ("ThresholdedRelu", (), {"alpha": 2.0}, [1.0, 2.0, 3.0], [0, 0, 1]),
    ],
)
def test_a_live_sample_has_the_operator_s_own_gradient_at_its_bounds(
    operator, bounds, attributes, points, wanted
) -> None:
    assert redirected(operator, torch.tensor([points]), *bounds, **attributes)[1].tolist() == [wanted]


def test_a_sample_at_the_bounds_of_a_clip_is_alive_and_one_at_the_kink_of_a_relu_is_dead() -> None:
    x = torch.tensor([[0.0, -1.0]])
    assert redirected("Clip", x, torch.tensor(0.0), torch.tensor(6.0))[1].tolist() == [[1.0, 0.0]]
    assert redirected("Relu", x)[1].tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("bounds", [{"min": 0.0, "max": 6.0}, {"min": 0.0}, {"max": 6.0}, {}], ids=str)
def test_a_clip_whose_bounds_are_attributes_is_redirected_as_well(bounds: dict[str, float]) -> None:
    x = torch.tensor([[8.0, 9.0], [-1.0, -2.0]], requires_grad=True)
    values = REDIRECTED["Clip"](x, **bounds)
    assert torch.equal(values, torch.clamp(x, **bounds) if bounds else x)
    (gradient,) = torch.autograd.grad(values, x, torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))
    assert gradient.tolist() == [[-1.0, -1.0], [1.0, 1.0]]


def test_a_clip_with_computed_bounds_is_left_as_it_is() -> None:
    ceiling = torch.tensor([1.0, 2.0])
    x = torch.tensor([[5.0, 5.0]], requires_grad=True)
    values = REDIRECTED["Clip"](x, None, ceiling)
    assert values.tolist() == [[1.0, 2.0]]
    values.sum().backward()
    assert x.grad.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("plain", [F.leaky_relu, F.elu, F.selu, F.celu, F.softplus, F.mish, F.gelu, F.silu])
def test_other_rectifiers_need_no_stand_in_for_they_have_a_slope_below(plain) -> None:
    x = torch.full((1, 2), -2.0, requires_grad=True)
    plain(x).sum().backward()
    assert (x.grad != 0).all()
