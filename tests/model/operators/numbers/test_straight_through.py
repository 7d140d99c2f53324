"""The straight-through estimator: the rounded values forward, an untouched gradient backward."""

from __future__ import annotations

import torch

from onnxviz.model.operators.numbers.straight_through import rounded, straight_through


def test_forward_is_exact_even_where_a_difference_would_not_be():
    smooth = torch.tensor([1e30, -torch.inf, 0.3], requires_grad=True)
    exact = torch.tensor([448.0, -57344.0, 0.25])
    value = straight_through(smooth, exact)
    assert value.tolist() == exact.tolist()
    (gradient,) = torch.autograd.grad(value, smooth, torch.tensor([2.0, 3.0, 5.0]))
    assert gradient.tolist() == [2.0, 3.0, 5.0]


def test_halves_go_to_the_even_number():
    assert rounded(torch.tensor([-1.5, -0.5, 0.5, 1.5, 2.5])).tolist() == [-2.0, 0.0, 0.0, 2.0, 2.0]


def test_what_needs_no_gradient_gets_none():
    assert not rounded(torch.tensor([0.4])).requires_grad


def test_a_second_derivative_passes_too():
    x = torch.tensor([1.2], requires_grad=True)
    (slope,) = torch.autograd.grad((rounded(x) * x).sum(), x, create_graph=True)
    # As if f(x) = x * x: the slope is the rounded value (1) plus the value itself (1.2), and its own slope is 2.
    torch.testing.assert_close(slope.detach(), torch.tensor([2.2]))
    assert torch.autograd.grad(slope.sum(), x)[0].tolist() == [2.0]


def test_it_works_under_vmap():
    x = torch.tensor([[0.4, 1.6], [2.5, -3.5]])
    slopes = torch.func.vmap(torch.func.grad(lambda row: (rounded(row) * 3).sum()))(x)
    assert slopes.tolist() == [[3.0, 3.0], [3.0, 3.0]]
