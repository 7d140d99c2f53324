"""Guided rectifiers: the values stay, the gradients are captum's, and a Clip that is no rectifier is unchanged."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import GuidedBackprop
from torch import nn

from onnxviz.methods.attribution.guided import (
    GUIDED,
    guided_backpropagation,
    guided_clip,
    guided_leaky_relu,
    guided_parametric_relu,
    guided_relu,
)

X = torch.linspace(-3.1, 9, 25).reshape(1, 25)


def back(function, slopes):
    x = X.clone().requires_grad_()
    (function(x) * slopes).sum().backward()
    return x.grad


@pytest.mark.parametrize(
    ("guided", "plain"),
    [
        (guided_relu, torch.relu),
        (lambda x: guided_leaky_relu(x, alpha=0.2), lambda x: nn.functional.leaky_relu(x, 0.2)),
        (lambda x: guided_parametric_relu(x, torch.tensor([0.1])), lambda x: torch.where(x < 0, 0.1 * x, x)),
        (lambda x: guided_clip(x, torch.tensor(0.0), torch.tensor(6.0)), lambda x: x.clamp(0, 6)),
        (lambda x: guided_clip(x, min=-1.0, max=1.0), lambda x: x.clamp(-1, 1)),
        (guided_clip, lambda x: x),
    ],
)
def test_values_stay_what_they_are(guided, plain) -> None:
    torch.testing.assert_close(guided(X), plain(X))


def test_only_positive_gradients_pass_where_the_rectifier_is_open() -> None:
    slopes = torch.tensor([1.0, -1.0]).repeat(13)[:25]
    expected = torch.where((X > 0) & (slopes > 0), slopes, 0.0)
    torch.testing.assert_close(back(guided_relu, slopes), expected)
    six = torch.where((X > 0) & (X <= 6) & (slopes > 0), slopes, 0.0)
    torch.testing.assert_close(back(lambda x: guided_clip(x, 0.0, 6.0), slopes), six)
    both = torch.where((X >= -1) & (X <= 1), slopes, 0.0)
    torch.testing.assert_close(back(lambda x: guided_clip(x, -1.0, 1.0), slopes), both)


def test_the_bounds_of_a_clip_let_the_gradient_pass() -> None:
    x = torch.tensor([-1.0, 0.0, 3.0, 6.0, 7.0], requires_grad=True)
    guided_clip(x, 0.0, 6.0).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]


def test_it_is_captums_guided_backpropagation() -> None:
    module = nn.Sequential(nn.Linear(25, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
    with torch.no_grad():
        for place, one in enumerate(module.parameters()):
            one.copy_(torch.randn(one.shape, generator=torch.Generator().manual_seed(place)))
    first, _, second, _, third = module

    def score(x):
        return third(GUIDED["Relu"](second(GUIDED["Relu"](first(x)))))[:, 1]

    found = guided_backpropagation(score, [X])
    with pytest.warns(UserWarning, match="hooks"):
        wanted = GuidedBackprop(module).attribute(X.clone().requires_grad_(), target=1)
    np.testing.assert_allclose(found.values[0], wanted[0].detach(), rtol=1e-5, atol=1e-6)
