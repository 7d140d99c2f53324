"""A quantization written in arithmetic is distinguished from a rounding of the model's own."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest
import torch

import onnxviz
from onnxviz.model.tensors.support import reach

S = 0.25
WEIGHTS = (
    "<float s = {0.25}, float inverse = {4}, float[1] wide = {0.25}, float other = {0.5}, float low = {-4}, float high = {3}, "
    "float z = {1}, float half = {0.5}, int64[1] axis = {0}, float[3] each = {0.25, 0.5, 1}>"
)


def opened(nodes: str) -> onnxviz.Model:
    text = f'<ir_version: 8, opset_import: ["" : 17]> g (float[2, 3] x) => (float y) {WEIGHTS} {{ {nodes} }}'
    return onnxviz.load(onnx.parser.parse_model(text))


RECOGNIZED = {
    "divided": "a = Div(x, s) r = Round(a) c = Clip(r, low, high) y = Mul(c, s)",
    "clipped first": "a = Div(x, s) b = Clip(a, low, high) r = Round(b) y = Mul(r, s)",
    "multiplied": "a = Mul(inverse, x) r = Round(a) c = Clip(r, low, high) y = Div(c, inverse)",
    "minimum and maximum": "a = Div(x, s) r = Round(a) b = Max(r, low) c = Min(high, b) y = Mul(c, s)",
    "zero point": "a = Div(x, s) b = Add(a, z) r = Round(b) c = Clip(r, low, high) d = Sub(c, z) y = Mul(d, s)",
    "halves up": "a = Div(x, s) b = Add(a, half) r = Floor(b) c = Clip(r, low, high) y = Mul(c, s)",
    "computed scale": "t = Squeeze(wide, axis) a = Div(x, t) r = Round(a) c = Clip(r, low, high) y = Mul(c, t)",
    "a scale for each": "a = Div(x, each) r = Round(a) c = Clip(r, low, high) y = Mul(c, each)",
}
OTHERS = {
    "decimals": "a = Mul(x, inverse) r = Round(a) y = Div(r, inverse)",
    "no way back": "a = Div(x, s) r = Round(a) y = Clip(r, low, high)",
    "another scale": "a = Div(x, s) r = Round(a) c = Clip(r, low, high) y = Mul(c, other)",
    "not scaled": "r = Round(x) c = Clip(r, low, high) y = Mul(c, s)",
    "divided by": "a = Div(s, x) r = Round(a) c = Clip(r, low, high) y = Mul(c, s)",
    "a scale that moves": "a = Div(x, x) r = Round(a) c = Clip(r, low, high) y = Mul(c, s)",
}
X = torch.tensor([[-3.0, -0.6, -0.2], [0.1, 0.55, 5.0]])


@pytest.mark.parametrize("nodes", RECOGNIZED.values(), ids=RECOGNIZED)
def test_the_gradient_passes_a_quantization_inside_its_range(nodes: str) -> None:
    model = opened(nodes)
    assert model.fake_quantized == {"r"}
    assert reach(model)["y"].differentiable
    x = X.clone().requires_grad_()
    y = model.network()({"x": x})["y"]
    np.testing.assert_allclose(y.detach(), model.session()({"x": X.numpy()})["y"], atol=1e-6)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    # Apart from rounding the graph is the identity; clipped values have no effect. The values lie far from the ends of the ranges.
    wanted = torch.ones_like(X)
    wanted[0, 0] = wanted[1, 2] = 0
    torch.testing.assert_close(gradient, wanted)


@pytest.mark.parametrize(
    ("spelling", "lowest"), [("divided", -1.0), ("clipped first", -1.0), ("multiplied", -1.0), ("zero point", -1.25)]
)
def test_the_gradient_passes_at_both_ends_of_the_range(spelling: str, lowest: float) -> None:
    # Seven steps above the lowest value is the highest one; a whole step further is outside.
    x = torch.tensor([[lowest - S, lowest, 0.0], [0.0, lowest + 7 * S, lowest + 8 * S]]).requires_grad_()
    y = opened(RECOGNIZED[spelling]).network()({"x": x})["y"]
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [[0, 1, 1], [1, 1, 0]]


@pytest.mark.parametrize("nodes", OTHERS.values(), ids=OTHERS)
def test_a_rounding_of_the_model_s_own_keeps_its_derivative(nodes: str) -> None:
    model = opened(nodes)
    assert model.fake_quantized == frozenset()
    x = X.clone().requires_grad_()
    y = model.network()({"x": x})["y"]
    assert not torch.autograd.grad(y.sum(), x)[0].any()
    assert not reach(model)["y"].differentiable


def test_a_target_before_the_scale_behind_it_is_quantized_all_the_same() -> None:
    x = X.clone().requires_grad_()
    network = opened(RECOGNIZED["divided"]).network(["r"])
    (gradient,) = torch.autograd.grad(network({"x": x})["r"].sum(), x)
    torch.testing.assert_close(gradient, torch.full_like(X, 1 / S))
