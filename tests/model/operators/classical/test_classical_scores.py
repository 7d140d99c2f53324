"""Score transforms: identities, the exact quantile, gradients."""

from __future__ import annotations

import math

import pytest
import torch

from onnxviz.model.operators.classical.scores import POST_TRANSFORMS, probit, softmax_zero, transformed

SCORES = torch.tensor([[0.2, 0.0, -1.5], [3.0, 0.0, 0.0]], dtype=torch.float64)


def test_probit_is_close_to_the_quantile_of_the_normal_distribution():
    share = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
    torch.testing.assert_close(probit(share), torch.special.ndtri(share), rtol=3e-3, atol=1e-12)


def test_the_slope_of_probit_at_one_half_is_that_of_the_quantile():
    share = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(probit(share), share)
    assert slope.item() == pytest.approx(math.sqrt(2 * math.pi), rel=1e-9)


@pytest.mark.parametrize("share", [1e-5, 0.01, 0.4999999, 0.5000001, 0.7, 0.99999])
def test_gradient_of_probit(share):
    x = torch.tensor(share, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(probit, x, eps=1e-9, rtol=1e-3, atol=1e-4)


def test_probit_of_what_is_no_probability_is_not_a_number():
    assert probit(torch.tensor([-0.5, 1.5])).isnan().all()


def test_softmax_zero_is_softmax_among_the_rest():
    answer = softmax_zero(SCORES)
    torch.testing.assert_close(answer[0, [0, 2]], torch.softmax(SCORES[0, [0, 2]], 0))
    assert answer[:, 1].tolist() == [0.0, 0.0]
    assert answer[1].tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("post_transform", ["SOFTMAX", "SOFTMAX_ZERO", "LOGISTIC"])
def test_a_single_column_is_left_alone(post_transform):
    assert torch.equal(transformed(SCORES[:, :1], post_transform), SCORES[:, :1])


@pytest.mark.parametrize("post_transform", POST_TRANSFORMS[:-1])
def test_gradients(post_transform):
    scores = (SCORES + torch.tensor([0.0, 0.4, 0.1])).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda s: transformed(s, post_transform), scores)
