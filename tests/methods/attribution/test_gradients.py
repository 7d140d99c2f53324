"""Gradients: exact for linear scores and sums over elements, complete for others, and equal to captum's where captum has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients

from onnxviz.methods.attribution.gradients import (
    gradient,
    input_times_gradient,
    integrated_gradients,
    smooth_gradient,
)

WEIGHTS = torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.0, -1.0]])
INPUT = torch.tensor([[[0.5, 1.0, -2.0], [0.25, 4.0, 1.0]]])
START = torch.tensor([[[0.1, -1.0, 0.0], [0.5, 2.0, -3.0]]])


def linear(x):
    return (x * WEIGHTS).sum((1, 2)) + 7


def rise(score, x, start):
    return float((score(*x) - score(*start)).detach())


def test_the_gradient_of_a_linear_score_is_its_weights() -> None:
    (values,) = gradient(linear, [INPUT]).values
    np.testing.assert_array_equal(values, WEIGHTS)


@pytest.mark.parametrize("steps", [None, 1])
def test_shares_of_a_linear_score_are_exact(steps) -> None:
    exact = (WEIGHTS * (INPUT - START))[0]
    (product,) = input_times_gradient(linear, [INPUT], [START]).values
    np.testing.assert_allclose(product, exact, rtol=1e-6)
    found = integrated_gradients(linear, [INPUT], [START], rise(linear, [INPUT], [START]), steps=steps)
    np.testing.assert_allclose(found.values[0], exact, rtol=1e-5)
    assert found.completeness.gap < 1e-5
    assert not found.message


def test_without_a_baseline_to_speak_of_it_is_input_times_gradient() -> None:
    (values,) = input_times_gradient(linear, [INPUT], [torch.zeros_like(INPUT)]).values
    np.testing.assert_allclose(values, (WEIGHTS * INPUT)[0])


@pytest.mark.parametrize("sharpness", [1.0, 80.0])
def test_an_integral_over_a_sum_of_functions_is_each_functions_rise(sharpness: float) -> None:
    def score(x):
        return torch.tanh(sharpness * x).sum((1, 2)) + (x**3).sum((1, 2))

    found = integrated_gradients(score, [INPUT], [START], rise(score, [INPUT], [START]))
    exact = torch.tanh(sharpness * INPUT) - torch.tanh(sharpness * START) + INPUT**3 - START**3
    np.testing.assert_allclose(found.values[0], exact[0], atol=0.01 * float(exact.abs().max()))
    assert found.completeness.gap <= 0.01
    assert found.evaluations <= 1100


def test_an_integral_is_captums_with_many_steps() -> None:
    layer = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
    with torch.no_grad():
        for place, one in enumerate(layer.parameters()):
            one.copy_(torch.randn(one.shape, generator=torch.Generator().manual_seed(place)))

    def score(x):
        return layer(x)[:, 0]

    found = integrated_gradients(score, [INPUT], [START], rise(score, [INPUT], [START]))
    wanted = IntegratedGradients(score).attribute(INPUT.clone().requires_grad_(), START, n_steps=2000)
    wanted = wanted.detach()
    np.testing.assert_allclose(found.values[0], wanted[0], atol=0.01 * float(wanted.abs().max()))


def test_several_inputs_share_one_score() -> None:
    def score(x, y):
        return (x * WEIGHTS).sum((1, 2)) + 5 * y[:, 0]

    inputs, starts = [INPUT, torch.tensor([[3.0, 9.0]])], [START, torch.tensor([[1.0, 9.0]])]
    found = integrated_gradients(score, inputs, starts, rise(score, inputs, starts))
    np.testing.assert_allclose(found.values[1], [10.0, 0.0], atol=1e-5)
    assert found.completeness.gap < 1e-5


def test_a_jump_is_reported_rather_than_hidden() -> None:
    def score(x):
        return (x.sum((1, 2)) > 0).float() + 0 * x.sum((1, 2))

    found = integrated_gradients(score, [INPUT.abs()], [-INPUT.abs()], 1.0)
    assert found.completeness.gap > 0.01
    assert "zero" in found.message or "jumps" in found.message


def test_smoothgrad_without_noise_is_the_gradient_and_its_noise_follows_the_seed() -> None:
    def score(x):
        return (x**3).sum((1, 2))

    (plain,) = gradient(score, [INPUT]).values
    (still,) = smooth_gradient(score, [INPUT], [1.0], samples=1, noise=0.0).values
    np.testing.assert_array_equal(still, plain)
    one, same, other = (smooth_gradient(score, [INPUT], [2.0], 8, seed).values[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_mean_gradient_of_a_cube_is_known() -> None:
    (found,) = smooth_gradient(lambda x: (x**3).sum((1, 2)), [INPUT], [2.0], samples=4000, noise=0.1).values
    exact = 3 * (INPUT[0] ** 2 + 0.2**2)
    np.testing.assert_allclose(found, exact, atol=0.15)


def test_a_flat_score_is_called_flat() -> None:
    assert "zero everywhere" in gradient(lambda x: 0 * x.sum((1, 2)), [INPUT]).message
