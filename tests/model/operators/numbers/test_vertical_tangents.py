"""Infinite slopes: the value is kept, the gradient is zero there and untouched elsewhere."""

from __future__ import annotations

import torch

from onnxviz.model.operators.numbers.vertical_tangents import flattened


def test_only_the_steep_places_lose_their_gradient():
    x = torch.tensor([0.0, 1.0, 8.0], dtype=torch.float64, requires_grad=True)

    def root(values: torch.Tensor) -> torch.Tensor:
        return torch.pow(values, 1 / 3)

    value = flattened(root, x, x == 0, harmless=1.0)
    torch.testing.assert_close(value, root(x))
    (gradient,) = torch.autograd.grad(value.sum(), x)
    torch.testing.assert_close(gradient, torch.tensor([0.0, 1 / 3, 1 / 12], dtype=torch.float64))
