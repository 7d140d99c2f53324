"""The rectifier that lets a gradient pass where it would block all of it."""

from __future__ import annotations

import pytest
import torch

from onnxviz.methods.rectifiers import passing_clip


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
