"""Step functions: against ONNX Runtime, and a gradient of zero."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from single_node import written

import onnxviz
from onnxviz.model.operators.declaration import Gradient, find

X = np.array([-2.5, -1.5, -0.5, -0.2, 0.0, 0.5, 1.5, 2.5, 3.7], np.float32)


@pytest.mark.parametrize("operator", ["Floor", "Ceil", "Round", "Sign"])
def test_onnx_runtime_agrees_and_no_gradient_passes(compare, operator):
    model = written(f"y = {operator}(x)", {"x": X})
    compare(model, {"x": X})
    compare(model, {"x": np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1, 2, 3, 4], np.float32)})
    declaration = find("", operator, 21)
    assert declaration is not None
    assert declaration.gradient is Gradient.ZERO
    x = torch.tensor(X, requires_grad=True)
    y = onnxviz.load(model).network()({"x": x})["y"]
    assert not y.requires_grad or not torch.autograd.grad(y.sum(), x)[0].any()


@pytest.mark.parametrize("operator", ["Floor", "Ceil", "Round", "Sign"])
def test_the_gradient_passes_straight_through_where_that_is_asked_for(operator):
    model = onnxviz.load(written(f"y = {operator}(x)", {"x": X}))
    x = torch.tensor(X, requires_grad=True)
    y = model.network(straight_through=True)({"x": x})["y"]
    torch.testing.assert_close(y, model.network()({"x": x})["y"])
    (gradient,) = torch.autograd.grad((3 * y).sum(), x)
    inside = np.abs(X) <= 1 if operator == "Sign" else np.ones_like(X)
    np.testing.assert_array_equal(gradient, 3 * inside)


def test_the_gradient_passes_straight_through_inside_a_body_too():
    text = """
    y = If (flag) <then_branch = t () => (float o) { o = Round(x) }, else_branch = e () => (float o) { o = Neg(x) }>
    """
    model = onnxviz.load(written(text, {"x": X, "flag": np.array(True)}))
    x = torch.tensor(X, requires_grad=True)
    y = model.network(straight_through=True)({"x": x, "flag": np.array(True)})["y"]
    np.testing.assert_array_equal(torch.autograd.grad(y.sum(), x)[0], np.ones_like(X))
